//! Who we are: tokens, plugins, and kubeconfigs that are wrong.

use super::*;

#[tokio::test]
async fn a_token_goes_only_to_a_server_that_proved_who_it_is() {
    async fn check(names: &[&str], cluster: &str, trust: Trust, expected: Option<&str>) {
        let world = World::new(names).await;
        let dialer = world.dialer(cluster, "token: secret").await;
        assert_eq!(status_of(&world.livez(&dialer, trust).await), 200);
        assert_eq!(world.server.seen()[0].authorization.as_deref(), expected, "{names:?} {cluster} {trust:?}");
    }
    check(&["127.0.0.1"], "", Trust::Cluster, Some("Bearer secret")).await;
    check(&["127.0.0.1"], "", Trust::Observe, Some("Bearer secret")).await;
    check(&["elsewhere"], "", Trust::Observe, None).await;
    check(&["kubernetes.default.svc"], "", Trust::Observe, None).await;
    // The certificate-authority of the helper does not go with it in kubectl; kube takes both.
    check(&["elsewhere"], "insecure-skip-tls-verify: true", Trust::Cluster, Some("Bearer secret")).await;
    check(&["elsewhere"], "insecure-skip-tls-verify: true", Trust::Observe, None).await;
}

/// Set for the child that trusts, as its machine's CAs, what it will write to this file.
const SYSTEM_CA: &str = "SSL_CERT_FILE";

#[tokio::test]
async fn the_child_whose_machine_trusts_the_ca() {
    let Some(trusted) = std::env::var_os(SYSTEM_CA).filter(|path| !Path::new(path).exists()) else { return };
    let world = World::new(&["127.0.0.1"]).await;
    std::fs::write(trusted, &world.ca.certificate).unwrap();
    let other =
        Server::start(Some(tls_config(&world.ca.issue("other", &["127.0.0.1"], 2090), Clients::Ignored)), |_| ok("ok"))
            .await;
    let config = kubeconfig(world.path(), &world.server.url("https", "/"), "", "token: secret");
    let dialer = Dialer::load(config, Clock::system()).await.unwrap();
    assert_eq!(status_of(&world.livez(&dialer, Trust::Cluster).await), 200);
    assert_eq!(world.server.seen()[0].authorization.as_deref(), Some("Bearer secret"));
    for trust in [Trust::Cluster, Trust::Observe] {
        let exchange = get(&dialer, other.url("https", "/livez"), trust, Auth::Cluster).await;
        assert_eq!(status_of(&exchange), 200);
        assert!(exchange.tls.unwrap().verified, "this machine trusts it");
    }
    assert!(other.seen().len() == 2 && other.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[test]
fn without_a_ca_of_its_own_a_kubeconfigs_token_goes_to_its_server_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "dial::tests::credentials::the_child_whose_machine_trusts_the_ca", "--nocapture"]);
    let trusted = dir.path().join("system.crt");
    let out = child.env(SYSTEM_CA, &trusted).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(trusted.exists(), "the child ran");
}

#[tokio::test]
async fn basic_credentials_and_impersonation_are_sent() {
    let world = World::new(&["127.0.0.1"]).await;
    let dialer = world.dialer("", "username: aladdin, password: opensesame, as: jane").await;
    world.livez(&dialer, Trust::Cluster).await;
    assert_eq!(world.server.seen()[0].authorization.as_deref(), Some("Basic YWxhZGRpbjpvcGVuc2VzYW1l"));
}

/// Asks until it is answered 200, as the schedule does.
async fn until_accepted(dialer: &Dialer, url: &Url) {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let exchange = get(dialer, url.clone(), Trust::Cluster, Auth::Cluster).await;
        if matches!(&exchange.outcome, Ok(answer) if answer.status == 200) {
            return;
        }
        assert!(Instant::now() < patience, "{:?}", exchange.outcome);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn guarded(world: &World, token: &'static str) -> Server {
    let pair = world.ca.issue("kube-apiserver", &["127.0.0.1"], 2090);
    let tls = tls_config(&pair, Clients::Ignored);
    let expected = format!("Bearer {token}");
    Server::start(Some(tls), move |seen| match &seen.authorization {
        Some(sent) if *sent == expected => ok("ok"),
        _ => status(401, "Unauthorized"),
    })
    .await
}

#[tokio::test]
async fn a_rotated_token_file_is_read_again() {
    let world = World::new(&["127.0.0.1"]).await;
    let server = guarded(&world, "second").await;
    write(world.path(), "token", "first\n");
    let dialer = world.dialer("", "tokenFile: token").await;
    let url = server.url("https", "/livez");
    assert_eq!(status_of(&get(&dialer, url.clone(), Trust::Cluster, Auth::Cluster).await), 401);
    assert_eq!(server.seen()[0].authorization.as_deref(), Some("Bearer first"));
    write(world.path(), "token", "second\n");
    until_accepted(&dialer, &url).await;
}

fn plugin(dir: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = write(dir, "plugin", &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never}".to_owned()
}

#[tokio::test]
async fn an_exec_plugin_gives_the_token_and_is_asked_again_before_it_ends() {
    let world = World::new(&["127.0.0.1"]).await;
    let server = guarded(&world, "token-2").await;
    // Each run gives the next token; the first ends at once.
    let user = plugin(
        world.path(),
        r#"cd "$(dirname "$0")"; n=$(($(cat runs 2>/dev/null || echo 0) + 1)); echo $n > runs
case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 3;; esac
[ $n = 1 ] && end=2001-01-01T00:00:00Z || end=2090-01-01T00:00:00Z
echo '{"kind":"ExecCredential","status":{"token":"token-'$n'","expirationTimestamp":"'$end'"}}'"#,
    );
    let dialer = world.dialer("", &user).await;
    until_accepted(&dialer, &server.url("https", "/livez")).await;
    assert_eq!(std::fs::read_to_string(world.path().join("runs")).unwrap().trim(), "2");
}

#[tokio::test]
async fn an_exec_plugin_gives_a_client_certificate() {
    let world = World::new(&["127.0.0.1"]).await;
    let pair = world.ca.issue("from-plugin", &[], 2090);
    let status = serde_json::json!({"clientCertificateData": pair.certificate, "clientKeyData": pair.key});
    write(world.path(), "out", &serde_json::json!({"status": status}).to_string());
    let dialer = world.dialer("", &plugin(world.path(), r#"cat "$(dirname "$0")/out""#)).await;
    world.livez(&dialer, Trust::Cluster).await;
    assert!(world.server.seen()[0].client_certificate);
    assert_eq!(dialer.own_certificates()[0].subject, "CN=from-plugin");
}

#[tokio::test]
async fn a_failed_exec_plugin_is_named_where_credentials_are_refused() {
    let world = World::new(&["127.0.0.1"]).await;
    let server = guarded(&world, "any").await;
    let user = plugin(world.path(), "echo secret-on-stdout; echo 'no session: log in first' >&2; exit 1");
    let dialer = world.dialer("", &user).await;
    let refused = get(&dialer, server.url("https", "/livez"), Trust::Cluster, Auth::Cluster).await;
    let failure = refused.outcome.unwrap_err();
    assert_eq!(failure.reason, Reason::Auth);
    assert!(
        failure.message.contains("plugin failed (exit status: 1) (`dogwatch check` shows what it says)"),
        "{failure}"
    );
    assert!(!failure.message.contains("secret") && !failure.message.contains("log in"));
    let missing = dialer.missing().unwrap();
    assert_eq!(missing.said, ["no session: log in first"], "for the user's own terminal");
    // What needs no credentials is answered all the same.
    assert_eq!(status_of(&world.livez(&dialer, Trust::Cluster).await), 200);
}

#[tokio::test]
async fn a_bad_kubeconfig_is_told_without_its_secrets() {
    async fn check(text: &str, words: &str) {
        let dir = tempfile::tempdir().unwrap();
        let kubeconfig = Some(write(dir.path(), "kubeconfig", text));
        let error =
            Dialer::load(DialConfig { kubeconfig, ..DialConfig::default() }, Clock::system()).await.unwrap_err();
        assert!(error.message.contains(words), "{:?} lacks {words:?}", error.message);
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
    const REST: &str = "clusters: [{name: c, cluster: {server: \"https://127.0.0.1:1\"}}]\n\
                        contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: d}}]\n";
    check("users: [{name: u, user: {token: hunter2", "at line").await;
    check("users: hunter2", "at line 1").await;
    check(REST, "names no current-context").await;
    check(REST, "it has a, b").await;
    check(&format!("{REST}current-context: x"), "has no context \"x\": it has a, b").await;
    check(&format!("{REST}current-context: b"), "has no cluster \"d\"").await;
    let user = |user: &str| format!("{REST}current-context: a\nusers: [{{name: u, user: {{{user}}}}}]");
    check(&user("tokenFile: /nowhere/token"), "/nowhere/token can't be read").await;
    check(&user("token: \"hunter2\\u0007\""), "its token has characters that no token has").await;
    check(&user("tokenFile: kubeconfig-of-nobody"), "can't be read").await;
    check(&user("client-certificate-data: aHVudGVyMg==, client-key-data: aHVudGVyMg=="), "client certificate").await;
    check(&user("client-certificate-data: aHVudGVyMg=="), "there is no client-key for it").await;
    check(&user("auth-provider: {name: gcp, config: {access-token: hunter2}}"), "auth-provider \"gcp\" is not").await;
    let pair = Authority::new("ca").issue("me", &[], 2090);
    let encoded = |text: &str| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text);
    let with_key = |key: &str| {
        user(&format!("client-certificate-data: {}, client-key-data: {}", encoded(&pair.certificate), encoded(key)))
    };
    check(&with_key(&pair.key.replace("PRIVATE", "ENCRYPTED PRIVATE")), "its key is encrypted").await;
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: a,b\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    check(&with_key(legacy), "its key is encrypted").await;
    check(&with_key(&Authority::new("ca").issue("you", &[], 2090).key), "does not belong to the certificate").await;
    check(&user("").replace("https://127.0.0.1:1", "ftp://127.0.0.1"), "it must be https://host:port").await;
}

#[tokio::test]
async fn the_token_file_wins_over_the_token() {
    async fn check(user: &str, expected: &str) {
        let world = World::new(&["127.0.0.1"]).await;
        write(world.path(), "token", "from-the-file\n");
        write(world.path(), "empty", " \n");
        world.livez(&world.dialer("", user).await, Trust::Cluster).await;
        assert_eq!(world.server.seen()[0].authorization.as_deref(), Some(expected), "{user}");
    }
    check("token: stale, tokenFile: token", "Bearer from-the-file").await;
    check("token: \"\", tokenFile: token", "Bearer from-the-file").await;
    check("token: given, tokenFile: nowhere", "Bearer given").await;
    check("token: given, tokenFile: empty", "Bearer given").await;
    check("auth-provider: {name: oidc, config: {id-token: of-oidc}}", "Bearer of-oidc").await;
}

#[tokio::test]
async fn who_has_no_user_is_told_so_where_it_is_refused() {
    let world = World::new(&["127.0.0.1"]).await;
    let server = guarded(&world, "any").await;
    let config = kubeconfig(world.path(), &server.url("https", "/"), "certificate-authority: ca.crt", "token: t");
    let path = config.kubeconfig.clone().unwrap();
    let text = std::fs::read_to_string(&path).unwrap().replace("user: u}", "user: ghost}");
    std::fs::write(&path, text).unwrap();
    let dialer = Dialer::load(config, Clock::system()).await.unwrap();
    let refused = get(&dialer, server.url("https", "/livez"), Trust::Cluster, Auth::Cluster).await;
    let failure = refused.outcome.unwrap_err();
    assert_eq!(failure.reason, Reason::Auth);
    assert!(failure.message.contains("names the user \"ghost\", which the kubeconfig does not have"), "{failure}");
}

#[tokio::test]
async fn a_server_without_a_scheme_is_http_or_https_as_with_kubectl() {
    async fn check(server: &str, cluster: &str, user: &str, expected: Result<&str, &str>) {
        let world = World::new(&["127.0.0.1"]).await;
        let comma = if cluster.is_empty() { "" } else { "," };
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: \"{server}\"{comma} {cluster}}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
        );
        let kubeconfig = Some(write(world.path(), "bare", &text));
        let loaded = Dialer::load(DialConfig { kubeconfig, ..DialConfig::default() }, Clock::system()).await;
        match (loaded, expected) {
            (Ok(dialer), Ok(url)) => assert_eq!(dialer.server().as_str(), url, "{text}"),
            (Err(error), Err(words)) => assert!(error.message.contains(words), "{error}"),
            (loaded, _) => panic!("{server}: {loaded:?}"),
        }
    }
    check("10.0.0.1:8080", "", "token: t", Ok("http://10.0.0.1:8080/")).await;
    check("10.0.0.1:6443", "certificate-authority: ca.crt", "", Ok("https://10.0.0.1:6443/")).await;
    check("api.example.org", "insecure-skip-tls-verify: true", "", Ok("https://api.example.org/")).await;
    check("localhost:8080", "", "", Ok("http://localhost:8080/")).await;
    check("[::1]:8080/", "", "", Ok("http://[::1]:8080/")).await;
    check("10.0.0.1:8080/prefix", "", "", Err("it must be https://host:port, or host:port")).await;
    check("ftp://10.0.0.1", "", "", Err("it must be https://host:port, or host:port")).await;
    check("", "", "", Err("there is none: give its cluster a `server`")).await;
}
