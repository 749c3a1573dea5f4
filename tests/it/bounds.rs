//! What a stranger asks is refused in words before it costs anything, and the real program goes on as before.

use std::time::{Duration, Instant};

use crate::alerting::watch::Watch;

/// Unoptimised and among other tests, what takes milliseconds takes seconds; what is not bounded takes minutes.
const AT_ONCE: Duration = Duration::from_secs(15);

/// Asks by POST: the status and the text of the answer.
async fn ask(watch: &Watch, path: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let request = reqwest::Client::new().post(format!("{}{path}", watch.url)).body(body);
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn is_healthy(watch: &Watch) -> bool {
    reqwest::get(format!("{}/-/healthy", watch.url)).await.is_ok_and(|r| r.status() == 200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_nests_or_chains_without_end_is_refused_at_once() {
    let watch = Watch::start("").await;
    let nested = format!("# \"\n{}1{}", "(".repeat(40_000), ")".repeat(40_000));
    let texts = [nested, format!("up{}", " @ 1".repeat(20_000)), format!("up{}", "[5m:1m]".repeat(20_000))];
    let ways = [
        ("/api/v1/query", "query"),
        ("/api/v1/series", "match[]"),
        ("/api/v1/format_query", "query"),
        ("/api/v1/parse_query", "query"),
        ("/api/v1/labels", "match[]"),
    ];
    let begun = Instant::now();
    for text in &texts {
        for (path, parameter) in ways {
            let (status, body) = ask(&watch, path, &[(parameter, text)]).await;
            assert_eq!((status, body.contains("the expression is too large")), (400, true), "{path}: {body:.200}");
        }
    }
    assert!(is_healthy(&watch).await);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    let refused = watch.metric("dogwatch_dropped_total{limit=\"query_text\"}").await;
    assert_eq!(refused, Some((texts.len() * ways.len()) as f64), "the refusals are counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn selectors_without_number_are_refused() {
    let watch = Watch::start("").await;
    let (status, body) = ask(&watch, "/api/v1/series", &vec![("match[]", "up"); 20_000]).await;
    assert_eq!((status, body.contains("too many match[] parameters")), (400, true), "{body:.200}");
}

/// Its unit has 1 GiB; at rest it has some tens of MiB.
const PEAK_MAX_BYTES: u64 = 400 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_would_take_all_memory_is_refused_before_it_does() {
    let watch = Watch::start("").await;
    let begun = Instant::now();
    for text in [
        "count_over_time(vector(1)[1y:1ms])",
        "max_over_time(vector(1)[1y:1s])",
        "max_over_time(max_over_time(max_over_time(vector(1)[1y:1s])[1y:1s])[1y:1s])",
        "sum_over_time(sum_over_time(vector(time())[250y:1s])[1y:1ms])",
    ] {
        let (status, body) = ask(&watch, "/api/v1/query", &[("query", text)]).await;
        assert_eq!((status, body.contains("query processing would")), (422, true), "{text}: {body:.200}");
    }
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    assert!(watch.peak_bytes() < PEAK_MAX_BYTES, "{} MiB", watch.peak_bytes() >> 20);
    let metrics = reqwest::get(format!("{}/metrics", watch.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"dogwatch_dropped_total{limit="query_memory"}"#), "the refusals are counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_and_ranges_without_measure_are_refused_in_words() {
    let watch = Watch::start("").await;
    let check = async |parameters: &[(&str, &str)], words: &str| {
        let (status, body) = ask(&watch, "/api/v1/query_range", parameters).await;
        assert_eq!((status, body.contains(words)), (400, true), "{parameters:?}: {body:.300}");
    };
    let thousand_years = [("query", "vector(1)"), ("start", "0"), ("end", "31536000000")];
    check(&[&thousand_years[..], &[("step", "0.000000001")]].concat(), "zero or negative query resolution step").await;
    check(&[&thousand_years[..], &[("step", "1ns")]].concat(), "to a valid duration").await;
    check(&[&thousand_years[..], &[("step", "1ms")]].concat(), "11,000 points").await;
    check(&[("query", "up[1000y:1ms]"), ("start", "0"), ("end", "1"), ("step", "1")], "duration out of range").await;
    let years = [&thousand_years[..], &[("step", "1y"), ("lookback_delta", "1000000000")]].concat();
    assert_eq!(ask(&watch, "/api/v1/query_range", &years).await.0, 200);
}
