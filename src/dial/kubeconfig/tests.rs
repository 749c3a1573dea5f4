//! Each way to write a kubeconfig that kubectl reads.

use super::*;
use crate::dial::testing::write;

const WHOLE: &str = "clusters: [{name: c, cluster: {server: 'https://a:1', certificate-authority: pki/ca.crt}}]\n\
                     users: [{name: u, user: {token: t}}]\n\
                     contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";

fn read_text(text: &str) -> Result<Chosen, DialError> {
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = Some(write(dir.path(), "kubeconfig", text));
    read(&DialConfig { kubeconfig, ..DialConfig::default() })
}

#[track_caller]
fn check(text: &str) {
    let chosen = read_text(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!((chosen.context.as_str(), chosen.cluster.server.as_deref()), ("x", Some("https://a:1")), "{text}");
    assert_eq!(chosen.user.token.as_ref().map(|t| t.reveal()), Some("t"), "{text}");
    assert!(chosen.anonymous.is_none(), "{text}");
}

#[test]
fn what_kubectl_reads_is_read() {
    check(WHOLE);
    check(&format!("apiVersion: v1\nkind: Config\nkind: Config\npreferences: {{}}\n{WHOLE}"));
    check(&format!("current-context: old\nusers: []\n{WHOLE}"));
    check(&WHOLE.replace("token: t", "token: old, token: t"));
    check(&format!("---\n{WHOLE}---\nanything: [else\n"));
    check(&format!("\u{feff}{WHOLE}"));
    check(&WHOLE.replace("pki/ca.crt", "''"));
    check(&WHOLE.replace("users: [", "users: [{name: other, user: null}, {name: third}, "));
    check(&WHOLE.replace("contexts: [", "contexts: [{name: half, context: {user: nobody}}, "));
    check(&WHOLE.replace("token: t", "token: t, unknown: {field: 1}, exec: null"));
    check(
        &WHOLE.replace("server:", "insecure-skip-tls-verify: no, extensions: [{name: m, extension: {a: 1}}], server:"),
    );
    check(
        &serde_json::json!({
            "clusters": [{"name": "c", "cluster": {"server": "https://a:1"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        })
        .to_string(),
    );
}

#[test]
fn utf_16_of_windows_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k");
    for (mark, bytes) in [([0xFF, 0xFE], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xFE, 0xFF], u16::to_be_bytes)] {
        let text: Vec<u8> = mark.into_iter().chain(WHOLE.encode_utf16().flat_map(bytes)).collect();
        std::fs::write(&path, text).unwrap();
        let chosen = read(&DialConfig { kubeconfig: Some(path.clone()), ..DialConfig::default() }).unwrap();
        assert_eq!(chosen.context, "x");
    }
}

#[test]
fn a_list_of_files_is_merged_and_may_have_holes() {
    let dir = tempfile::tempdir().unwrap();
    let hole = dir.path().join("nope");
    let first = write(dir.path(), "a", "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n");
    let empty = write(dir.path(), "empty", "");
    std::fs::create_dir(dir.path().join("b")).unwrap();
    let second = write(&dir.path().join("b"), "k", &WHOLE.replace("current-context: x", "current-context: y"));
    let file = merged(&[hole.clone(), first.clone(), empty, second], "list").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(file.current_context.as_deref(), Some("x"));
    assert_eq!(file.contexts(), ["x"]);
    let ca = file.cluster("c").unwrap().certificate_authority;
    assert_eq!(ca, Some(dir.path().join("b/pki/ca.crt")), "relative to the file that names it");
    let refused = |paths: &[PathBuf]| merged(paths, "list").err().map(|e| e.message).unwrap_or_default();
    assert!(
        refused(&[hole.clone(), hole.clone()]).starts_with("the kubeconfig list can't be read: there is no such file")
    );
    let wrong = write(dir.path(), "wrong", "users: {");
    assert!(refused(&[first, hole, wrong]).contains("wrong can't be understood at line"));
}

#[test]
fn a_context_without_its_user_goes_without_credentials_and_says_so() {
    let anonymous = |text: &str| read_text(text).unwrap().anonymous.unwrap();
    assert!(anonymous(&WHOLE.replace(", user: u}", "}")).contains("names no user"));
    assert!(anonymous(&WHOLE.replace(", user: u}", ", user: ghost}")).contains("names the user \"ghost\", which"));
}
