//! What conditions say, to whom they hold, and what is wrong with those that are none.

use proptest::prelude::*;

use super::*;

fn seen() -> Seen {
    let mut seen = Seen::default();
    seen.number("status", 503.0);
    seen.time("time", Duration::from_millis(1_240));
    seen.time("cert", Duration::from_secs(3 * 86_400));
    seen.number("size", 2_048.0);
    seen.number("loss", 20.0);
    seen.headers.insert("content-type", "application/json; charset=utf-8".parse().unwrap());
    seen.body =
        Some(Bytes::from_static(br#"{"status": "degraded", "n": 3, "ok": true, "list": [{"a b": 1}, {"a b": 2}]}"#));
    seen.text("answer", "10.0.0.1");
    seen.text("answer", "10.0.0.2");
    seen
}

fn said(text: &str) -> Option<String> {
    Condition::read(text).unwrap_or_else(|e| panic!("{text}: {e}")).judge(&seen()).err().map(|f| f.to_string())
}

#[test]
fn what_is_met_and_what_is_said_of_the_rest() {
    let met = |text: &str| assert_eq!(said(text), None, "{text}");
    let not = |text: &str, words: &str| assert_eq!(said(text).as_deref(), Some(words), "{text}");
    not("status in 200..299", "was 503, should be 200..299 (http_status)");
    not("status in [200, 401]", "was 503, should be 200 or 401 (http_status)");
    not("status == 200", "was 503, should be 200 (http_status)");
    met("status in [200, 500..599]");
    met("status != 200");
    not("time < 800ms", "took 1.2s, should be < 800ms (slow)");
    met("time <= 1.5s");
    not("cert > 14d", "its certificate lasts 3d more, should be > 14d (certificate)");
    met("cert > 2d");
    not("size < 1KB", "size was 2.0 kB, should be < 1KB (body)");
    not("loss < 20%", "loss was 20%, should be < 20% (slow)");
    met("header Content-Type ~ \"^application/json\"");
    not("header X-Cache exists", "header X-Cache was not there, should be there (answer)");
    met("header X-Cache !~ \"MISS\"");
    not("json $.status == \"ok\"", "$.status was \"degraded\", should be \"ok\" (body)");
    met("json $.n >= 3");
    met("json $.ok == true");
    met("json $.list[?@['a b'] == 2] exists");
    not("json $.missing > 1", "$.missing was not there, should be > 1 (body)");
    met("json $.status in [\"ok\", \"degraded\"]");
    met("body ~ \"degraded\"");
    met("answer == \"10.0.0.2\"");
    not("answer != 10.0.0.2", "answer was \"10.0.0.1\", \"10.0.0.2\", should not be 10.0.0.2 (answer)");
    not("answers >= 2", "answers was not there, should be >= 2 (answer)");
}

#[test]
fn what_is_wrong_is_told_with_its_column() {
    let check = |text: &str, column: usize, words: &str| {
        let error = Condition::read(text).unwrap_err();
        assert!(error.column == column && error.message.contains(words), "{text}: {error}");
    };
    check("", 1, "empty");
    check("statsu in 200", 1, "did you mean status?");
    check("status", 7, "after status comes one of");
    check("status = 200", 8, "write == for equal");
    check("status in", 10, "after in");
    check("status in 299..200", 16, "from a smaller number");
    check("status in [200, ", 17, "missing");
    check("status in [200 401]", 16, "a comma or ]");
    check("time < 800", 8, "a duration with its unit");
    check("cert > 14 d", 8, "a duration with its unit");
    check("body ~ ready", 8, "in quotes");
    check("body ~ \"(\"", 8, "no regular expression");
    check("body ~ \"x", 8, "no closing quote");
    check("body < 3", 6, "after body comes one of");
    check("json status == 1", 6, "no JSONPath");
    check("status == 200 and time < 1s", 15, "an item of its own");
}

proptest! {
    #[test]
    fn any_text_is_a_condition_or_is_told_where_it_is_none(text in ".{0,60}") {
        match Condition::read(&text) {
            Ok(read) => { let _ = read.judge(&seen()); }
            Err(error) => prop_assert!(error.column <= text.chars().count() + 1, "{error}"),
        }
    }

    #[test]
    fn a_condition_reads_as_it_is_shown(
        subject in "status|time|cert|size|body|header X|json \\$\\.a|answers|loss",
        op in "==|!=|<|<=|>|>=|~|!~|in|exists",
        value in "[0-9]{1,3}(ms|d|MB|%|)|\"[a-z\\\\\"]{0,4}\"|\\[[0-9], 2\\.\\.[0-9]\\]|true|",
    ) {
        let text = format!("{subject} {op} {value}");
        if let Ok(read) = Condition::read(&text) {
            let again = Condition::read(&read.to_string()).unwrap();
            let (one, other) = (read.judge(&seen()), again.judge(&seen()));
            prop_assert_eq!(one, other, "{}", text);
        }
    }

    #[test]
    fn statuses_hold_as_numbers_do(status in 100u16..600, low in 100u16..600, more in 0u16..100) {
        let high = low + more;
        let mut seen = Seen::default();
        seen.number("status", f64::from(status));
        let holds = |text: String| Condition::read(&text).unwrap().judge(&seen).is_ok();
        prop_assert_eq!(holds(format!("status in {low}..{high}")), (low..=high).contains(&status));
        prop_assert_eq!(holds(format!("status < {low}")), !holds(format!("status >= {low}")));
        prop_assert_eq!(holds(format!("status == {low}")), !holds(format!("status != {low}")));
    }
}
