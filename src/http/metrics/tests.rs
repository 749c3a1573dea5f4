use super::*;
use crate::model::LiveCluster;

fn sample(name: &str, pairs: &[(&str, &str)], value: f64) -> Sample {
    Sample { labels: Labels::new(name, pairs.iter().copied()), at: Timestamp::UNIX_EPOCH, value }
}

fn lines_of(text: &str, prefix: &str) -> Vec<String> {
    text.lines().filter(|l| l.starts_with(prefix)).map(str::to_owned).collect()
}

#[test]
fn the_accept_header_decides() {
    let check = |accept: &str, expected: Format| assert_eq!(negotiate(accept), expected, "{accept}");
    check("", Format::Text);
    check("*/*", Format::Text);
    check("text/html,application/xhtml+xml,*/*;q=0.8", Format::Text);
    check("application/openmetrics-text; version=1.0.0", Format::OpenMetrics);
    check("application/openmetrics-text", Format::OpenMetrics);
    check("Application/OpenMetrics-Text;version=\"1.0.0\"", Format::OpenMetrics);
    check("application/openmetrics-text;version=2.0.0", Format::Text);
    check("application/openmetrics-text;version=1.0.0;q=0", Format::Text);
    check("application/openmetrics-text;q=0.3,text/plain;version=0.0.4;q=0.5", Format::Text);
    // What Prometheus 2 and 3 send.
    check(
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        Format::OpenMetrics,
    );
    check(
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        Format::OpenMetrics,
    );
}

#[test]
fn values_and_labels_are_written_as_prometheus_reads_them() {
    let check = |label: &str, value: f64, expected: &str| {
        let mut out = String::new();
        write_sample(&mut out, &Labels::new("m", [("l", label)]), value);
        assert_eq!(out, format!("{expected}\n"));
    };
    check("plain", 1.0, r#"m{l="plain"} 1"#);
    check("", 0.5, "m 0.5");
    check("a\"b\\c\nd", f64::NAN, r#"m{l="a\"b\\c\nd"} NaN"#);
    check("ä\\", f64::INFINITY, r#"m{l="ä\\"} +Inf"#);
    check("x", f64::NEG_INFINITY, r#"m{l="x"} -Inf"#);
    check("x", 1_800_000_000.0, r#"m{l="x"} 1800000000"#);
}

#[test]
fn series_are_grouped_by_name_and_a_double_one_is_written_once() {
    let picture = Picture {
        slices: vec![
            [sample("up", &[("instance", "a")], 1.0), sample("probe_success", &[("instance", "a")], 1.0)].into(),
            [sample("up", &[("instance", "b")], 0.0), sample("up", &[("instance", "b")], 1.0)].into(),
        ],
    };
    let text = exposition(&picture, &Metrics::new(), Process::default(), Format::Text);
    assert_eq!(lines_of(&text, "up"), [r#"up{instance="a"} 1"#, r#"up{instance="b"} 0"#]);
    assert_eq!(lines_of(&text, "# TYPE up "), ["# TYPE up gauge"]);
    assert!(text.find("probe_success").unwrap() < text.find("# HELP up").unwrap());
}

#[test]
fn counters_carry_their_suffix_in_the_older_format_only() {
    let metrics = Metrics::new();
    metrics.missed_ticks.inc_by(2);
    let process = Process { cpu_seconds: Some(1.5), ..Process::default() };
    let write = |format| exposition(&Picture::default(), &metrics, process, format);
    let (text, open) = (write(Format::Text), write(Format::OpenMetrics));
    for (text, family) in [(&text, "_total"), (&open, "")] {
        for name in ["process_cpu_seconds", "dogwatch_schedule_missed_ticks"] {
            assert_eq!(lines_of(text, &format!("# TYPE {name}")), [format!("# TYPE {name}{family} counter")]);
        }
        assert_eq!(lines_of(text, "dogwatch_schedule_missed_ticks"), ["dogwatch_schedule_missed_ticks_total 2"]);
        assert_eq!(lines_of(text, "process_cpu"), ["process_cpu_seconds_total 1.5"]);
    }
    assert!(open.ends_with("# EOF\n") && !text.contains("# EOF"));
}

#[test]
fn families_come_in_one_order_whatever_the_hash_map_does() {
    let of = || {
        let metrics = Metrics::new();
        for limit in ["c", "a", "d", "b", "e"] {
            metrics.drop_at(limit);
        }
        exposition(&Picture::default(), &metrics, Process::default(), Format::Text)
    };
    let first = of();
    assert!((0..20).all(|_| of() == first));
    assert_eq!(lines_of(&first, "dogwatch_dropped_total")[0], r#"dogwatch_dropped_total{limit="a"} 1"#);
    // What counted nothing says nothing.
    assert!(!first.contains("dogwatch_notifications"));
}

#[test]
fn the_watchdog_tells_of_itself() {
    let live = Live::default();
    live.write().clusters.insert("prod".into(), LiveCluster::default());
    let text = || {
        let picture = Picture::take(&live, Timestamp::UNIX_EPOCH);
        exposition(&picture, &Metrics::new(), Process::default(), Format::Text)
    };
    let before = text();
    assert!(!before.contains("dogwatch_vantage_ok"), "not judged yet");
    assert_eq!(
        lines_of(&before, "dogwatch_incidents_open"),
        ["dogwatch_incidents_open 0", r#"dogwatch_incidents_open{cluster="prod"} 0"#]
    );
    assert_eq!(lines_of(&before, "dogwatch_build_info{").len(), 1);
    live.write().vantage.since = Some(Timestamp::UNIX_EPOCH);
    assert_eq!(lines_of(&text(), "dogwatch_vantage_ok"), ["dogwatch_vantage_ok 0"]);
}
