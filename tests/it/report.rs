//! A month's report over a generated year, against a calculation that goes second by second and shares nothing with
//! dogwatch's own: the facts are drawn first, told to the store as a watchdog would, and counted by hand.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use dogwatch::{
    clock::Clock,
    model::{
        Acknowledged, AlertName, Finding, FindingKey, Incident, IncidentAlert, Job, Labels, ProbeSpec, Reason, Sample,
        Severity, Silence, SilenceMatcher, State, Target, TargetKey, Topic, Verdict, VerdictChange,
    },
    store::{Durability, StorageConfig, Store},
    telemetry::Metrics,
};
use jiff::Timestamp;
use tempfile::TempDir;

const YEAR: usize = 365 * 86_400;

/// 2025-01-01T00:00:00Z.
const START: i64 = 1_735_689_600;

fn at(second: usize) -> Timestamp {
    Timestamp::from_second(START + i64::try_from(second).unwrap()).unwrap()
}

fn key(instance: &str) -> TargetKey {
    TargetKey { cluster: "prod".into(), job: Job::KubeApiserver, instance: instance.into() }
}

fn verdict(state: State, since: usize, reason: Option<Reason>) -> Verdict {
    Verdict { state, since: at(since), reason, message: "as drawn".into(), reached: true, hides: None }
}

fn target(instance: &str) -> Target {
    Target {
        key: key(instance),
        node: None,
        spec: ProbeSpec::ApiServer { base: "https://10.0.0.1:6443".parse().unwrap(), advertised: false },
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        guessed: false,
        labels: BTreeMap::new(),
    }
}

/// What a second is, as it is drawn; a letter so that a year of it is small.
type Facts = Vec<u8>;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    /// Spans that neither touch nor overlap, with a quarter of an hour between them.
    fn spans(&mut self, count: usize, longest: usize) -> Vec<(usize, usize)> {
        let room = YEAR / count;
        (0..count)
            .map(|i| {
                let from = i * room + 900 + self.up_to(room / 2);
                (from, from + 60 + self.up_to(longest.min(room / 2 - 1_800)))
            })
            .collect()
    }
}

fn paint(facts: &mut [u8], spans: &[(usize, usize)], letter: u8) {
    spans.iter().for_each(|(from, to)| facts[*from..*to].fill(letter));
}

/// One target's year: outages, times in which its credentials were refused, and when the watchdog was cut off, told as
/// changes of its verdict; the letters say the same by hand.
fn year(dice: &mut Dice, instance: &str, cut_off: &[(usize, usize)]) -> (Facts, Vec<VerdictChange>) {
    let mut facts = vec![b'u'; YEAR];
    let mut events: Vec<(usize, usize, u8)> = Vec::new();
    for (letter, count) in [(b'd', 60), (b'x', 9)] {
        let free = |(from, to): &(usize, usize)| {
            let taken = events.iter().map(|(a, b, _)| (*a, *b)).chain(cut_off.iter().copied());
            !taken.into_iter().any(|(a, b)| *from < b + 900 && a < *to + 900)
        };
        let spans: Vec<_> = dice.spans(count, 20_000).into_iter().filter(free).collect();
        events.extend(spans.into_iter().map(|(from, to)| (from, to, letter)));
    }
    events.extend(cut_off.iter().map(|(from, to)| (*from, *to, b's')));
    events.sort_unstable();
    let mut changes = Vec::new();
    let mut change = |when: usize, from: State, to: Verdict| {
        changes.push(VerdictChange { key: key(instance), at: at(when), from, to });
    };
    // Probed for the first time some minutes after it was found.
    facts[..400].fill(b'x');
    change(401, State::Unknown, verdict(State::Up, 400, None));
    let mut up_since = 400;
    for (from, to, letter) in events {
        paint(&mut facts, &[(from, to)], letter);
        match letter {
            b'd' => {
                // Two seconds of doubt; back with the second success, counted from the first.
                change(from, State::Up, verdict(State::Suspect, from, Some(Reason::Timeout)));
                change(from + 2, State::Suspect, verdict(State::Down, from, Some(Reason::Timeout)));
                change(to + 10, State::Down, verdict(State::Up, to, None));
                up_since = to;
            }
            b'x' => {
                change(from, State::Up, verdict(State::Suspect, from, Some(Reason::Auth)));
                change(from + 2, State::Suspect, verdict(State::Unknown, from, Some(Reason::Auth)));
                change(to, State::Unknown, verdict(State::Up, to, None));
                up_since = to;
            }
            _ => {
                change(from, State::Up, verdict(State::Unknown, from, None));
                change(to, State::Unknown, verdict(State::Up, up_since, None));
            }
        }
        // A doubt that came to nothing, some minutes later.
        change(to + 200, State::Up, verdict(State::Suspect, to + 200, None));
        change(to + 201, State::Suspect, verdict(State::Up, up_since, None));
    }
    (facts, changes)
}

fn maintenance(id: usize, (from, to): (usize, usize)) -> Silence {
    let matcher = SilenceMatcher { name: "cluster".into(), value: "prod".into(), is_regex: false, is_equal: true };
    Silence {
        id: format!("silence {id}"),
        matchers: vec![matcher],
        starts_at: at(from),
        ends_at: at(to),
        updated_at: at(from),
        created_by: "ada".into(),
        comment: "Maintenance: an upgrade".into(),
    }
}

/// Writes a year of two API servers, and returns what each second was: of both, and of the API that they serve.
async fn write(dir: &Path) -> [Facts; 3] {
    let mut dice = Dice(7);
    let cut_off = dice.spans(12, 7_000);
    let stopped = dice.spans(5, 9_000);
    let stopped: Vec<_> =
        stopped.into_iter().filter(|(a, b)| cut_off.iter().all(|(c, d)| b + 900 < *c || d + 900 < *a)).collect();
    let planned = dice.spans(8, 9_000);
    let store = |second| {
        let clock = Clock::anchored(at(second));
        let store = Store::open(dir.to_path_buf(), StorageConfig::default(), Arc::new(Metrics::new()), clock.clone()).0;
        (store, clock)
    };
    let (first, clock) = store(0);
    let born = second_of(&clock);
    let never = || verdict(State::Unknown, 0, None);
    first.save_targets(vec![(target("a"), never()), (target("b"), never())]);
    let years = ["a", "b"].map(|instance| year(&mut dice, instance, &cut_off));
    let mut facts = years.each_ref().map(|(facts, _)| facts.clone());
    for (_, changes) in years {
        changes.into_iter().for_each(|change| first.save_verdict(change));
    }
    let mut begun = 0;
    for (from, to) in stopped.iter().copied().chain([(YEAR, YEAR)]) {
        first.save_watch(at(begun), at(from));
        begun = to;
    }
    let silences = planned.iter().enumerate().map(|(i, span)| maintenance(i, *span)).collect();
    assert_eq!(first.commit_silences(silences, Vec::new()).await, Durability::Durable);
    tell_the_rest(&first).await;
    first.close(Duration::from_secs(20)).await;
    // It was taken away in the middle of November.
    let (last, clock) = store(318 * 86_400 + 4_321);
    let gone = second_of(&clock);
    last.forget_targets(vec![key("b")]);
    last.close(Duration::from_secs(20)).await;
    for one in &mut facts {
        paint(one, &stopped, b's');
        paint(one, &planned, b'm');
    }
    facts.iter_mut().for_each(|one| one[..born].fill(b'-'));
    facts[1][gone..].fill(b'-');
    let [a, b] = &facts;
    let api = a.iter().zip(b).map(|pair| together(*pair.0, *pair.1)).collect();
    [facts[0].clone(), facts[1].clone(), api]
}

/// An API is there while one of its servers is.
fn together(a: u8, b: u8) -> u8 {
    match (a, b) {
        (b'u', _) | (_, b'u') => b'u',
        (one, b'-') | (b'-', one) => one,
        (b'd', b'd') => b'd',
        (b'm', b'm') => b'm',
        // Both may not be seen for the same reason, and only then.
        (b's', _) | (_, b's') => b's',
        (b'x', _) | (_, b'x') => b'x',
        _ => b'd',
    }
}

/// The second that a clock shows, not so near to its end that the next may have begun when it is used.
fn second_of(clock: &Clock) -> usize {
    while clock.wall().subsec_millisecond() > 800 {
        std::thread::yield_now();
    }
    usize::try_from(clock.wall().as_second() - START).unwrap()
}

async fn tell_the_rest(store: &Store) {
    // On the third of October, two seconds after it began; looked after four minutes later, over after an hour.
    let second = 275 * 86_400 + 7_200;
    let alert = AlertName::ApiServersDown;
    let finding = Finding::new(
        FindingKey { cluster: "prod".into(), alert, subject: String::new() },
        Severity::Critical,
        Topic::Outage,
        "no API server | answers <b>".into(),
        at(second),
    );
    let mut incident =
        Incident::new(1, "prod".into(), Topic::Outage, at(second), finding.headline.clone(), Severity::Critical);
    incident.alerts.push(IncidentAlert::new(finding, at(second + 2)));
    incident.acknowledged = Some(Acknowledged { at: at(second + 240), by: "ada".into() });
    incident.resolved_at = Some(at(second + 3_600));
    let drill = Incident { id: 2, topic: Topic::Drill, headline: "a drill".into(), ..incident.clone() };
    assert_eq!(store.commit(vec![incident, drill], Vec::new()).await, Durability::Durable);
    let end = 304 * 86_400 - 60;
    let pairs = [("cluster", "prod"), ("subject", "CN=soon"), ("source", "serving")];
    let expires = Labels::new("dogwatch_certificate_expiry_timestamp_seconds", pairs);
    let succeeded = Labels::new(
        "dogwatch_heartbeat_last_success_timestamp_seconds",
        [("heartbeat", "etcd-backup"), ("cluster", "prod")],
    );
    let day = |n: usize| 273 * 86_400 + n * 86_400 + 3_600;
    let mut samples = vec![Sample { labels: expires, at: at(end), value: (START + 310 * 86_400) as f64 }];
    for n in 0..4 {
        let value = at(day(n)).as_second() as f64;
        samples.extend([0, 600].map(|later| Sample { labels: succeeded.clone(), at: at(day(n) + later), value }));
    }
    store.append(&samples);
}

fn dogwatch(dir: &Path, arguments: &[&str]) -> Output {
    let run = Command::new(env!("CARGO_BIN_EXE_dogwatch"))
        .arg("report")
        .args(["-c", dir.join("dogwatch.yml").to_str().unwrap()])
        .args(arguments)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    run
}

fn text(dir: &Path, arguments: &[&str]) -> String {
    String::from_utf8(dogwatch(dir, arguments).stdout).unwrap()
}

/// Counted by hand: `[up, down, maintenance, unseen, unknown, absent]`, and how often it was down.
fn counted(facts: &[u8]) -> ([usize; 6], usize) {
    let sums = b"udmsx-".map(|letter| facts.iter().filter(|f| **f == letter).count());
    let begins = facts.iter().enumerate().filter(|(i, f)| **f == b'd' && (*i == 0 || facts[i - 1] != b'd')).count();
    (sums, begins)
}

fn told(line: &serde_json::Value) -> ([usize; 6], usize) {
    let sums = ["up", "down", "maintenance", "unseen", "unknown", "absent"];
    let of = |value: &serde_json::Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    (sums.map(|name| of(&line["seconds"][name])), of(&line["outages"]))
}

#[tokio::test]
async fn a_year_of_months_is_right_to_the_second() {
    let dir = TempDir::new().unwrap();
    let [a, b, api] = write(dir.path()).await;
    let config = format!(
        "data_dir: {}\nclusters: [{{name: prod}}]\nslos:\n  - {{name: api, cluster: prod, objective: 99.5}}\n  - {{name: one, targets: [prod/kube-apiserver/a], objective: 97}}\n",
        dir.path().display()
    );
    std::fs::write(dir.path().join("dogwatch.yml"), config).unwrap();
    let mut day = 0;
    let mut outages = 0;
    for (i, days) in [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter().enumerate() {
        let month = format!("2025-{:02}", i + 1);
        let report: serde_json::Value =
            serde_json::from_str(&text(dir.path(), &["--month", &month, "--format", "json"])).unwrap();
        let span = day * 86_400..(day + days) * 86_400;
        day += days;
        assert_eq!(told(&report["clusters"][0]), counted(&api[span.clone()]), "{month}: the API");
        for (name, facts) in [("prod/kube-apiserver/a", &a), ("prod/kube-apiserver/b", &b)] {
            let (sums, begins) = counted(&facts[span.clone()]);
            let line = report["targets"].as_array().unwrap().iter().find(|t| t["name"] == name);
            match line {
                Some(line) => assert_eq!(told(line), (sums, begins), "{month}: {name}"),
                None => assert_eq!(sums[5], span.len(), "{month}: {name} is missing"),
            }
            outages += begins;
        }
        let (sums, _) = counted(&api[span.clone()]);
        let objective = &report["objectives"][0];
        let wanted = sums[0] as f64 / (sums[0] + sums[1]) as f64;
        assert!((objective["availability"].as_f64().unwrap() - wanted).abs() < 1e-12, "{month}: {objective}");
        assert_eq!(objective["met"], wanted >= 0.995, "{month}");
        let allowed = (sums[0] + sums[1]) as f64 * 0.005;
        let left = 1.0 - sums[1] as f64 / allowed;
        assert!((objective["budget_left"].as_f64().unwrap() - left).abs() < 1e-9, "{month}: {objective}");
    }
    assert!(outages > 80, "the year has {outages} outages");
    told_in_all_formats(dir.path());
}

fn told_in_all_formats(dir: &Path) {
    let october = ["--month", "2025-10"];
    let report: serde_json::Value =
        serde_json::from_str(&text(dir, &[&october[..], &["--format", "json"]].concat())).unwrap();
    let incidents = report["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), 1, "a drill is none: {incidents:?}");
    let times = ["detect_seconds", "acknowledge_seconds", "restore_seconds"].map(|name| incidents[0][name].clone());
    assert_eq!(times, [2.into(), 240.into(), serde_json::Value::from(3_600)]);
    assert_eq!(report["certificates"][0]["subject"], "CN=soon");
    let heartbeat = &report["heartbeats"][0];
    assert_eq!((&heartbeat["name"], &heartbeat["successes"]), (&"etcd-backup".into(), &4.into()), "{heartbeat}");
    let markdown = text(dir, &october);
    assert!(markdown.contains("# Availability: October 2025"), "{markdown}");
    assert!(markdown.contains(r"no API server \| answers \<b\>"), "{markdown}");
    let html = text(dir, &[&october[..], &["--format", "html", "--time-zone", "Europe/Berlin"]].concat());
    assert!(html.contains("&lt;b&gt;") && html.contains("CEST"), "{html}");
    let csv = text(dir, &[&october[..], &["--format", "csv"]].concat());
    assert!(csv.starts_with("what,name,cluster,"), "{csv}");
    // In Berlin, October of 2025 had an hour more than 31 days.
    let berlin: serde_json::Value = serde_json::from_str(&text(
        dir,
        &[&october[..], &["--format", "json", "--time-zone", "Europe/Berlin"]].concat(),
    ))
    .unwrap();
    assert_eq!(told(&berlin["clusters"][0]).0.iter().sum::<usize>(), 745 * 3_600);
}
