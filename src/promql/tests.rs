//! What Prometheus' own scripts (tests/it) don't know: rolled-up history, limits, places of errors, hostile texts.

use proptest::prelude::*;

use super::*;
use crate::pack::{Rolled, Span, Times, Values as PackedValues};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn window(start_ms: i64, end_ms: i64, step_ms: i64) -> Window {
    Window { start_ms, end_ms, step_ms, lookback_ms: 5 * MINUTE }
}

fn ask(text: &str, window: &Window, series: &[Packed], limits: Limits) -> Result<Answer, EvalError> {
    let query = parse(text).unwrap();
    let data: Vec<Vec<Packed>> = query.selections(window).iter().map(|_| series.to_vec()).collect();
    evaluate(&query, window, &data, &limits, &budget(), &|| false)
}

fn budget() -> Budget {
    Budget::new(Pool::new(256 << 20))
}

const LIMITS: Limits = Limits { max_samples: 1_000_000, threads: 1 };

/// A counter of one a second: rolled up to hours until noon, to 5 minutes until six, a sample a minute after that.
fn old_counter() -> Packed {
    let samples = |from: i64, to: i64| -> (Vec<i64>, Vec<f64>) {
        (from..to).step_by(MINUTE as usize).map(|at| (at, at as f64 / 1e3)).unzip()
    };
    let rolled = |from: i64, to: i64, resolution_ms: i64| {
        let (at_ms, values) = samples(from, to);
        let rolled = Rolled::of_samples(&at_ms, &values, resolution_ms);
        Span {
            from_ms: rolled.at_ms[0],
            to_ms: rolled.at_ms[rolled.at_ms.len() - 1],
            resolution_ms,
            times: Times::packed(Times::pack(&rolled.at_ms)),
            values: PackedValues::packed(rolled.pack()),
        }
    };
    let mut recent = Points::default();
    let (at_ms, values) = samples(18 * HOUR, 24 * HOUR);
    at_ms.iter().zip(values).for_each(|(at, v)| recent.push(*at, v));
    let spans = vec![rolled(0, 12 * HOUR, HOUR), rolled(12 * HOUR, 18 * HOUR, 5 * MINUTE)];
    Packed { labels: Labels::new("c_total", [("a", "b")]), spans, recent }
}

fn matrix(answer: Answer) -> Vec<(i64, f64)> {
    match answer.value {
        Value::Matrix(mut matrix) if matrix.len() == 1 => matrix.remove(0).points,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_selector_has_no_holes_where_history_is_coarse() {
    let points =
        matrix(ask("c_total", &window(HOUR, 24 * HOUR - MINUTE, 7 * MINUTE), &[old_counter()], LIMITS).unwrap());
    assert_eq!(points.len() as i64, (23 * HOUR - MINUTE) / (7 * MINUTE) + 1, "a point at each step");
    assert!(points.is_sorted_by(|a, b| a.1 <= b.1), "and it never goes back");
}

#[test]
fn functions_read_the_column_that_was_kept_for_them() {
    let check = |text: &str, at: i64, want: f64| {
        let answer = ask(text, &window(at, at, 0), &[old_counter()], LIMITS).unwrap();
        let Value::Vector(vector) = answer.value else { panic!("{text}") };
        assert!((vector[0].2 - want).abs() < 1e-9, "{text} at {at}: {}", vector[0].2);
    };
    // At four, the bucket from three to four.
    check("min_over_time(c_total[1h])", 4 * HOUR, 3.0 * 3_600.0);
    check("max_over_time(c_total[1h])", 4 * HOUR, 4.0 * 3_600.0 - 60.0);
    check("count_over_time(c_total[1h])", 4 * HOUR, 60.0);
    check("avg_over_time(c_total[2h])", 4 * HOUR, 3.0 * 3_600.0 - 30.0);
    check("last_over_time(c_total[1h])", 4 * HOUR, 4.0 * 3_600.0 - 60.0);
    // A window that is shorter than what is kept is widened to it.
    check("max_over_time(c_total[5m])", 4 * HOUR, 4.0 * 3_600.0 - 60.0);
    check("rate(c_total[5m])", 4 * HOUR, 1.0);
    check("rate(c_total[5m])", 14 * HOUR, 1.0);
    check("rate(c_total[5m])", 20 * HOUR, 1.0);
    // Across the border, buckets and samples count for what they are.
    check("count_over_time(c_total[2h])", 19 * HOUR - 1, 120.0);
}

#[test]
fn one_thread_or_two_give_the_same() {
    let many: Vec<Packed> = (0..700)
        .map(|i| {
            let mut points = Points::default();
            (0..60).for_each(|n| points.push(n * 15_000, ((n * (i + 1)) % 97) as f64 / 7.0));
            Packed::plain(Labels::new("m", [("i", i.to_string()), ("g", (i % 7).to_string())]), points)
        })
        .collect();
    for text in ["rate(m[2m])", "m", "sum by (g) (m)", "topk(3, m)", "quantile_over_time(0.9, m[3m])"] {
        let of = |threads| ask(text, &window(0, 15 * MINUTE, 15_000), &many, Limits { threads, ..LIMITS }).unwrap();
        assert_eq!(of(1), of(2), "{text}");
    }
}

#[test]
fn limits_end_an_evaluation() {
    let series = [old_counter()];
    let all_day = window(18 * HOUR, 24 * HOUR, MINUTE);
    let few = Limits { max_samples: 100, ..LIMITS };
    assert_eq!(ask("c_total", &all_day, &series, few).unwrap_err(), EvalError::TooManySamples);
    assert_eq!(
        ask("rate(c_total[6h])", &window(24 * HOUR, 24 * HOUR, 0), &series, few).unwrap_err(),
        EvalError::TooManySamples
    );
    let query = parse("c_total").unwrap();
    let stopped = evaluate(&query, &all_day, &[series.to_vec()], &LIMITS, &budget(), &|| true);
    assert_eq!(stopped.unwrap_err(), EvalError::Stopped);
}

#[test]
fn what_would_take_too_much_is_refused_before_it_is_made() {
    let many: Vec<Packed> = (0..2_000)
        .map(|i| {
            let mut points = Points::default();
            (0..60).for_each(|n| points.push(n * 15_000, (n * i) as f64 / 7.0));
            Packed::plain(Labels::new("m", [("i", i.to_string())]), points)
        })
        .collect();
    let pool = Pool::new(16 << 20);
    let check = |text: &str, window: &Window| {
        let query = parse(text).unwrap();
        let data: Vec<Vec<Packed>> = query.selections(window).iter().map(|_| many.clone()).collect();
        let budget = Budget::new(pool.clone());
        let begun = std::time::Instant::now();
        let refused =
            evaluate(&query, window, &data, &Limits { max_samples: 50_000_000, threads: 2 }, &budget, &|| false);
        let refused = refused.map(|answer| answer.stats).unwrap_err();
        let told = refused.to_string();
        let is_a_limit = matches!(refused, EvalError::TooManySamples | EvalError::TooMuchMemory(_));
        assert!(is_a_limit || told.contains("would be longer than"), "{text}: {told}");
        assert!(begun.elapsed() < SOUP_TAKES_MAX, "{text}: {:?}", begun.elapsed());
    };
    let now = window(15 * MINUTE, 15 * MINUTE, 0);
    let steps = window(0, 15 * MINUTE, 100);
    check("count_over_time(vector(1)[1y:1ms])", &now);
    check("max_over_time(max_over_time(max_over_time(vector(1)[1y:1s])[1y:1s])[1y:1s])", &now);
    check("max_over_time(vector(time())[280y:1ms])", &now);
    check("count_over_time(m[1h:1s])", &now);
    check("m", &steps);
    check("m and m", &steps);
    check("m[1h:1s]", &now);
    check("m * on (i) group_left () m", &steps);
    check("count_values(\"v\", m)", &steps);
    check("topk(2000, m)", &steps);
    let doubled = |times: usize| {
        let (begin, end) = ("label_replace(", r#", "i", "$1$1", "i", "(.*)")"#);
        format!("{}m{}", begin.repeat(times), end.repeat(times))
    };
    check(&doubled(60), &now);
    check(
        &format!(r#"label_join(m, "x", "", "i"{})"#, r#", "i""#.repeat(6_000))
            .replace(r#""", "#, &format!("{:?}, ", "y".repeat(64))),
        &now,
    );
    check(&format!(r#"label_replace(m, "x", "{}", "i", "(.*)")"#, "y".repeat(60_000)), &now);
    assert_eq!(pool.held(), 0, "all is given back");
}

#[test]
fn a_stop_is_heard_within_one_window_after_the_other() {
    let query = parse("quantile_over_time(0.5, vector(1)[1d:1s])").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_millis(200);
    let stop = || std::time::Instant::now() > deadline;
    let data: Vec<Vec<Packed>> = Vec::new();
    let stopped = evaluate(&query, &window(0, 11_000 * 1_000, 1_000), &data, &LIMITS, &budget(), &stop);
    assert_eq!(stopped.unwrap_err(), EvalError::Stopped);
    assert!(deadline.elapsed() < SOUP_TAKES_MAX, "{:?}", deadline.elapsed());
}

#[test]
fn selections_reach_as_far_as_the_query_looks() {
    let check = |text: &str, want: (i64, i64)| {
        let found = parse(text).unwrap().selections(&window(HOUR, 2 * HOUR, MINUTE));
        assert_eq!((found[0].from_ms, found[0].to_ms), want, "{text}");
    };
    check("m", (55 * MINUTE + 1, 2 * HOUR));
    check("rate(m[10m])", (50 * MINUTE + 1, 2 * HOUR));
    check("m offset 30m", (25 * MINUTE + 1, 90 * MINUTE));
    check("m @ end()", (115 * MINUTE + 1, 2 * HOUR));
    check("m @ 600 offset -5m", (10 * MINUTE + 1, 15 * MINUTE));
    check("max_over_time(m[30m:10m])", (35 * MINUTE + 1, 2 * HOUR));
    check("1 - sum(rate(m[10m] offset 1h)) / 2", (-10 * MINUTE + 1, HOUR));
    check("m smoothed", (55 * MINUTE + 1, 125 * MINUTE));
    check("rate(m[10m] anchored)", (45 * MINUTE + 1, 2 * HOUR));
    check("rate(m[10m] smoothed)", (45 * MINUTE + 1, 125 * MINUTE));
    check("rate(m[range() / 6 + step()])", (49 * MINUTE + 1, 2 * HOUR));
}

#[test]
fn errors_say_where() {
    let check = |text: &str, place: (usize, usize), words: &str| {
        let error = parse(text).unwrap_err();
        assert_eq!((error.line, error.column), place, "{text}: {error}");
        assert!(error.message.contains(words), "{text}: {error}");
    };
    check("", (1, 1), "no expression found");
    check("up{job=\"a\"", (1, 11), "unexpected end of input");
    check("sum(up))", (1, 9), "unexpected");
    check("nope(up)", (1, 1), "unknown function");
    check("sum(\n  rate(up)\n)", (2, 8), "expected type range vector");
    check("up{a=~\"(\"}", (1, 4), "error parsing regexp: missing closing ): `(`");
    check("{}", (1, 1), "at least one non-empty matcher");
}

/// Texts of up to 1 MiB that nest, chain or list something, each of another kind.
fn soups() -> Vec<(&'static str, String)> {
    let n = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    let around = |begin: &str, unit: &str, end: &str, bytes: usize| format!("{begin}{}{end}", n(unit, bytes));
    let deep = |times: usize| format!("{}1{}", "(".repeat(times), ")".repeat(times));
    let mut all = vec![("behind a comment", format!("# \"\n{}", deep(40_000))), ("brackets", deep(100_000))];
    // As much as is read at all, and more.
    for bytes in [250_000, 1 << 20] {
        all.extend([
            ("spaces", n(" ", bytes)),
            ("at", around("up", " @ 1", "", bytes)),
            ("offset", around("up", " offset 5m", "", bytes)),
            ("minus", around("", "-", "1", bytes)),
            ("plus", around("", "1+", "1", bytes)),
            ("or", around("", "a or ", "a", bytes)),
            ("subqueries", around("up", "[5m:1m]", "", bytes)),
            ("ranges", around("up", "[5m]", "", bytes)),
            ("names", around("sum by (a", ",a", ") (up)", bytes)),
            ("arguments", around("abs(up", ",up", ")", bytes)),
            ("matchers", around("{a=\"\"", ",a=\"\"", ",b=\"x\"}", bytes)),
            ("or in braces", around("{a=\"\"", " or a=\"\"", "}", bytes)),
            ("expressions", around("{a=~\"x\"", ",a=~\".+\"", "}", bytes)),
            ("expressions of classes", around("{a=~\"", "(?i:\\\\pL)", "\"}", bytes)),
            ("expressions of braces", around("{a=~\"x", "{", "\"}", bytes)),
            ("repetitions", format!("{{a=~\"{}\"}}", around("", "(", &n("x{9})", bytes / 2), bytes / 2))),
            ("large expressions", around("{b=\"\"", ",a=~\"(x{1000}){9}\"", "}", bytes)),
            ("refused expressions", around("{b=\"\"", ",a=~\"(?i)\\\\pL{1000}\\\\pN{1000}\"", "}", bytes)),
            ("escapes", around("\"", "\\x41", "\"", bytes)),
            ("bytes", around("\"", "\\xff", "\"", bytes)),
            ("backticks", around("`", "\"", "`", bytes)),
            ("strings", n("'x'", bytes)),
            ("open strings", n("'x' \"", bytes)),
            ("comments", around("", "#`\n", "up", bytes)),
            ("digits", n("9", bytes)),
            ("hexadecimal", around("0x", "f_f", "", bytes)),
            ("underscores", around("1", "_1", "", bytes)),
            ("durations", around("up[", "1s", "]", bytes)),
            ("long durations", around("up[", "9", "y]", bytes)),
            ("fill", n("fill ", bytes)),
            ("a word", n("x", bytes)),
            ("unfinished", around("sum(rate(", "up,", "", bytes)),
            ("lines", around("sum(", "\n", "}", bytes)),
        ]);
    }
    all
}

/// Unoptimised and on a machine that does other things, what takes tens of milliseconds takes seconds; what is quadratic
/// takes minutes.
const SOUP_TAKES_MAX: std::time::Duration = std::time::Duration::from_secs(10);

#[test]
fn a_text_of_any_size_is_refused_or_read_at_once() {
    for (what, text) in soups() {
        let begun = std::time::Instant::now();
        // On the stack that a thread has by default.
        let read = std::thread::spawn(move || parse(&text).map(|query| (query.pretty().len(), query.tree())));
        let error = read.join().unwrap().err();
        let took = begun.elapsed();
        assert!(took < SOUP_TAKES_MAX, "{what}: {took:?}, {error:?}");
    }
}

#[test]
fn what_is_no_length_of_time_is_refused() {
    let refused = |text: &str| {
        let error = parse(text).unwrap_err();
        assert!(error.message.contains("duration"), "{text}: {error}");
    };
    refused("up[1e30]");
    refused("up offset 1e30");
    refused("up offset -1e30");
    refused("up[5m:1e30]");
    refused("up[9999999999y]");
    refused("up[99999999999999999999999999ms]");
    assert!(parse("up[1000y:1ms]").is_err() && parse("up[200y]").is_ok() && parse("up offset -5m").is_ok());
}

fn kind(text: &str) -> Option<ParseErrorKind> {
    parse(text).err().map(|error| error.kind)
}

#[test]
fn an_absurd_nesting_is_refused_before_it_is_recursed_into() {
    let refused = |text: &str| assert_eq!(kind(text), Some(ParseErrorKind::TooLarge), "{} bytes", text.len());
    for (what, text) in soups() {
        if ["behind a comment", "brackets", "at", "offset", "minus", "plus", "or", "subqueries"].contains(&what) {
            refused(&text);
        }
    }
    refused(&"x".repeat(1 << 20));
    refused(&format!("{{b=\"\"{}}}", ",a=~\"(x{1000}){9}\"".repeat(100)));
    // Words of a label, of which none is about the text itself.
    assert_eq!(kind("{a=\"the expression is too large\"} +"), Some(ParseErrorKind::Malformed));
    // At the limit everything still fits on a thread's stack, in a debug build too.
    let mut fits = vec![format!("{}c_total{}", "abs(".repeat(99), ")".repeat(99))];
    fits.push(format!("{}c_total", "-".repeat(300)));
    fits.push(format!("{}c_total", "c_total + ".repeat(300)));
    fits.push(format!("{}c_total{}", "-(-(-(".repeat(33), ")))".repeat(33)));
    for text in fits {
        ask(&text, &window(20 * HOUR, 20 * HOUR, 0), &[old_counter()], LIMITS).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_asked_nothing_panics(text in r#"[a-z_{}()\[\]=~!"'0-9 ,.:+*/^<>@-]{0,40}|(sum|rate|up|by|on|offset|5m|\[5m\]|\(|\)|\{|\}|=|"x"|-| ){0,14}"#) {
        if let Ok(query) = parse(&text) {
            let w = window(HOUR, 2 * HOUR, MINUTE);
            let data: Vec<Vec<Packed>> = query.selections(&w).iter().map(|_| vec![old_counter()]).collect();
            let _ = evaluate(&query, &w, &data, &LIMITS, &budget(), &|| false);
        }
    }
}
