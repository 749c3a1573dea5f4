use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use fluent_bundle::FluentResource;
use jiff::{Timestamp, tz::TimeZone};
use regex::Regex;

use super::*;
use crate::model::{ChangeKind, IncidentChange, text};

const LANGUAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/words/languages");

fn french() -> Voice {
    Voice::new(Language::of("fr").unwrap(), TimeZone::get("Europe/Paris").unwrap())
}

/// The messages of a language, each with its variables.
fn messages(code: &str) -> BTreeMap<String, BTreeSet<String>> {
    let source = fs::read_to_string(format!("{LANGUAGES}/{code}.ftl")).unwrap();
    let resource = FluentResource::try_new(source.clone()).map_err(|(_, errors)| format!("{code}: {errors:?}"));
    let variable = Regex::new(r"\$([a-z_]+)").unwrap();
    let begins = Regex::new(r"^([a-z][a-z0-9-]*) =").unwrap();
    let (mut all, mut at) = (BTreeMap::<String, BTreeSet<String>>::new(), String::new());
    for line in source.lines().filter(|line| !line.starts_with('#')) {
        if let Some(found) = begins.captures(line) {
            at = found[1].to_owned();
            assert!(all.insert(at.clone(), BTreeSet::new()).is_none(), "{code}: {at} is there twice");
        }
        let used = variable.captures_iter(line).map(|c| c[1].to_owned());
        all.entry(at.clone()).or_default().extend(used);
    }
    all.remove("");
    resource.unwrap();
    all
}

#[test]
fn every_language_has_every_message_with_the_same_variables() {
    let english = messages("en");
    assert!(Language::all().next() == Some(Language::ENGLISH) && Language::all().count() >= 2);
    for language in Language::all().skip(1) {
        let own = messages(language.code());
        for (id, variables) in &english {
            assert_eq!(own.get(id), Some(variables), "{language}: {id}");
        }
        let beyond: Vec<_> = own.keys().filter(|id| !english.contains_key(*id)).collect();
        assert!(beyond.is_empty(), "{language} has what English lacks: {beyond:?}");
    }
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            sources(&path, found);
        } else if [".rs", ".html", ".j2"].iter().any(|end| name.ends_with(end)) {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_message_is_used_and_every_use_has_a_message() {
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let (english, whole) = (messages("en"), all.concat());
    let quoted: BTreeSet<&str> = whole.split('"').collect();
    let idle: Vec<_> = english.keys().filter(|id| !quoted.contains(id.as_str())).collect();
    assert!(idle.is_empty(), "nobody says {idle:?}");
    let asked = Regex::new(r#"(?:\bt\(|\.say\(|\.word\(|Said::new\()\s*"([a-z0-9-]+)""#).unwrap();
    let lost: BTreeSet<_> =
        asked.captures_iter(&whole).map(|c| c[1].to_owned()).filter(|id| !english.contains_key(id)).collect();
    assert!(lost.is_empty(), "there are no messages {lost:?}");
}

#[test]
fn english_in_utc_is_what_everything_else_says() {
    let voice = Voice::default();
    let at: Timestamp = "2026-11-23T14:02:11Z".parse().unwrap();
    for ms in [0, 99, 400, 1_000, 59_999, 60_000, 252_000, 3_600_000, 7_500_000, 86_400_000, 90_000_000, 273_600_000] {
        let d = Duration::from_millis(ms);
        assert_eq!((voice.duration(d), voice.latency(d)), (text::duration(d), text::latency(d)));
    }
    assert_eq!((voice.moment(at), voice.number(4_987)), (text::moment(at), text::number(4_987)));
    for now in [at, at + Duration::from_secs(86_400)] {
        assert_eq!(voice.moment_today(at, now), text::moment_today(at, now));
    }
    let change = IncidentChange { at, since: None, kind: ChangeKind::Rollout, what: "rollout of shop/api".into() };
    let unseen = IncidentChange { since: Some(at), at: at + Duration::from_secs(60), ..change.clone() };
    for (change, began) in
        [(&change, at + Duration::from_secs(9)), (&change, at - Duration::from_secs(9)), (&unseen, at)]
    {
        assert_eq!(voice.change(change, began), change.line(began));
    }
}

#[test]
fn french_has_its_own_plurals_numbers_and_times() {
    let voice = french();
    let at: Timestamp = "2026-11-23T23:30:00Z".parse().unwrap();
    let said = |n: u64| voice.duration(Duration::from_secs(n));
    assert_eq!(said(3 * 86_400 + 4 * 3_600), "3 jours 4 h");
    assert_eq!(said(86_400), "1 jour");
    assert_eq!(voice.duration(Duration::from_millis(400)), "0,4 s");
    assert_eq!(voice.moment(at), "24/11/2026 00:30:00 CET");
    // In Paris it is the same day.
    assert_eq!(voice.moment_today(at, at + Duration::from_secs(3_600)), "00:30:00 CET");
    assert_eq!(voice.number(4_987), "4\u{202f}987");
    // CLDR: 0 is singular in French.
    assert_eq!(voice.say("and-n-more", &[("n", 0_u64.into())]), "et 0 autre");
    assert_eq!(month_title(&voice, jiff::civil::date(2026, 8, 1)), "août 2026");
    assert_eq!(voice.list(&["a", "b", "c"], 0), "a, b et c");
    assert_eq!(Voice::default().list(&["a", "b"], 7), "a, b and 7 more");
}

#[test]
fn languages_are_found_by_their_codes() {
    let liked = |accept: &str| Language::liked(accept).map(Language::code);
    for (accept, expected) in [
        ("fr-CA,fr;q=0.9,en;q=0.8", Some("fr")),
        ("de-DE,de;q=0.9,en;q=0.5,fr;q=0.4", Some("en")),
        ("xx, fr;q=0", None),
        ("*;q=0.1", None),
        ("", None),
    ] {
        assert_eq!(liked(accept), expected, "{accept}");
    }
    let error = Language::of("tlh").unwrap_err().to_string();
    assert_eq!(error, "there are no words in \"tlh\"; there are languages en, fr");
}
