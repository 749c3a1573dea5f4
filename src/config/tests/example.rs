//! deploy/dogwatch.example.yml beside the code.

use super::*;

/// The keys at a path, as the error about an unknown one lists them; a key that takes a list stands for its items.
fn keys_at(path: &[&str]) -> Option<Vec<String>> {
    let mut lists = BTreeSet::new();
    loop {
        let odd = serde_json::json!({"no such key": 1});
        let document = path.iter().enumerate().rfold(odd, |below, (depth, key)| {
            serde_json::json!({*key: if lists.contains(&depth) { serde_json::json!([below]) } else { below }})
        });
        let error = serde_path_to_error::deserialize::<_, Config>(&document).err()?;
        let depth = error.path().to_string().matches('.').count();
        let error = error.into_inner().to_string();
        if error.contains("expected a sequence") && lists.insert(depth) {
            continue;
        }
        let known = error.strip_prefix("unknown field `no such key`")?;
        return Some(known.split('`').skip(1).step_by(2).map(str::to_owned).collect());
    }
}

fn every_key(path: &[&str], found: &mut BTreeSet<String>) {
    for key in keys_at(path).unwrap_or_default() {
        let at = [path, &[key.as_str()]].concat();
        every_key(&at, found);
        found.insert(at.join("."));
    }
}

#[test]
fn every_key_of_ours_is_in_the_example() {
    /// Sections whose keys are Alertmanager's, and documented there.
    const THEIRS: &[&str] = &["global", "route", "receivers", "inhibit_rules", "time_intervals", "mute_time_intervals"];
    let example = include_str!("../../../deploy/dogwatch.example.yml");
    let part_of_a_word = |c: char| c == '_' || c.is_alphanumeric();
    let is_named =
        |key: &str| example.match_indices(&format!("{key}:")).any(|(at, _)| !example[..at].ends_with(part_of_a_word));
    let mut keys = BTreeSet::new();
    for section in keys_at(&[]).unwrap() {
        keys.insert(section.clone());
        if !THEIRS.contains(&section.as_str()) {
            every_key(&[&section], &mut keys);
        }
    }
    assert!(keys.len() > 80 && keys.contains("clusters.etcd.cert_file"), "the walk finds them: {keys:?}");
    let accepted_only = ["mute_time_intervals", "tracing", "event_recorder"];
    let ours = keys.iter().filter(|key| !key.contains("http_config.") && !accepted_only.contains(&key.as_str()));
    let missing: Vec<&String> = ours.filter(|key| !is_named(key.rsplit('.').next().unwrap())).collect();
    assert!(missing.is_empty(), "not in deploy/dogwatch.example.yml: {missing:?}");
}
