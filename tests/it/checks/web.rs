//! The kinds of checks that speak HTTP (and git's own protocol) to a known API, against real servers of each kind.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::kinds::{Checked, Running, listens};
use crate::{alerting::watch::free_port, eventually::eventually, receivers::HookServer};

pub fn spawn(command: &mut Command, package: &str) -> Running {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Running(child.unwrap_or_else(|e| panic!("{package} is needed ({e}): apt-get install {package}")))
}

/// A real nginx that serves what the configuration says.
async fn nginx(dir: &Path, port: u16, locations: &str) -> Running {
    let shown = dir.display();
    let config = format!(
        "daemon off; master_process off; pid {shown}/nginx.pid; error_log {shown}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {shown}/a; proxy_temp_path {shown}/b; fastcgi_temp_path {shown}/c; uwsgi_temp_path {shown}/d; scgi_temp_path {shown}/e;
  server {{ listen 127.0.0.1:{port}; root {shown}; {locations} }}
}}
"
    );
    let file = dir.join("nginx.conf");
    std::fs::write(&file, config).unwrap();
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let running = spawn(Command::new(program).arg("-c").arg(&file).arg("-e").arg(dir.join("error.log")), "nginx-light");
    listens(port).await;
    running
}

#[tokio::test]
async fn prometheus_against_prometheus() {
    let checked = Checked::new();
    let (dir, port) = (checked.dir.path(), free_port());
    std::fs::write(dir.join("prometheus.yml"), "scrape_configs: []\n").unwrap();
    let mut command = Command::new(crate::peers::program("prometheus"));
    command.arg(format!("--config.file={}", dir.join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let _running = spawn(&mut command, "prometheus");
    let ready = format!("http://127.0.0.1:{port}/-/ready");
    let is_ready = async || reqwest::get(&ready).await.is_ok_and(|answer| answer.status() == 200);
    eventually("Prometheus is ready", is_ready).await;
    let at = format!("url: 'http://127.0.0.1:{port}'");
    let checks = format!(
        "
  - {{name: well, prometheus: {{{at}, query: '1 + 1', expect: ['value == 2', 'count == 1']}}}}
  - {{name: too-much, prometheus: {{{at}, query: 'vector(7)', expect: ['value < 5']}}}}
  - {{name: one-of-two, prometheus: {{{at}, query: 'label_replace(vector(1), \"n\", \"a\", \"\", \"\") or label_replace(vector(9), \"n\", \"b\", \"\", \"\")', expect: ['value < 5']}}}}
  - {{name: nothing, prometheus: {{{at}, query: 'nobody_has_this'}}}}
  - {{name: nothing-as-asked, prometheus: {{{at}, query: 'nobody_has_this', expect: ['count == 0']}}}}
  - {{name: no-expression, prometheus: {{{at}, query: 'sum('}}}}
  - {{name: a-range, prometheus: {{{at}, query: 'up[5m]'}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("well", "up"),
                ("too-much", "down answer: value was 7, should be < 5"),
                ("one-of-two", "down answer: {n=\"b\"}: value was 9, should be < 5"),
                ("nothing", "down answer: the expression finds nothing"),
                ("nothing-as-asked", "up"),
                ("no-expression", "down answer: it can't answer: …"),
                ("a-range", "down answer: the expression gives a matrix, should give values"),
            ],
        )
        .await;
}

/// A repository of one commit from 2023, and an empty one.
fn repositories(dir: &Path) -> PathBuf {
    let root = dir.join("repositories");
    std::fs::create_dir(&root).unwrap();
    let git = |args: &[&str], at: &Path| {
        let mut command = Command::new("git");
        command.args(args).current_dir(at).stdout(Stdio::null()).stderr(Stdio::null());
        for (name, value) in [
            ("GIT_AUTHOR_DATE", "2023-11-14T00:00:00Z"),
            ("GIT_COMMITTER_DATE", "2023-11-14T00:00:00Z"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ] {
            command.env(name, value);
        }
        assert!(command.status().unwrap().success(), "git {args:?}");
    };
    git(&["init", "-q", "-b", "main", "work"], dir);
    let work = dir.join("work");
    std::fs::write(work.join("file"), "x\n").unwrap();
    git(&["add", "file"], &work);
    git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "first"], &work);
    git(&["-c", "user.name=a", "-c", "user.email=a@b", "tag", "-a", "v1", "-m", "one"], &work);
    git(&["clone", "-q", "--bare", "../work", "shop.git"], &root);
    git(&["update-server-info"], &root.join("shop.git"));
    git(&["init", "-q", "--bare", "empty.git"], &root);
    root
}

#[tokio::test]
async fn git_against_http_backend_and_daemon() {
    let checked = Checked::new();
    let dir = checked.dir.path();
    let (http, daemon) = (free_port(), free_port());
    let root = repositories(dir);
    let socket = dir.join("fcgi.sock");
    let _fcgi = spawn(Command::new("fcgiwrap").arg("-s").arg(format!("unix:{}", socket.display())), "fcgiwrap");
    eventually("fcgiwrap listens", async || socket.exists()).await;
    let locations = format!(
        "location ~ ^/git(/.*)$ {{
           fastcgi_pass unix:{socket};
           fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
           fastcgi_param GIT_PROJECT_ROOT {root}; fastcgi_param GIT_HTTP_EXPORT_ALL 1;
           fastcgi_param PATH_INFO $1; fastcgi_param QUERY_STRING $query_string;
           fastcgi_param REQUEST_METHOD $request_method; fastcgi_param CONTENT_TYPE $content_type;
           fastcgi_param CONTENT_LENGTH $content_length; fastcgi_param GIT_CONFIG_COUNT 1;
           fastcgi_param GIT_CONFIG_KEY_0 safe.directory; fastcgi_param GIT_CONFIG_VALUE_0 *; }}
         location /page {{ return 200 '<html>'; }}",
        socket = socket.display(),
        root = root.display()
    );
    let _nginx = nginx(dir, http, &locations).await;
    let mut command = Command::new("git");
    command.args(["daemon", "--reuseaddr", "--export-all", "--listen=127.0.0.1"]);
    command.arg(format!("--port={daemon}")).arg(format!("--base-path={}", root.display()));
    let _daemon = spawn(&mut command, "git");
    listens(daemon).await;
    let (smart, own) = (format!("http://127.0.0.1:{http}/git/shop.git"), format!("git://127.0.0.1:{daemon}/shop.git"));
    let dumb = format!("http://127.0.0.1:{http}/repositories/shop.git");
    let empty = format!("git://127.0.0.1:{daemon}/empty.git");
    let checks = format!(
        "
  - {{name: smart, git: {{url: '{smart}', ref: main, expect: ['age > 365d', 'count >= 3']}}}}
  - {{name: smart-tag, git: {{url: '{smart}', ref: v1, expect: ['age > 365d']}}}}
  - {{name: smart-old, git: {{url: '{smart}', expect: ['age < 1d']}}}}
  - {{name: smart-gone, git: {{url: '{smart}', ref: release}}}}
  - {{name: no-repository, git: {{url: 'http://127.0.0.1:{http}/git/other.git'}}}}
  - {{name: no-git, git: {{url: 'http://127.0.0.1:{http}/page'}}}}
  - {{name: dumb, git: {{url: '{dumb}', ref: main}}}}
  - {{name: dumb-age, git: {{url: '{dumb}', expect: ['age < 1d']}}}}
  - {{name: daemon, git: {{url: '{own}', ref: refs/heads/main, expect: ['age > 365d']}}}}
  - {{name: daemon-gone, git: {{url: '{own}', ref: release}}}}
  - {{name: daemon-empty, git: {{url: '{empty}'}}}}
  - {{name: daemon-no-repository, git: {{url: 'git://127.0.0.1:{daemon}/other.git'}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("smart", "up"),
                ("smart-tag", "up"),
                ("smart-old", "down answer: age was …, should be < 1d"),
                ("smart-gone", "down answer: it has no release among … references"),
                ("no-repository", "down http_status: there is no such repository (HTTP 404), or we may not see it"),
                ("no-git", "down body: what it answers is no list of references of git"),
                ("dumb", "up"),
                ("dumb-age", "down answer: it serves files alone (dumb HTTP)…"),
                ("daemon", "up"),
                ("daemon-gone", "down answer: it has no release among … references"),
                ("daemon-empty", "down answer: the repository is empty"),
                ("daemon-no-repository", "down answer: …"),
            ],
        )
        .await;
}

#[tokio::test]
async fn helm_against_a_repository_behind_nginx() {
    let checked = Checked::new();
    let (dir, port) = (checked.dir.path(), free_port());
    let index = "apiVersion: v1\nentries:\n  shop:\n  - {name: shop, version: 1.2.3, created: \"2023-11-14T00:00:00.5Z\", urls: [shop-1.2.3.tgz]}\n  \
                 - {name: shop, version: 1.2.2, created: \"2023-10-14T00:00:00Z\", urls: [shop-1.2.2.tgz]}\ngenerated: \"2023-11-14T00:00:00Z\"\n";
    std::fs::create_dir(dir.join("charts")).unwrap();
    std::fs::write(dir.join("charts/index.yaml"), index).unwrap();
    std::fs::create_dir(dir.join("page")).unwrap();
    std::fs::write(dir.join("page/index.yaml"), "<html>\n - x: [").unwrap();
    let _nginx = nginx(dir, port, "").await;
    let at = format!("url: 'http://127.0.0.1:{port}/charts'");
    let checks = format!(
        "
  - {{name: there, helm: {{{at}, chart: shop}}}}
  - {{name: version, helm: {{{at}, chart: shop, chart_version: 1.2.3, expect: ['count == 2']}}}}
  - {{name: no-version, helm: {{{at}, chart: shop, chart_version: 2.0.0}}}}
  - {{name: no-chart, helm: {{{at}, chart: search}}}}
  - {{name: old, helm: {{{at}, chart: shop, expect: ['age < 30d']}}}}
  - {{name: no-index, helm: {{url: 'http://127.0.0.1:{port}/page/', chart: shop}}}}
  - {{name: nowhere, helm: {{url: 'http://127.0.0.1:{port}/nowhere', chart: shop}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("there", "up"),
                ("version", "up"),
                ("no-version", "down answer: shop has no version 2.0.0; it has 2 of them (1.2.3, 1.2.2)"),
                ("no-chart", "down answer: it has no chart search"),
                ("old", "down answer: age was …, should be < 30d"),
                ("no-index", "down body: /index.yaml is no index of a Helm repository"),
                ("nowhere", "down http_status: /nowhere/index.yaml: was 404, should be 200"),
            ],
        )
        .await;
}

#[tokio::test]
async fn oidc_against_a_provider() {
    let checked = Checked::new();
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oidc");
    let mut command = Command::new("node");
    command.current_dir(dir).args(["provider.js", "http://127.0.0.1:1/login/callback"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("node");
    let mut url = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut url).unwrap();
    let (url, _running) = (url.trim().to_owned(), Running(child));
    let (liar, keyless) = (HookServer::start().await, HookServer::start().await);
    let document =
        |issuer: &str, keys: &str| json!({"issuer": issuer, "jwks_uri": keys, "token_endpoint": "x"}).to_string();
    liar.answer(200, &[], &document("https://other.example.org", "http://127.0.0.1:1/"));
    // It gives its own document in place of keys.
    keyless.answer(200, &[], &document(&keyless.url(""), &keyless.url("/keys")));
    let checks = format!(
        "
  - {{name: well, oidc: {{issuer: '{url}', expect: ['count >= 1', 'json $.response_types_supported exists']}}}}
  - {{name: liar, oidc: {{issuer: '{}'}}}}
  - {{name: keyless, oidc: {{issuer: '{}'}}}}
  - {{name: nobody, oidc: {{issuer: '{url}/nobody'}}}}
",
        liar.url("/"),
        keyless.url("/")
    );
    checked
        .check(
            &checks,
            &[
                ("well", "up"),
                ("liar", "down answer: it calls itself \"https://other.example.org\", should be …"),
                ("keyless", "down body: the list of keys (jwks_uri) is not what it should be…"),
                ("nobody", "down http_status: /nobody/.well-known/openid-configuration: was 404, should be 200"),
            ],
        )
        .await;
}

/// Debian's registry, with an image `shop:1.0` in it, and one whose blob is gone.
async fn registry(dir: &Path) -> (u16, Running) {
    let port = free_port();
    let storage = dir.join("registry");
    let config = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\nlog: {{level: error}}\n",
        storage.display()
    );
    let file = dir.join("registry.yml");
    std::fs::write(&file, config).unwrap();
    let running = spawn(Command::new("docker-registry").arg("serve").arg(&file), "docker-registry");
    listens(port).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let at = format!("http://127.0.0.1:{port}/v2/team");
    let digest = |bytes: &[u8]| {
        format!("sha256:{}", Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>())
    };
    for name in ["shop", "broken"] {
        let blob = json!({"created": "2023-11-14T00:00:00Z", "config": {}, "name": name}).to_string();
        let digest = digest(blob.as_bytes());
        let begun = client.post(format!("{at}/{name}/blobs/uploads/")).send().await.unwrap();
        let to = begun.headers()["location"].to_str().unwrap().to_owned();
        let and = if to.contains('?') { '&' } else { '?' };
        let put = client.put(format!("{to}{and}digest={digest}")).body(blob.clone()).send().await.unwrap();
        assert_eq!(put.status(), 201);
        let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": blob.len(), "digest": digest}, "layers": []});
        let put = client.put(format!("{at}/{name}/manifests/1.0"));
        let put = put
            .header("content-type", "application/vnd.docker.distribution.manifest.v2+json")
            .body(manifest.to_string());
        assert_eq!(put.send().await.unwrap().status(), 201);
        if name == "broken" {
            let hex = digest.trim_start_matches("sha256:");
            let blobs = storage.join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex);
            std::fs::remove_dir_all(blobs).unwrap();
        }
    }
    (port, running)
}

#[tokio::test]
async fn oci_against_a_registry() {
    let checked = Checked::new();
    let (port, _running) = registry(checked.dir.path()).await;
    let closed = free_port();
    let checks = format!(
        "
  - {{name: there, oci: {{image: '127.0.0.1:{port}/team/shop:1.0', plain_http: true, expect: ['json $.name == \"shop\"', 'age > 30d']}}}}
  - {{name: no-tag, oci: {{image: '127.0.0.1:{port}/team/shop:2.0', plain_http: true}}}}
  - {{name: no-image, oci: {{image: '127.0.0.1:{port}/team/search:1.0', plain_http: true}}}}
  - {{name: broken, oci: {{image: '127.0.0.1:{port}/team/broken:1.0', plain_http: true}}}}
  - {{name: no-tls, oci: {{image: '127.0.0.1:{port}/team/shop:1.0'}}}}
  - {{name: refused, oci: {{image: '127.0.0.1:{closed}/team/shop:1.0', plain_http: true}}}}
"
    );
    checked
        .check(
            &checks,
            &[
                ("there", "up"),
                ("no-tag", "down answer: the registry has no 2.0 of team/shop"),
                ("no-image", "down answer: the registry has no 1.0 of team/search"),
                ("broken", "down answer: the registry has the manifest, but not its blob sha256:…: nobody can pull it"),
                ("no-tls", "down tls: …does not speak TLS (plain HTTP?)"),
                ("refused", "down refused: …nothing listens there"),
            ],
        )
        .await;
}

#[tokio::test]
async fn domain_against_a_registry_of_a_script() {
    let checked = Checked::new();
    let rdap = |events: serde_json::Value, status: &str| {
        json!({"objectClassName": "domain", "ldhName": "example.org", "status": [status], "events": events}).to_string()
    };
    let ends = |date: &str| json!([{"eventAction": "registration", "eventDate": "1995-01-01T00:00:00Z"}, {"eventAction": "expiration", "eventDate": date}]);
    let answers = [
        (200, rdap(ends("2090-01-01T00:00:00Z"), "active"), "well"),
        (200, rdap(ends("2024-01-01T00:00:00Z"), "active"), "ended"),
        (200, rdap(ends("2090-01-01T00:00:00Z"), "redemption period"), "lost"),
        (200, rdap(json!([]), "active"), "untold"),
        (404, "{}".to_owned(), "free"),
        (429, String::new(), "often"),
        (200, "<html>".to_owned(), "page"),
    ];
    let mut servers = Vec::new();
    let mut checks = String::new();
    for (status, body, name) in &answers {
        let server = HookServer::start().await;
        server.answer(*status, &[("content-type", "application/rdap+json")], body);
        checks +=
            &format!("  - {{name: {name}, domain: {{name: www.example.org, server: '{}'}}}}\n", server.url("/rdap/"));
        servers.push(server);
    }
    checks += &format!(
        "  - {{name: sooner, domain: {{name: example.org, server: '{}', expect: ['expiry > 99999d']}}}}\n",
        servers[0].url("/rdap/")
    );
    checked
        .check(
            &checks,
            &[
                ("well", "up"),
                ("ended", "degraded certificate: its registration ended on 2024-01-01, should last 14d more"),
                ("lost", "down answer: the registry has it as \"redemption period\""),
                ("untold", "down answer: the registry does not tell when it ends…"),
                ("free", "down answer: the registry has no www.example.org: it is free, or not below this server"),
                ("often", "down answer: HTTP 429: the registry wants to be asked less often"),
                ("page", "down body: the registry's answer is not what it should be…"),
                ("sooner", "degraded certificate: expiry was …, should be > 99999d"),
            ],
        )
        .await;
    let asked: Vec<String> = servers[4].got().iter().map(|hook| hook.line.clone()).collect();
    assert_eq!(asked, ["GET /rdap/domain/www.example.org", "GET /rdap/domain/example.org"]);
}
