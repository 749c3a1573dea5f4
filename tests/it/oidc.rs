//! Logins at a real OpenID provider (node's oidc-provider, tests/oidc), and at one that lies in one way at a time.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    net::IpAddr,
    process::{Child, Command, Stdio},
};

use reqwest::{Client, Method, Url};
use serde_json::Value;

use crate::alerting::watch::{Watch, free_port};

const JOB: &str = "heartbeats: [{name: backup, every: 1h, token_file: token}]\n";
const SECRET: &str = "the-client-secret-0123456789abcdef";

/// A provider; ends with the value.
struct Provider {
    url: String,
    child: Child,
}

impl Provider {
    fn start(watch: &Watch, more: &[&str]) -> Self {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oidc");
        let mut command = Command::new("node");
        command.current_dir(dir).arg("provider.js").arg(format!("{}/login/callback", watch.url)).args(more);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("node; tests/run installs it");
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}: tests/run installs what tests/oidc needs");
        Self { url: url.trim().to_owned(), child }
    }

    /// Who logs in next, and how its next tokens are wrong.
    async fn set(&self, user: &str, spoil: &str) {
        let url = format!("{}/control?user={user}&spoil={spoil}", self.url);
        assert_eq!(reqwest::get(url).await.unwrap().status(), 200);
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Got {
    status: u16,
    url: String,
    cookies: Vec<String>,
    body: String,
}

/// A browser: it keeps cookies of each port, and follows where it is sent.
#[derive(Clone, Default)]
struct Browser {
    jar: BTreeMap<String, BTreeMap<String, String>>,
    from: Option<IpAddr>,
}

impl Browser {
    /// One step.
    async fn step(&mut self, method: Method, url: &str, form: Option<&str>) -> (Got, Option<String>) {
        let url = Url::parse(url).unwrap();
        let site = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(80));
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).local_address(self.from).no_proxy();
        let mut request = client.build().unwrap().request(method, url.clone()).header("accept", "text/html");
        let jar = self.jar.entry(site).or_default();
        if !jar.is_empty() {
            let pairs: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", pairs.join("; "));
        }
        if let Some(form) = form {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        }
        let answer = request.send().await.unwrap();
        let cookies: Vec<String> =
            answer.headers().get_all("set-cookie").iter().map(|v| v.to_str().unwrap().to_owned()).collect();
        for cookie in &cookies {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let next = answer.headers().get("location").map(|v| url.join(v.to_str().unwrap()).unwrap().to_string());
        let status = answer.status().as_u16();
        (Got { status, url: url.to_string(), cookies, body: answer.text().await.unwrap() }, next)
    }

    /// To the end, or to the callback, which is not gone to.
    async fn go(&mut self, url: &str, stop_at_callback: bool) -> Got {
        let (mut got, mut next) = self.step(Method::GET, url, None).await;
        for _ in 0..10 {
            let Some(to) = next else { return got };
            if stop_at_callback && to.contains("/login/callback?") {
                return Got { url: to, ..got };
            }
            (got, next) = self.step(Method::GET, &to, None).await;
        }
        panic!("sent in circles: {}", got.url)
    }

    async fn status(&mut self, watch: &Watch, path: &str) -> u16 {
        self.step(Method::GET, &format!("{}{path}", watch.url), None).await.0.status
    }

    fn session(&self) -> Option<String> {
        self.jar.values().find_map(|jar| jar.get("dogwatch_session")).cloned()
    }
}

async fn watch() -> Watch {
    let watch = Watch::start("").await;
    watch.write("secret", &format!("{SECRET}\n"));
    watch
}

fn config(watch: &Watch, issuer: &str, client: &str) -> String {
    let secret = if client == "public" { "" } else { "client_secret_file: secret, " };
    format!(
        "{JOB}external_url: {}\nauth: {{oidc: {{issuer: '{issuer}', client_id: {client}, {secret}roles: {{operate: [sre], \
         admin: [ops]}}}}}}\n",
        watch.url
    )
}

/// Starts it anew with this configuration.
async fn restart(watch: &mut Watch, config: &str) {
    watch.kill();
    watch.configure(config);
    watch.start_again().await;
}

#[tokio::test]
async fn people_log_in_at_an_issuer_and_their_groups_decide_what_they_may() {
    let mut watch = watch().await;
    let provider = Provider::start(&watch, &[]);
    let configured = config(&watch, &provider.url, "dogwatch");
    restart(&mut watch, &configured).await;
    let mut ada = Browser::default();
    let page = ada.go(&format!("{}/silences?x=1", watch.url), false).await;
    assert!(page.status == 401 && page.body.contains("Log in at 127.0.0.1"), "{}", page.body);
    let body = page.body.replace("&#x2f;", "/");
    let link = body.split("href=\"").find_map(|p| p.split('"').next().filter(|h| h.starts_with("/login/start?to=")));
    let got = ada.go(&format!("{}{}", watch.url, link.unwrap()), false).await;
    assert_eq!((got.status, got.url), (200, format!("{}/silences?x=1", watch.url)), "{}", watch.log());
    assert!(got.body.contains("logged in as ada@example.org") && got.body.contains("New silence"), "{}", got.body);
    for (path, expected) in
        [("/", 200), ("/silences/new", 200), ("/metrics", 200), ("/audit", 403), ("/-/healthy", 200)]
    {
        assert_eq!(ada.status(&watch, path).await, expected, "{path}");
    }
    // A form of hers needs what only a page of hers knows.
    let field = got.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    for (csrf, expected) in [("x", 403), ("", 403), (field, 303)] {
        let form = format!("matchers=a%3D%22b%22&duration=1h&by=ada&comment=disk&csrf={csrf}");
        let (got, _) = ada.step(Method::POST, &format!("{}/silences", watch.url), Some(&form)).await;
        assert_eq!(got.status, expected, "{csrf}");
    }
    provider.set("root", "").await;
    let mut root = Browser::default();
    assert_eq!(root.go(&format!("{}/login/start", watch.url), false).await.status, 200);
    let audit = root.go(&format!("{}/api/dogwatch/v1/audit", watch.url), false).await;
    let did: Value = serde_json::from_str(&audit.body).unwrap();
    let lines: Vec<_> =
        did["entries"].as_array().unwrap().iter().map(|e| (e["who"].clone(), e["action"].clone())).collect();
    assert!(lines[0] == ("root@example.org".into(), "login".into()), "{did}");
    assert!(did["entries"][1]["proof"] == "oidc" && lines[1] == ("ada@example.org".into(), "silence".into()), "{did}");
    assert!(did["entries"][2]["subject"] == "ada" && lines[2].1 == "login", "{did}");
    // A reload keeps who is logged in; a logout ends it, for whoever has kept the cookie as well.
    let (reload, _) = root.step(Method::POST, &format!("{}/-/reload", watch.url), None).await;
    assert_eq!((reload.status, ada.status(&watch, "/").await), (200, 200), "{}", reload.body);
    let mut thief = ada.clone();
    for (csrf, expected) in [("", 403), (field, 303)] {
        let (got, _) = ada.step(Method::POST, &format!("{}/logout", watch.url), Some(&format!("csrf={csrf}"))).await;
        assert_eq!(got.status, expected);
    }
    assert_eq!((ada.session(), ada.status(&watch, "/").await, thief.status(&watch, "/").await), (None, 401, 401));
    let shown = watch.log()
        + &std::fs::read_dir(watch.data())
            .unwrap()
            .map(|f| String::from_utf8_lossy(&std::fs::read(f.unwrap().path()).unwrap()).into_owned())
            .collect::<String>();
    assert!(!shown.contains(SECRET) && !shown.contains(&root.session().unwrap()), "no secret lies on the disk");
}

#[tokio::test]
async fn a_session_is_in_a_cookie_that_no_script_and_no_other_site_uses() {
    let mut watch = watch().await;
    let provider = Provider::start(&watch, &["userinfo"]);
    for client in ["by-rsa", "public"] {
        let configured = config(&watch, &provider.url, client);
        restart(&mut watch, &configured).await;
        let mut ada = Browser::default();
        let callback = ada.go(&format!("{}/login/start?to=//evil.example", watch.url), true).await;
        let (got, next) = ada.step(Method::GET, &callback.url, None).await;
        assert_eq!(next.unwrap(), format!("{}/", watch.url), "it leads to no other site: {}", watch.log());
        let cookie = got.cookies.iter().find(|c| c.starts_with("dogwatch_session=")).unwrap();
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200"), "{cookie}");
        assert_eq!(ada.status(&watch, "/silences/new").await, 200, "groups come from the userinfo endpoint");
    }
    // Reached by https, it is sent by https alone; another issuer's sessions do not count.
    let https = config(&watch, &provider.url, "public").replace("external_url: http:", "external_url: https:");
    restart(&mut watch, &https).await;
    let (got, _) = Browser::default().step(Method::GET, &format!("{}/login/start", watch.url), None).await;
    assert!(got.cookies[0].ends_with("; Secure"), "{:?}", got.cookies);
}

#[tokio::test]
async fn a_login_that_can_not_be_believed_lets_nobody_in() {
    let mut watch = watch().await;
    let provider = Provider::start(&watch, &[]);
    let configured = config(&watch, &provider.url, "dogwatch");
    restart(&mut watch, &configured).await;
    let start = format!("{}/login/start", watch.url);
    for (spoil, reason) in [
        ("issuer", "Invalid issuer"),
        ("audience", "Invalid audiences"),
        ("two", "not a trusted audience"),
        ("expired", "Expired"),
        ("nonce", "Invalid nonce"),
        ("bare", "Invalid nonce"),
        ("key", "ignature"),
        ("unsigned", "ignature"),
        ("shared", "HS256"),
    ] {
        provider.set("ada", spoil).await;
        let mut browser = Browser::default();
        let got = browser.go(&start, false).await;
        assert!(got.status == 403 && browser.session().is_none(), "{spoil}: {} {}", got.status, got.body);
        assert!(got.body.contains("could not be believed") && !got.body.contains(reason), "{spoil}: {}", got.body);
        assert!(watch.log().contains(reason), "{spoil}: {}", watch.log());
        assert_eq!(browser.status(&watch, "/").await, 401, "{spoil}");
    }
    for (user, words) in [
        ("bob", "none of your groups has a role here"),
        ("eve", "none of your groups has a role here"),
        ("nobody", "could not be believed"),
    ] {
        provider.set(user, "").await;
        let mut browser = Browser::default();
        let got = browser.go(&start, false).await;
        assert!(got.status == 403 && got.body.contains(words) && browser.session().is_none(), "{user}: {}", got.body);
        assert!(!got.body.contains("alert(1)"), "{}", got.body);
    }
    assert!(watch.log().contains("access_denied") && !watch.log().contains(SECRET), "{}", watch.log());
    provider.set("ada", "").await;
    assert_eq!(Browser::default().go(&start, false).await.status, 200, "and the right one does");
}

#[tokio::test]
async fn a_callback_counts_once_and_in_the_browser_that_began() {
    let mut watch = watch().await;
    let provider = Provider::start(&watch, &[]);
    let configured = config(&watch, &provider.url, "dogwatch");
    restart(&mut watch, &configured).await;
    let start = format!("{}/login/start", watch.url);
    let mut ada = Browser::default();
    let callback = ada.go(&start, true).await.url;
    let refused = async |browser: &mut Browser, url: &str| {
        let (got, _) = browser.step(Method::GET, url, None).await;
        assert!(got.status == 403 && browser.session().is_none(), "{url}: {}", got.body);
    };
    refused(&mut Browser::default(), &callback).await;
    let mut other = Browser::default();
    other.go(&start, true).await;
    refused(&mut other, &callback).await;
    let state = callback.split("state=").nth(1).unwrap().split('&').next().unwrap();
    refused(&mut ada.clone(), &callback.replace(state, &"0".repeat(64))).await;
    refused(&mut ada.clone(), &callback.replace("iss=http", "iss=https")).await;
    refused(&mut ada.clone(), &callback.replace("code=", "code=x")).await;
    let kept = ada.clone();
    let (got, _) = ada.step(Method::GET, &callback, None).await;
    assert!(got.status == 303 && ada.session().is_some(), "{}", watch.log());
    refused(&mut kept.clone(), &callback).await;
    assert_eq!(ada.status(&watch, "/").await, 200);
}

#[tokio::test]
async fn an_issuer_that_is_down_stops_neither_the_start_nor_who_is_logged_in() {
    let mut watch = watch().await;
    watch.write("web.yml", &format!("basic_auth_users: {{eve: '{}'}}\n", bcrypt::hash("eve", 4).unwrap()));
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let by_password = "web_config: web.yml\n";
    watch.kill();
    watch.configure(&(config(&watch, &nowhere, "dogwatch") + by_password));
    watch.start_again().await;
    let checked = watch.cli(&["check", "-c", "dogwatch.yml"]);
    assert!(checked.contains("nobody can log in at 127.0.0.1 now"), "{checked}");
    let start = format!("{}/login/start", watch.url);
    let mut browser = Browser::default();
    let got = browser.go(&start, false).await;
    assert!(got.status == 503 && got.body.contains("does not answer as it should"), "{}", got.body);
    let by = async |query: &str, user: Option<&str>| {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut request = client.get(format!("{}/login{query}", watch.url)).header("accept", "text/html");
        if let Some(user) = user {
            request = request.basic_auth(user, Some(user));
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("www-authenticate"))
    };
    assert_eq!(by("", None).await, (200, false));
    assert_eq!(by("?by=password", None).await, (401, true));
    assert_eq!(by("?by=password", Some("eve")).await, (303, false));

    let mut provider = Provider::start(&watch, &[]);
    watch.configure(&config(&watch, &provider.url, "dogwatch"));
    watch.hang_up();
    let asks = async || Browser::default().go(&start, true).await.url.contains("/login/callback?");
    crate::eventually::eventually("the issuer is asked", asks).await;
    assert_eq!(browser.go(&start, false).await.status, 200, "{}", watch.log());
    provider.stop();
    watch.kill();
    watch.start_again().await;
    assert_eq!(browser.status(&watch, "/silences/new").await, 200, "who is logged in stays so through a restart");
    assert_eq!(Browser::default().go(&start, false).await.status, 503);
    assert_eq!(browser.status(&watch, "/").await, 200);
}
