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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn selectors_without_number_are_refused() {
    let watch = Watch::start("").await;
    let (status, body) = ask(&watch, "/api/v1/series", &vec![("match[]", "up"); 20_000]).await;
    assert_eq!((status, body.contains("too many match[] parameters")), (400, true), "{body:.200}");
}
