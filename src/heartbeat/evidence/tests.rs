use super::*;

fn evidence(yaml: &str) -> Evidence {
    Evidence::new(&serde_saphyr::from_str(yaml).unwrap()).unwrap()
}

fn sizes(mb: &[f64]) -> VecDeque<f64> {
    mb.iter().map(|n| n * 1e6).collect()
}

#[test]
fn sizes_are_read_as_programs_write_them() {
    let check = |text: &str, expected: Option<f64>| assert_eq!(bytes(text), expected, "{text:?}");
    check("48 MB", Some(48e6));
    check("48MiB", Some(48.0 * 1_048_576.0));
    check("1.5G", Some(1.5 * 1_073_741_824.0));
    check("12 kB", Some(12e3));
    check("12K", Some(12.0 * 1024.0));
    check("25784352", Some(25_784_352.0));
    check("1,234,567 bytes", Some(1_234_567.0));
    check("0 B", Some(0.0));
    check("1,5 GB", None);
    check("1234,567", None);
    check("48 parsecs", None);
    check("MB", None);
    check("-5 MB", None);
    check("1.2.3", None);
    check("", None);
}

#[test]
fn a_success_without_its_evidence_is_none() {
    let snapshot = evidence(
        "{conditions: ['body ~ \"Snapshot saved\"', 'body !~ \"(?i)error\"'],
          size: {regex: 'size: (\\S+ \\S+)'}, min_size: 1MB}",
    );
    let known = sizes(&[48.0, 47.5, 48.2]);
    let check = |body: &str, before: &VecDeque<f64>, size: Option<f64>, refused: &str| {
        let expected = Weighed { size, refused: refused.into() };
        assert_eq!(snapshot.weigh(body, before), expected, "{body:?}");
    };
    check("Snapshot saved, size: 47 MB", &known, Some(47e6), "");
    check("Snapshot saved, size: 24.1 MB", &known, Some(24.1e6), "");
    check("Snapshot saved, size: 23 MB", &known, Some(23e6), "its size was 23.0 MB, usually 48.0 MB");
    // The first ones have nothing to be held against.
    check("Snapshot saved, size: 23 MB", &sizes(&[48.0, 48.0]), Some(23e6), "");
    check("Snapshot saved, size: 12 kB", &known, Some(12e3), "its size was 12.0 kB, should be 1.0 MB or more");
    check("Snapshot saved", &known, None, "its size is not in what it sent");
    check("Snapshot saved, size: 48 parsecs", &known, None, "its size is not in what it sent");
    check("size: 9 MB then Snapshot saved, size: 48 MB", &known, Some(48e6), "");
    check("", &known, None, "body was \"\", should match \"Snapshot saved\"");
    check(
        "Snapshot saved, ERROR: size: 48 MB",
        &known,
        Some(48e6),
        "body was \"Snapshot saved, ERROR: size: 48 MB\", should not match \"(?i)error\"",
    );
}

#[test]
fn a_report_may_be_json() {
    let restic = evidence("{conditions: ['json $.status == \"ok\"'], size: {json: '$.bytes'}, max_shrink: 10%}");
    let known = sizes(&[100.0; 4]);
    let check = |body: &str, refused: &str| assert_eq!(restic.weigh(body, &known).refused, refused, "{body}");
    check("{\"status\": \"ok\", \"bytes\": 99000000}\n", "");
    check("{\"status\": \"ok\", \"bytes\": \"100 MB\"}", "");
    check("{\"status\": \"ok\", \"bytes\": 89000000}", "its size was 89.0 MB, usually 100.0 MB");
    check("{\"status\": \"ok\", \"bytes\": -1}", "its size is not in what it sent");
    check("{\"status\": \"partial\", \"bytes\": 99000000}", "$.status was \"partial\", should be \"ok\"");
    check("no JSON", "$.status was not there, should be \"ok\"");
    let any = evidence("{size: {json: '$.bytes'}, max_shrink: 100%}");
    assert_eq!(any.weigh("{\"bytes\": 1}", &known).refused, "");
}

#[test]
fn what_is_usual_is_not_moved_by_one_odd_run() {
    assert_eq!(usual(&sizes(&[1.0, 2.0])), None);
    assert_eq!(usual(&sizes(&[50.0, 48.0, 0.001])), Some(48e6));
    assert_eq!(usual(&sizes(&[50.0, 48.0, 49.0, 500.0])), Some(50e6));
}

#[test]
fn what_can_not_work_is_said() {
    let check = |yaml: &str, at: &str, why: &str| {
        let wrong = Evidence::new(&serde_saphyr::from_str(yaml).unwrap()).unwrap_err();
        assert_eq!((wrong.0.as_str(), wrong.1.as_str()), (at, why), "{yaml}");
    };
    check("{}", "expect", "what is expected? Give conditions or size");
    check("{min_size: 1MB}", "expect.min_size", "how is the size known? Give size: {regex: …}");
    check("{max_shrink: 1%}", "expect.max_shrink", "how is the size known? Give size: {regex: …}");
    check("{size: {}}", "expect.size", "give regex or json, one of them");
    check("{size: {regex: a, json: $.a}}", "expect.size", "give regex or json, one of them");
    check("{size: {regex: '\\d+'}}", "expect.size.regex", "has no group: put ( ) around the number with its unit");
    check("{size: {regex: '('}}", "expect.size.regex", "is no regular expression");
    assert!(
        Evidence::new(&serde_saphyr::from_str("{size: {json: 'a b'}}").unwrap()).unwrap_err().1.contains("JSONPath")
    );
    check(
        "{conditions: ['status == 200']}",
        "expect.conditions[0]",
        "a report has no status; a condition here is about body or json",
    );
    for share in ["0%", "101%", "50", "half", "1.5%"] {
        assert!(serde_saphyr::from_str::<ExpectConfig>(&format!("{{max_shrink: '{share}'}}")).is_err(), "{share}");
    }
    let config: ExpectConfig = serde_saphyr::from_str("{size: {json: $.a}, min_size: 2MiB, max_shrink: 20%}").unwrap();
    let read: ExpectConfig = serde_saphyr::from_str(&serde_saphyr::to_string(&config).unwrap()).unwrap();
    assert_eq!(read, config);
}
