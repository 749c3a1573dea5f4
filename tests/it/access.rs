//! Who may do what, on the real program: roles, tokens, a proxy's word, forms, pages of other origins; and the audit log.

use std::{net::IpAddr, os::unix::fs::PermissionsExt, process::Command};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::alerting::watch::{TOKEN, Watch};

const JOB: &str = "heartbeats: [{name: backup, every: 1h, token_file: token}]\n";

/// How somebody logs in.
#[derive(Clone, Copy, Debug)]
enum By<'a> {
    Nothing,
    Password(&'a str),
    Token(&'a str),
    Headers(&'a [(&'a str, &'a str)]),
}

struct Got {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: String,
}

/// Asks; the password is everybody's name.
async fn ask(watch: &Watch, by: By<'_>, method: Method, path: &str, body: Option<&str>) -> Got {
    ask_from([127, 0, 0, 1].into(), watch, by, method, path, body).await
}

async fn ask_from(from: IpAddr, watch: &Watch, by: By<'_>, method: Method, path: &str, body: Option<&str>) -> Got {
    let client = Client::builder().local_address(from).redirect(reqwest::redirect::Policy::none()).no_proxy();
    let mut request = client.build().unwrap().request(method, format!("{}{path}", watch.url));
    match by {
        By::Nothing => {}
        By::Password(name) => request = request.basic_auth(name, Some(name)),
        By::Token(token) => request = request.bearer_auth(token),
        By::Headers(pairs) => {
            for (name, value) in pairs {
                request = request.header(*name, *value);
            }
        }
    }
    if let Some(body) = body {
        let kind = if body.starts_with(['{', '[']) { "application/json" } else { "application/x-www-form-urlencoded" };
        request = request.header("content-type", kind).body(body.to_owned());
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Got { status, headers, body: answer.text().await.unwrap() }
}

fn users(names: &[&str]) -> String {
    let lines: Vec<String> = names.iter().map(|n| format!("{n}: '{}'", bcrypt::hash(n, 4).unwrap())).collect();
    format!("basic_auth_users: {{{}}}\n", lines.join(", "))
}

fn silence() -> String {
    let now = jiff::Timestamp::now();
    json!({"matchers": [{"name": "a", "value": "b", "isRegex": false}], "startsAt": now,
        "endsAt": now + jiff::SignedDuration::from_hours(1), "createdBy": "ada", "comment": "disk"})
    .to_string()
}

/// Makes a token: itself, and the line of the configuration.
fn token(watch: &Watch, name: &str, scopes: &[&str]) -> (String, String) {
    let scopes: Vec<&str> = scopes.iter().flat_map(|scope| ["--scope", scope]).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
    let out = command.args(["token", "create", name]).args(scopes).env("NO_COLOR", "1").output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    let line = said.lines().find_map(|l| l.strip_prefix("auth: {tokens: [")?.strip_suffix("]}")).unwrap();
    let token = String::from_utf8(out.stdout).unwrap().trim().to_owned();
    assert!(!said.contains(&token), "{said}");
    watch.write(name, &token);
    (token, line.to_owned())
}

#[tokio::test]
async fn roles_decide_who_sees_who_silences_and_who_reloads() {
    let watch = Watch::start("").await;
    watch.write("web.yml", &users(&["ada", "bob", "eve", "mallory"]));
    watch.configure(&format!(
        "{JOB}web_config: web.yml\nauth: {{users: {{admin: [ada], operate: [bob], none: [mallory]}}}}\n"
    ));
    assert_eq!(watch.reload().await.0, 200, "{}", watch.log());
    let silence = silence();
    for (method, path, body, read, operate, admin) in [
        (Method::GET, "/", None, 200, 200, 200),
        (Method::GET, "/metrics", None, 200, 200, 200),
        (Method::GET, "/api/v1/query?query=up", None, 200, 200, 200),
        (Method::POST, "/api/v1/query", Some("query=up"), 200, 200, 200),
        (Method::GET, "/silences/new", None, 403, 200, 200),
        (Method::POST, "/api/v2/silences", Some(&*silence), 403, 200, 200),
        (Method::POST, "/api/v2/alerts", Some("[]"), 403, 200, 200),
        (Method::DELETE, "/api/v2/silence/x", None, 403, 404, 404),
        (Method::POST, "/api/dogwatch/v1/incidents/9/acknowledge", Some("{}"), 403, 404, 404),
        (Method::POST, "/incidents/9/withdraw", None, 403, 403, 403),
        (Method::GET, "/audit", None, 403, 403, 200),
        (Method::GET, "/api/dogwatch/v1/audit", None, 403, 403, 200),
        (Method::GET, "/api/v1/status/config", None, 403, 403, 200),
        (Method::POST, "/-/reload", None, 403, 403, 200),
        (Method::PUT, "/", None, 403, 403, 405),
    ] {
        for (name, expected) in [("eve", read), ("bob", operate), ("ada", admin), ("mallory", 403)] {
            let got = ask(&watch, By::Password(name), method.clone(), path, body).await;
            assert_eq!(got.status, expected, "{name} {method} {path}: {}", got.body);
            assert!(got.headers["x-content-type-options"] == "nosniff" && got.headers["cache-control"] == "no-store");
        }
        assert_eq!(ask(&watch, By::Nothing, method, path, body).await.status, 401, "{path}");
    }
    let page = |name: &'static str| ask(&watch, By::Password(name), Method::GET, "/silences", None);
    assert!(!page("eve").await.body.contains("New silence"), "who may not has no button");
    assert!(page("bob").await.body.contains("New silence") && !page("bob").await.body.contains("/audit"));
    assert!(page("ada").await.body.contains("/audit"));
}

#[tokio::test]
async fn a_token_does_what_its_scopes_say_and_its_hash_is_all_that_is_kept() {
    let watch = Watch::start("").await;
    let (read, reads) = token(&watch, "grafana", &["read"]);
    let (write, writes) = token(&watch, "bot", &["read", "write"]);
    let (ping, pings) = token(&watch, "cron", &["ping"]);
    let (post, posts) = token(&watch, "prometheus", &["alerts-in"]);
    watch.configure(&format!("{JOB}auth: {{tokens: [{reads}, {writes}, {pings}, {posts}]}}\n"));
    assert_eq!(watch.reload().await.0, 200, "{}", watch.log());
    let silence = silence();
    for (method, path, body, expected) in [
        (Method::GET, "/metrics", None, [200, 200, 403, 403]),
        (Method::GET, "/api/v2/silences", None, [200, 200, 403, 403]),
        (Method::POST, "/api/v2/silences", Some(&*silence), [403, 200, 403, 403]),
        (Method::POST, "/api/v2/alerts", Some("[]"), [403, 403, 403, 200]),
        (Method::POST, "/-/reload", None, [403, 403, 403, 403]),
        (Method::GET, "/audit", None, [403, 403, 403, 403]),
        (Method::POST, "/ping/backup", None, [404, 404, 200, 404]),
        (Method::POST, "/ping/nobody", None, [404, 404, 404, 404]),
        (Method::GET, "/-/healthy", None, [200; 4]),
    ] {
        for (token, expected) in [&read, &write, &ping, &post].into_iter().zip(expected) {
            let got = ask(&watch, By::Token(token), method.clone(), path, body).await;
            assert_eq!(got.status, expected, "{method} {path}: {}", got.body);
        }
    }
    for wrong in ["", "dogwatch_", &read[1..], &reads] {
        let got = ask(&watch, By::Token(wrong), Method::GET, "/metrics", None).await;
        assert!(got.status == 401 && got.headers["www-authenticate"] == "Bearer realm=\"dogwatch\"", "{}", got.body);
    }
    assert_eq!(ask(&watch, By::Nothing, Method::POST, &format!("/ping/{TOKEN}"), None).await.status, 200);
    let listed = watch.cli(&["silence", "list", "--url", &watch.url, "--token-file", "bot"]);
    assert!(listed.contains("disk"), "{listed}");
    // Nothing that lies on the disk or is shown has one of them.
    let shown = watch.log() + &watch.cli(&["check", "-c", "dogwatch.yml"]);
    for token in [&read, &write, &ping, &post] {
        assert!(!shown.contains(token.as_str()));
        for file in std::fs::read_dir(watch.data()).unwrap() {
            let path = file.unwrap().path();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is its owner's alone", path.display());
            let bytes = std::fs::read(path).unwrap();
            assert!(!bytes.windows(token.len()).any(|w| w == token.as_bytes()));
        }
    }
}

#[tokio::test]
async fn a_proxys_word_counts_from_its_own_address_alone() {
    let watch = Watch::start("").await;
    watch.configure(&format!(
        "{JOB}auth: {{proxy_header: X-Forwarded-User, groups_header: X-Forwarded-Groups, trusted_proxies: [127.0.0.2], \
         roles: {{operate: [sre], admin: [ops]}}}}\n"
    ));
    assert_eq!(watch.reload().await.0, 200, "{}", watch.log());
    let (proxy, other) = (IpAddr::from([127, 0, 0, 2]), IpAddr::from([127, 0, 0, 1]));
    let ada = [("x-forwarded-user", "ada"), ("x-forwarded-for", "198.51.100.9")];
    let sre = [&ada[..], &[("x-forwarded-groups", "dev,sre")]].concat();
    let ops = [&ada[..], &[("x-forwarded-groups", "ops")]].concat();
    let status = async |from, headers: &[(&str, &str)], method, path: &str| {
        ask_from(from, &watch, By::Headers(headers), method, path, None).await.status
    };
    for (from, headers, expected) in [
        (proxy, &ada[..], [200, 403, 403]),
        (proxy, &sre[..], [200, 200, 403]),
        (proxy, &ops[..], [200, 200, 200]),
        (proxy, &[][..], [401, 401, 401]),
        (other, &ops[..], [401, 401, 401]),
        (other, &[][..], [401, 401, 401]),
    ] {
        let paths = [(Method::GET, "/"), (Method::GET, "/silences/new"), (Method::POST, "/-/reload")];
        for ((method, path), expected) in paths.into_iter().zip(expected) {
            assert_eq!(status(from, headers, method, path).await, expected, "{from} {headers:?} {path}");
        }
    }
    let got = ask_from(proxy, &watch, By::Headers(&ops), Method::GET, "/api/dogwatch/v1/audit", None).await;
    let did: Value = serde_json::from_str(&got.body).unwrap();
    let reload = &did["entries"][0];
    assert!(reload["who"] == "ada" && reload["proof"] == "proxy" && reload["address"] == "198.51.100.9", "{did}");
}

#[tokio::test]
async fn who_has_a_certificate_is_who_it_names() {
    let watch = Watch::start("").await;
    let (ca_key, mut ca) = (rcgen::KeyPair::generate().unwrap(), rcgen::CertificateParams::new([]).unwrap());
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let issued = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let (server, key) = issued("watch");
    for (file, text) in [("ca.crt", &pem), ("web.crt", &server), ("web.key", &key)] {
        watch.write(file, text);
    }
    watch.write(
        "web.yml",
        "tls_server_config: {cert_file: web.crt, key_file: web.key, client_auth_type: RequireAndVerifyClientCert, \
         client_ca_file: ca.crt}\n",
    );
    watch.configure(&format!("{JOB}web_config: web.yml\nauth: {{users: {{admin: [ada]}}}}\n"));
    assert_eq!(watch.reload().await.0, 200, "{}", watch.log());
    let url = watch.url.replace("http://", "https://");
    let client = |name: Option<&str>| {
        let ca = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        let mut builder = Client::builder().tls_certs_only([ca]).no_proxy();
        if let Some((certificate, key)) = name.map(issued) {
            builder = builder.identity(reqwest::Identity::from_pem(format!("{key}{certificate}").as_bytes()).unwrap());
        }
        builder.build().unwrap()
    };
    let reload =
        async |name| client(Some(name)).post(format!("{url}/-/reload")).send().await.unwrap().status().as_u16();
    assert_eq!((reload("ada").await, reload("bob").await), (200, 403));
    assert!(client(None).get(&url).send().await.is_err());
    let audit = client(Some("ada")).get(format!("{url}/api/dogwatch/v1/audit")).send().await.unwrap();
    let did: Value = serde_json::from_str(&audit.text().await.unwrap()).unwrap();
    let reload = &did["entries"][0];
    assert!(reload["who"] == "ada" && reload["proof"] == "certificate" && reload["action"] == "reload", "{did}");
}

#[tokio::test]
async fn a_form_needs_what_only_a_page_of_ours_knows() {
    let watch = Watch::start("").await;
    watch.write("web.yml", &users(&["ada", "bob"]));
    watch.configure(&format!("{JOB}web_config: web.yml\n"));
    assert_eq!(watch.reload().await.0, 200, "{}", watch.log());
    let csrf = async |name| {
        let page = ask(&watch, By::Password(name), Method::GET, "/silences/new", None).await.body;
        let field = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert_eq!(field.len(), 64, "{page}");
        field
    };
    let (of_ada, of_bob) = (csrf("ada").await, csrf("bob").await);
    let form = "matchers=a%3D%22b%22&duration=1h&by=ada&comment=disk";
    let press = async |path: &str, csrf: &str| {
        let body = format!("{form}&csrf={csrf}");
        ask(&watch, By::Password("ada"), Method::POST, path, Some(&body)).await.status
    };
    for path in
        ["/silences", "/silences/x/expire", "/incidents/1/acknowledge", "/incidents/1/withdraw", "/incidents/1/note"]
    {
        for wrong in ["", "x", &of_bob] {
            assert_eq!(press(path, wrong).await, 403, "{path} {wrong}");
        }
        let in_url = format!("{path}?csrf={of_ada}");
        assert_eq!(ask(&watch, By::Password("ada"), Method::POST, &in_url, Some(form)).await.status, 403, "{path}");
    }
    assert_eq!(press("/silences", &of_ada).await, 303);
    assert_eq!(press("/silences/x/expire", &of_ada).await, 404);
    let page = ask(&watch, By::Password("ada"), Method::GET, "/silences", None).await.body;
    assert!(page.contains("disk") && page.contains(&of_ada), "{page}");
    // A reload draws no other key: who fills in a form loses nothing.
    let reload = ask(&watch, By::Password("ada"), Method::POST, "/-/reload", None).await;
    assert_eq!((reload.status, press("/silences", &of_ada).await), (200, 303));
}

#[tokio::test]
async fn who_did_what_is_written_down_and_shown() {
    let mut watch = Watch::start("").await;
    watch.write("web.yml", &users(&["ada", "bob"]));
    watch.write("password", "ada\n");
    let (bot, writes) = token(&watch, "bot", &["write", "alerts-in"]);
    watch.configure(&format!("{JOB}web_config: web.yml\nauth: {{users: {{admin: [ada]}}, tokens: [{writes}]}}\n"));
    assert_eq!(watch.reload().await.0, 200, "{}", watch.log());
    let made = ask(&watch, By::Token(&bot), Method::POST, "/api/v2/silences", Some(&silence())).await;
    let id = serde_json::from_str::<Value>(&made.body).unwrap()["silenceID"].as_str().unwrap().to_owned();
    let end = format!("/api/v2/silence/{id}");
    assert_eq!(ask(&watch, By::Password("ada"), Method::DELETE, &end, None).await.status, 200);
    for _ in 0..3 {
        assert_eq!(ask(&watch, By::Token(&bot), Method::POST, "/api/v2/alerts", Some("[]")).await.status, 200);
        assert_eq!(ask(&watch, By::Token("secret-guess"), Method::GET, "/", None).await.status, 401);
    }
    // What fails or is refused is nothing that was done.
    assert_eq!(ask(&watch, By::Password("bob"), Method::POST, "/-/reload", None).await.status, 403);
    assert_eq!(ask(&watch, By::Password("ada"), Method::DELETE, "/api/v2/silence/x", None).await.status, 404);
    assert_eq!(ask(&watch, By::Password("ada"), Method::POST, "/-/reload", None).await.status, 200);
    assert_eq!(watch_metric(&watch, &bot).await, 403);

    let got = ask(&watch, By::Password("ada"), Method::GET, "/api/dogwatch/v1/audit", None).await;
    let did: Value = serde_json::from_str(&got.body).unwrap();
    let text = |e: &Value, key: &str| e[key].as_str().unwrap().to_owned();
    let lines: Vec<String> = did["entries"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|e| ["who", "proof", "action", "subject"].map(|key| text(e, key)).join("|"))
        .collect();
    let expected = [
        // Before anybody had to log in.
        "|none|reload|".to_owned(),
        format!("bot|token|silence|{id}"),
        format!("ada|password|end silence|{id}"),
        "bot|token|post alerts|".into(),
        "|none|refused login|".into(),
        "ada|password|reload|".into(),
    ];
    assert_eq!(lines, expected, "{did}");
    assert!(did["entries"].to_string().contains("new: a=\\\"b\\\" until"), "{did}");
    assert!(!did.to_string().contains("secret-guess") && !watch.log().contains("secret-guess"));
    let page = ask(&watch, By::Password("ada"), Method::GET, "/audit?limit=1000", None).await;
    assert!(
        page.status == 200 && page.body.contains(&id) && page.body.contains("1 login was refused"),
        "{}",
        page.body
    );
    for (query, status) in [("limit=0", 400), ("limit=1001", 400), ("before=x", 400), ("before=2020-01-01", 200)] {
        let path = format!("/api/dogwatch/v1/audit?{query}");
        assert_eq!(ask(&watch, By::Password("ada"), Method::GET, &path, None).await.status, status, "{query}");
    }
    let login = ["--url", &watch.url, "--user", "ada", "--password-file", "password"];
    let told = watch.cli(&[&["audit", "--limit", "2"], &login[..]].concat());
    assert!(
        told.contains("refused login") && told.contains("earlier ones: --before") && !told.contains("bot"),
        "{told}"
    );
    watch.kill();
    let told = watch.cli(&["audit", "--data-dir", "data"]);
    assert!(told.contains(&id) && told.lines().count() == 7, "{told}");
}

/// What a token that only writes gets of the metrics.
async fn watch_metric(watch: &Watch, token: &str) -> u16 {
    ask(watch, By::Token(token), Method::GET, "/metrics", None).await.status
}

#[tokio::test]
async fn a_page_of_another_origin_reads_nothing_unless_it_is_named() {
    let watch = Watch::start("").await;
    let from = |origin: &'static str| [("origin", origin), ("sec-fetch-site", "cross-site")];
    let allowed = |got: &Got| got.headers.get("access-control-allow-origin").map(|v| v.to_str().unwrap().to_owned());
    let paths = ["/", "/metrics", "/federate?match[]=up", "/api/v1/labels", "/api/v2/alerts", "/api/dogwatch/v1/state"];
    for path in paths {
        let got = ask(&watch, By::Headers(&from("https://grafana.example.org")), Method::GET, path, None).await;
        assert_eq!((got.status, allowed(&got)), (200, None), "{path}: a browser shows it to no such page");
    }
    watch.configure(&format!("{JOB}cors: {{origins: [https://grafana.example.org]}}\n"));
    assert_eq!(watch.reload().await.0, 200, "{}", watch.log());
    for path in paths {
        let got = ask(&watch, By::Headers(&from("https://grafana.example.org")), Method::GET, path, None).await;
        let expected = (path != "/").then(|| "https://grafana.example.org".to_owned());
        assert!(got.status == 200 && allowed(&got) == expected, "{path}");
        assert!(!got.headers.contains_key("access-control-allow-credentials"), "{path}: no login of the browser's own");
        let got = ask(&watch, By::Headers(&from("https://evil.example")), Method::GET, path, None).await;
        assert_eq!(allowed(&got), None, "{path}");
        assert!(got.headers.get_all("vary").iter().any(|v| v == "origin"), "{path}: caches keep them apart");
    }
    let asks = [&from("https://grafana.example.org")[..], &[("access-control-request-method", "POST")]].concat();
    let first = ask(&watch, By::Headers(&asks), Method::OPTIONS, "/api/v1/query", None).await;
    assert!(
        first.status == 204 && allowed(&first).is_some() && first.headers.contains_key("access-control-allow-headers")
    );
    let first = ask(&watch, By::Headers(&asks), Method::OPTIONS, "/api/v2/silences", None).await;
    assert_eq!(allowed(&first), None, "it may not press anything");
    let post = async |origin, path: &str, body: &str| {
        ask(&watch, By::Headers(&from(origin)), Method::POST, path, Some(body)).await.status
    };
    assert_eq!(post("https://grafana.example.org", "/api/v1/query", "query=up").await, 200);
    assert_eq!(post("https://evil.example", "/api/v1/query", "query=up").await, 403);
    assert_eq!(post("https://grafana.example.org", "/api/v2/silences", &silence()).await, 403);
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_reads_nothing() {
    let watch = Watch::start("").await;
    watch.configure(&format!("{JOB}allowed_hosts: [dogwatch.monitoring.svc]\n"));
    assert_eq!(watch.reload().await.0, 200, "{}", watch.log());
    for path in ["/", "/metrics", "/federate?match[]=up", "/api/v1/labels", "/api/v1/status/config", "/api/v2/alerts"] {
        let get = async |host: &str| ask(&watch, By::Headers(&[("host", host)]), Method::GET, path, None).await;
        let refused = get("evil.example").await;
        assert!(refused.status == 421 && refused.body.contains("allowed_hosts"), "{path}: {}", refused.body);
        for ours in ["localhost:9559", "127.0.0.1", "[::1]:9559", "dogwatch.monitoring.svc:9559"] {
            assert_eq!(get(ours).await.status, 200, "{ours} {path}");
        }
    }
    for path in ["/-/healthy", &format!("/ping/{TOKEN}")] {
        let got = ask(&watch, By::Headers(&[("host", "lb.example")]), Method::GET, path, None).await;
        assert_eq!(got.status, 200, "{path}");
    }
}

#[tokio::test]
async fn what_others_on_the_machine_may_read_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let secret_ones = ["web.yml", "web.key", "token"];
    for (name, text) in [
        ("web.yml", format!("tls_server_config: {{cert_file: web.crt, key_file: web.key}}\n{}", users(&["ada"]))),
        ("web.crt", made.cert.pem()),
        ("web.key", made.signing_key.serialize_pem()),
        ("token", TOKEN.to_owned()),
        ("dogwatch.yml", format!("{JOB}listen: 127.0.0.1:0\ndata_dir: data\nweb_config: web.yml\n")),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let check = |mode: u32| {
        for name in secret_ones {
            std::fs::set_permissions(dir.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
        let out = command.args(["check", "-c", "dogwatch.yml"]).current_dir(dir.path()).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let (open, closed) = (check(0o644), check(0o600));
    for name in secret_ones {
        let warned = |said: &str| said.lines().any(|l| l.contains(&format!("{name} holds a secret")));
        assert!(warned(&open) && !warned(&closed), "{name}: {open}");
    }
}
