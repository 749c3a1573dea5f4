//! `web_config` on the real program: TLS and passwords, asked for by real clients; and that nobody listens for all without.

use std::{path::Path, process::Command};

use serde_json::json;

use crate::{
    alerting::watch::{TOKEN, Watch, free_port},
    eventually::eventually,
    peers::program,
};

/// A certificate for this machine that vouches for itself, and its key.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A client that trusts this certificate and no other.
fn trusting(pem: &str) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap()
}

fn web_config(password: &str) -> String {
    let hash = bcrypt::hash(password, 4).unwrap();
    format!(
        "tls_server_config: {{cert_file: web.crt, key_file: web.key, min_version: TLS13}}
http_server_config: {{headers: {{Strict-Transport-Security: max-age=31536000}}}}
basic_auth_users: {{ada: '{hash}'}}\n"
    )
}

#[tokio::test]
async fn a_web_config_brings_tls_and_passwords_to_a_port_that_stays_open() {
    let watch = Watch::start("").await;
    let (pem, key) = certificate();
    watch.write("web.crt", &pem);
    watch.write("web.key", &key);
    watch.write("web.yml", &web_config("right"));
    watch.write("password", "right\n");
    let config = "web_config: web.yml\nheartbeats: [{name: job, every: 1h, token_file: token}]\n";
    watch.configure(config);
    let checked = watch.cli(&["check", "-c", "dogwatch.yml"]);
    assert!(checked.contains("is in use by a dogwatch"), "{checked}");
    assert_eq!(watch.reload().await.0, 200, "{}", watch.log());

    let url = watch.url.replace("http://", "https://");
    let client = trusting(&pem);
    let get = async |path: &str, login: Option<(&str, &str)>| {
        let mut request = client.get(format!("{url}{path}"));
        if let Some((name, password)) = login {
            request = request.basic_auth(name, Some(password));
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone())
    };
    for path in
        ["/", "/metrics", "/incidents", "/api/v1/query?query=up", "/api/v2/alerts", "/api/dogwatch/v1/state", "/x"]
    {
        for login in [None, Some(("ada", "wrong")), Some(("eve", "right"))] {
            let (status, headers) = get(path, login).await;
            assert_eq!(status, 401, "{path} {login:?}");
            assert_eq!(headers["www-authenticate"], "Basic realm=\"dogwatch\"");
        }
        let (status, headers) = get(path, Some(("ada", "right"))).await;
        assert_eq!(status, if path == "/x" { 404 } else { 200 }, "{path}");
        assert_eq!(headers["strict-transport-security"], "max-age=31536000");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
    for path in ["/-/healthy", "/-/ready", &format!("/ping/{TOKEN}")] {
        assert_eq!(get(path, None).await.0, 200, "{path} needs no password");
    }
    let plain = reqwest::get(format!("{}/-/healthy", watch.url)).await.unwrap();
    assert_eq!(plain.status(), 400);
    assert!(plain.text().await.unwrap().contains("https://"));

    let asked =
        ["silence", "list", "--url", &url, "--ca-file", "web.crt", "--user", "ada", "--password-file", "password"];
    watch.cli(&asked);
    let refused = Command::new(env!("CARGO_BIN_EXE_dogwatch")).args(["status", "--url", &url]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--ca-file"), "{refused:?}");

    // Another certificate in the same files is used without a reload.
    let (renewed, key) = certificate();
    watch.write("web.key", &key);
    watch.write("web.crt", &renewed);
    let healthy = format!("{url}/-/healthy");
    eventually("the new certificate is in use", async || trusting(&renewed).get(&healthy).send().await.is_ok()).await;
    // Another password is taken by a reload.
    watch.write("web.yml", &web_config("other"));
    let client = trusting(&renewed);
    let reload = client.post(format!("{url}/-/reload")).basic_auth("ada", Some("right")).send().await.unwrap();
    assert_eq!(reload.status(), 200);
    let ask = async |password: &str| {
        client.get(format!("{url}/metrics")).basic_auth("ada", Some(password)).send().await.unwrap().status().as_u16()
    };
    assert_eq!((ask("right").await, ask("other").await), (401, 200));
    let log = watch.log();
    assert!(!log.contains("$2b$"), "{log}");
}

#[tokio::test]
async fn a_page_that_took_our_name_presses_no_button() {
    let watch = Watch::start("").await;
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let body = json!({"matchers": [{"name": "a", "value": ".+", "isRegex": true}], "startsAt": jiff::Timestamp::now(),
        "endsAt": ends, "createdBy": "evil", "comment": "x"});
    let silence = async |headers: &[(&str, &str)]| {
        let mut request = reqwest::Client::new().post(format!("{}/api/v2/silences", watch.url)).body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.header("content-type", "application/json").send().await.unwrap().status().as_u16()
    };
    let rebound = [("host", "evil.example"), ("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")];
    assert_eq!(silence(&rebound).await, 421);
    assert_eq!(silence(&[("origin", "https://evil.example")]).await, 403);
    assert_eq!(silence(&[("host", "dogwatch.monitoring.svc")]).await, 200, "amtool, by whatever name");
}

fn check(dir: &Path, config: &str) -> (bool, String) {
    std::fs::write(dir.join("token"), TOKEN).unwrap();
    let something = "data_dir: data\nheartbeats: [{name: never, every: 1h, token_file: token}]\n";
    std::fs::write(dir.join("dogwatch.yml"), format!("{something}{config}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
    let out = command.args(["check", "-c", "dogwatch.yml"]).current_dir(dir).env("NO_COLOR", "1").output().unwrap();
    (out.status.success(), [out.stdout, out.stderr].map(|b| String::from_utf8(b).unwrap()).concat())
}

#[test]
fn nobody_listens_for_all_without_a_login() {
    let dir = tempfile::tempdir().unwrap();
    let hash = bcrypt::hash("x", 4).unwrap();
    std::fs::write(dir.path().join("web.yml"), format!("basic_auth_users: {{ada: '{hash}'}}")).unwrap();
    std::fs::write(dir.path().join("nobody.yml"), "http_server_config: {http2: true}").unwrap();
    let port = free_port();
    for (config, fine) in [
        (format!("listen: 127.0.0.1:{port}"), true),
        (format!("listen: ':{port}'"), false),
        (format!("listen: 0.0.0.0:{port}"), false),
        (format!("listen: 0.0.0.0:{port}\nweb_config: nobody.yml"), false),
        (format!("listen: 0.0.0.0:{port}\nweb_config: web.yml"), true),
        (format!("listen: 0.0.0.0:{port}\nallow_unauthenticated: true"), true),
    ] {
        let (ok, said) = check(dir.path(), &config);
        assert_eq!(ok, fine, "{config}: {said}");
        assert_eq!(!said.contains("nobody would have to log in"), fine, "{config}: {said}");
        if !fine {
            assert!(said.contains("dogwatch.yml:3:"), "{said}");
            let mut run = Command::new(env!("CARGO_BIN_EXE_dogwatch"));
            let run = run.args(["run", "-c", "dogwatch.yml"]).current_dir(dir.path()).output().unwrap();
            let said = String::from_utf8_lossy(&run.stderr);
            assert!(!run.status.success() && said.contains("allow_unauthenticated: true"), "{said}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_web_config_is_told_with_its_place_and_promtool_takes_what_we_take() {
    let dir = tempfile::tempdir().unwrap();
    let (pem, key) = certificate();
    let (_, other) = certificate();
    for (name, text) in [("web.crt", &pem), ("web.key", &key), ("other.key", &other)] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let hash = bcrypt::hash("x", 4).unwrap();
    let tls = "tls_server_config: {cert_file: web.crt, key_file: web.key";
    for fine in [
        String::new(),
        format!("{tls}}}"),
        format!(
            "{tls}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: web.crt, client_allowed_sans: [a]}}"
        ),
        format!("{tls}, client_auth_type: RequestClientCert, min_version: TLS12, max_version: TLS13}}"),
        format!(
            "{tls}, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]}}"
        ),
        format!("{tls}, curve_preferences: [X25519, CurveP256], prefer_server_cipher_suites: true}}"),
        "http_server_config: {http2: false, headers: {X-Frame-Options: deny, X-XSS-Protection: '0'}}".into(),
        format!("basic_auth_users: {{ada: '{hash}', bob: '{hash}'}}"),
    ] {
        std::fs::write(dir.path().join("web.yml"), &fine).unwrap();
        let (ok, said) = check(dir.path(), &format!("listen: 127.0.0.1:{}\nweb_config: web.yml\n", free_port()));
        assert!(ok, "{fine}: {said}");
        let mut peer = Command::new(program("promtool"));
        let peer = peer.args(["check", "web-config", "web.yml"]).current_dir(dir.path()).output().unwrap();
        assert!(peer.status.success(), "{fine}: {}", String::from_utf8_lossy(&peer.stderr));
    }
    for (wrong, words) in [
        ("basic_auth_users:\n  ada: hunter2".to_owned(), "web.yml:2:8: basic_auth_users.ada: is no bcrypt hash"),
        ("basic_auth_user: {}".into(), "did you mean `basic_auth_users`"),
        ("tls_server_config: {cert_file: web.crt, key_file: other.key}".into(), "does not belong to the certificate"),
        ("tls_server_config: {cert_file: web.crt, key_file: nowhere.key}".into(), "nowhere.key"),
        ("tls_server_config: {cert_file: web.crt}".into(), "key_file is missing"),
        ("tls_server_config: {cert_file: web.key, key_file: web.key}".into(), "no PEM certificate"),
        (format!("{tls}, client_auth_type: Maybe}}"), "NoClientCert"),
        (format!("{tls}, client_ca_file: web.crt}}"), "client_auth_type"),
        (format!("{tls}, client_auth_type: RequireAndVerifyClientCert}}"), "client_ca_file is missing"),
        (format!("{tls}, max_version: TLS11}}"), "max_version"),
        (format!("{tls}, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}}"), "is not spoken here"),
        (format!("{tls}, curve_preferences: [CurveP521]}}"), "is not spoken here"),
        ("http_server_config: {headers: {Server: x}}".into(), "can't be set"),
        ("http_server_config: {headers: {X-Frame-Options: allow}}".into(), "deny, sameorigin"),
        ("a: [".into(), "web.yml:"),
    ] {
        std::fs::write(dir.path().join("web.yml"), &wrong).unwrap();
        let (ok, said) = check(dir.path(), &format!("listen: 127.0.0.1:{}\nweb_config: web.yml\n", free_port()));
        assert!(!ok && said.contains(words) && !said.contains("hunter2"), "{wrong}: {said}");
    }
}
