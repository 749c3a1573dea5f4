//! `conf.d`: several files as one, and who is named where they are wrong.

use super::*;

/// A folder with a configuration and its pieces, by their names below it.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    std::fs::write(dir.path().join("prod.kubeconfig"), "").unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn loaded(dir: &tempfile::TempDir) -> Config {
    load(&dir.path().join("dogwatch.yml")).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// What is wrong, a line each, without the folder's name.
fn wrong(files: &[(&str, &str)]) -> Vec<String> {
    let dir = folder(files);
    let errors = load(&dir.path().join("dogwatch.yml")).expect_err("it is accepted");
    let here = format!("{}/", dir.path().display());
    errors.iter().map(|e| e.to_string().replace(&here, "")).collect()
}

const MAIN: (&str, &str) = (
    "dogwatch.yml",
    "clusters: [{name: prod, kubeconfig: prod.kubeconfig}]\nstorage: {retention: 30d}\ndata_dir: data\nchecks:\n\
     receivers: [{name: ops, webhook_configs: [{url: 'http://ops.example/'}]}]\n\
     route: {receiver: ops, routes: [{receiver: ops, matchers: [team=a]}]}\n",
);

#[test]
fn lists_go_on_in_the_order_of_names_and_mappings_have_the_keys_of_both() {
    let dir = folder(&[
        MAIN,
        ("conf.d/20-shop.yml", "storage: {max_size: 2GB}\nchecks: [{name: shop, tcp: {address: 'shop.example:443'}}]"),
        (
            "conf.d/10-git.yaml",
            "checks: [{name: git, tcp: {address: 'git.example:22'}}]\nclusters: [{name: edge}]\n\
             receivers: [{name: git, webhook_configs: [{url: 'http://git.example/'}]}]\n\
             route: {routes: [{receiver: git, matchers: [team=git]}]}\nexternal_labels: {a: b}\n",
        ),
        ("conf.d/empty.yml", "# nothing yet\n"),
        ("conf.d/.hidden.yml", "no: such key"),
        ("conf.d/notes.txt", "no: such key"),
    ]);
    let config = loaded(&dir);
    let names = |all: Vec<&String>| all.into_iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(names(config.checks.iter().map(|c| &c.name).collect()), "git shop");
    assert_eq!(names(config.clusters.iter().map(|c| &c.name).collect()), "prod edge");
    assert_eq!(names(config.receivers.iter().map(|r| &r.name).collect()), "ops git");
    assert_eq!(config.route.unwrap().routes.len(), 2);
    assert_eq!((config.storage.retention, config.storage.max_size), (Duration::from_secs(30 * 86_400), 2_000_000_000));
    let pieces = pieces(&dir.path().join("dogwatch.yml")).unwrap();
    assert_eq!(pieces, ["10-git.yaml", "20-shop.yml", "empty.yml"].map(|name| dir.path().join("conf.d").join(name)));
}

#[test]
fn relative_paths_lead_from_the_file_in_which_they_stand() {
    let dir = folder(&[
        ("conf.d/edge.kubeconfig", ""),
        MAIN,
        (
            "conf.d/a.yml",
            "clusters: [{name: edge, kubeconfig: edge.kubeconfig, labels: {log_file: x}, etcd: {ca_file: /dev/null}}]\n\
             heartbeats: [{name: job, every: 1h, token_file: tokens/job}]\nrule_files: [builtin, 'rules/*.yml']\n\
             receivers: [{name: a, webhook_configs: [{url_file: url, http_config: {http_headers: {X: {files: [x]}}}}]}]\n\
             global: {smtp_auth_password_file: smtp, smtp_auth_secret_file: ''}\ntemplates: [texts/*.tmpl]\n",
        ),
    ]);
    let config = loaded(&dir);
    let (main, piece) = (dir.path().to_owned(), dir.path().join("conf.d"));
    assert_eq!(config.data_dir, main.join("data"));
    assert_eq!(config.clusters[0].kubeconfig, Some(main.join("prod.kubeconfig")));
    let edge = &config.clusters[1];
    assert_eq!((&edge.kubeconfig, &edge.labels["log_file"]), (&Some(piece.join("edge.kubeconfig")), &"x".to_owned()));
    assert_eq!(edge.etcd.ca_file, Some("/dev/null".into()));
    assert_eq!(config.heartbeats[0].token_file, piece.join("tokens/job"));
    let hook = &config.receivers[1].webhook_configs[0];
    assert_eq!(hook.url_file, Some(piece.join("url")));
    assert_eq!(hook.http_config.as_ref().unwrap().http_headers["X"].files, [piece.join("x")]);
    assert_eq!(config.global.smtp_auth_password_file, Some(piece.join("smtp")));
    let below = |name: &str| piece.join(name).to_string_lossy().into_owned();
    assert_eq!(config.rule_files.unwrap(), ["builtin".to_owned(), below("rules/*.yml")]);
    assert_eq!(config.templates, [below("texts/*.tmpl")]);
}

#[test]
fn each_mistake_names_its_file() {
    let piece = |text| {
        wrong(&[MAIN, ("conf.d/a.yml", "checks: [{name: a, tcp: {address: 'a.example:1'}}]"), ("conf.d/b.yml", text)])
    };
    assert_eq!(
        piece("defaults: {interval: 1s, timeout: 1s}\nstorage:\n  retention: 1d\n"),
        ["conf.d/b.yml:3:3: storage.retention: this is given in dogwatch.yml:2:11 already: keep one of the two"]
    );
    assert_eq!(
        piece("clusters: {}")[0],
        "conf.d/b.yml:1:1: clusters: this is given in dogwatch.yml:1:1 already: keep one of the two"
    );
    assert_eq!(
        piece("checks:\n- {name: b, tcp: {adress: x}}\n")[0],
        "conf.d/b.yml:2:19: unknown key `adress` in checks[1].tcp; did you mean `address`?"
    );
    assert_eq!(piece("clusters: [{name: prod}]")[0].split(": ").next(), Some("conf.d/b.yml:1:19"));
    assert_eq!(piece("external_url: ${NO_SUCH_VARIABLE_HERE}")[0].split(": ").next(), Some("conf.d/b.yml:1:15"));
    let of_all = wrong(&[
        ("dogwatch.yml", "clusters: [{name: a}]\nlisten: here"),
        ("conf.d/a.yml", "a: [b"),
        ("conf.d/b.yml", "- b"),
    ]);
    let files: Vec<&str> = of_all.iter().filter_map(|e| e.split(':').next()).collect();
    assert_eq!(files, ["conf.d/a.yml", "conf.d/b.yml"], "what is no YAML is told first: {of_all:?}");
    let in_order = wrong(&[
        ("dogwatch.yml", "clusters: [{name: a}]\n\n\nlisten: here"),
        ("conf.d/a.yml", "lisen: x"),
        ("conf.d/b.yml", "queri: x"),
    ]);
    let files: Vec<&str> = in_order.iter().filter_map(|e| e.split(':').next()).collect();
    assert_eq!(files, ["dogwatch.yml", "conf.d/a.yml", "conf.d/b.yml"], "{in_order:?}");
}

#[test]
fn a_folder_that_can_not_be_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("dogwatch.yml"), "clusters: [{name: a}]").unwrap();
    assert!(load(&dir.path().join("dogwatch.yml")).is_ok());
    std::fs::write(dir.path().join("conf.d"), "").unwrap();
    let errors = load(&dir.path().join("dogwatch.yml")).unwrap_err();
    assert_eq!(errors[0].path, dir.path().join("conf.d"));
}
