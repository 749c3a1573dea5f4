//! Renews our own ServiceAccount token by the TokenRequest API, for as long as it is waited for: when half of its life is over,
//! and with ever longer rests while that fails. The new one is used at once, and kept for the next start.
//!
//! The API: <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/>

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Dialer, bearer::Claims};
use crate::model::{Secret, TokenFact, text};

/// How often it is looked at: as often as files are. The shortest life that the API gives is ten minutes.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Of one question.
const WITHIN: Duration = Duration::from_secs(15);
/// The rest after a failure; twice as long after each further one …
const REST: Duration = Duration::from_secs(30);
/// … until it is as long as this …
const REST_MAX: Duration = Duration::from_secs(3600);
/// … or as this share of what is left of the token's life: a short one is tried more often.
const REST_SHARE: u32 = 10;
/// The shortest life that the API gives; it refuses to be asked for less.
const LIFE_MIN: Duration = Duration::from_secs(600);
/// Of an API server's words so much is said.
const SAID_MAX: usize = 300;

/// Renews it, again and again; never ends. Where there is none to renew it waits for one.
pub(super) async fn run(dialer: &Dialer) {
    let (mut failures, mut not_before) = (0u32, Instant::now());
    loop {
        if Instant::now() >= not_before {
            match step(dialer).await {
                Ok(Some(fact)) => {
                    failures = 0;
                    tracing::info!(context = dialer.context(), ends = %fact.ends, "our token was renewed");
                }
                Ok(None) => failures = 0,
                Err(left) => {
                    not_before = Instant::now() + rest(failures, left);
                    failures = failures.saturating_add(1);
                }
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Renews it if it is time, and keeps what could not be kept before. `None`: there was nothing to do.
///
/// # Errors
/// It failed, which is noted with the token: how much of its life is left.
async fn step(dialer: &Dialer) -> Result<Option<TokenFact>, Duration> {
    let credentials = &dialer.credentials;
    let Some(fact) = dialer.own_token().filter(|fact| fact.is_renewed) else { return Ok(None) };
    let now = credentials.now();
    let left = Duration::try_from(fact.ends.duration_since(now)).unwrap_or_default();
    if !is_due(&fact, now) {
        return match credentials.keep_renewed().await {
            Ok(()) => {
                credentials.note_renewal(None);
                Ok(None)
            }
            Err(why) => Err(failed(dialer, why, left).await),
        };
    }
    let renewed = match fact.account() {
        Some(account) => ask(dialer, account, fact.lifetime()).await,
        None => Err(format!("it is of {}, and only a ServiceAccount's can be renewed", fact.subject)),
    };
    match renewed {
        Ok(token) => {
            credentials.take_renewed(token).await;
            let renewed = dialer.own_token();
            match credentials.keep_renewed().await {
                Ok(()) => {
                    credentials.note_renewal(None);
                    Ok(renewed)
                }
                Err(why) => Err(failed(dialer, why, fact.lifetime()).await),
            }
        }
        Err(why) => Err(failed(dialer, why, left).await),
    }
}

/// Notes why, and looks whether another one is there that has not ended.
async fn failed(dialer: &Dialer, why: String, left: Duration) -> Duration {
    if dialer.credentials.note_renewal(Some(&why)) {
        tracing::warn!(context = dialer.context(), "our token is not renewed: {why}");
    }
    if left.is_zero() {
        dialer.credentials.read_again().await;
    }
    left
}

/// Whether it is time.
fn is_due(fact: &TokenFact, now: Timestamp) -> bool {
    now >= fact.renewed_at()
}

/// The rest after one more failure than these, with so much of its life left.
fn rest(failures: u32, left: Duration) -> Duration {
    let rest = REST.saturating_mul(2u32.saturating_pow(failures)).min(REST_MAX);
    if left.is_zero() { rest } else { rest.min((left / REST_SHARE).max(LOOK_EVERY)) }
}

/// Asks for one that lives as long.
async fn ask(dialer: &Dialer, account: (&str, &str), lifetime: Duration) -> Result<Secret, String> {
    let (path, body) = request(account, lifetime);
    let answer = dialer.ask(Method::POST, &path, Some(&body), Instant::now() + WITHIN).await?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let (token, _) = given(answer.status, &body).map_err(|why| match answer.status {
        403 => format!("{why} (deploy/token-rbac.yaml allows it)"),
        404 => format!("{why} (was the ServiceAccount deleted?)"),
        _ => why,
    })?;
    match Claims::of(&token) {
        Some(claims) if claims.ends > dialer.credentials.now() => Ok(token),
        Some(claims) => Err(format!(
            "the new token ended on {} already: compare the clocks of this machine and the API server",
            text::moment(claims.ends)
        )),
        None => Err("the API server gave a token that does not say when it ends".to_owned()),
    }
}

/// Where a token of an account is asked for, and the question.
pub fn request((namespace, name): (&str, &str), lifetime: Duration) -> (String, Value) {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": lifetime.max(LIFE_MIN).as_secs()}});
    (format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"), body)
}

/// The token of an answer, and when it ends.
///
/// # Errors
/// What the API server says instead; never anything of a token.
pub fn given(status: u16, answer: &Value) -> Result<(Secret, Timestamp), String> {
    if !matches!(status, 200 | 201) {
        let said = answer["message"].as_str().unwrap_or("it does not say why");
        let said = text::one_line(text::clip(said, SAID_MAX)).into_owned();
        return Err(format!("HTTP {status}: {said}"));
    }
    let ends = answer["status"]["expirationTimestamp"].as_str().and_then(|text| text.parse().ok());
    match (answer["status"]["token"].as_str().filter(|token| !token.is_empty()), ends) {
        (Some(token), Some(ends)) => Ok((Secret::new(token), ends)),
        _ => Err("the API server's answer has no token".to_owned()),
    }
}

/// What is told of it.
pub(super) fn fact(claims: &Claims, is_renewed: bool, problem: Option<String>) -> TokenFact {
    let Claims { subject, issued, ends, .. } = claims.clone();
    TokenFact { subject, issued, ends, is_renewed, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(issued: i64, ends: i64) -> TokenFact {
        let at = |second| Timestamp::from_second(second).unwrap();
        let subject = "system:serviceaccount:dogwatch:dogwatch".to_owned();
        TokenFact { subject, issued: at(issued), ends: at(ends), is_renewed: true, problem: None }
    }

    #[test]
    fn it_is_renewed_when_half_of_its_life_is_over() {
        let due = |now: i64| is_due(&fact(1_000, 2_000), Timestamp::from_second(now).unwrap());
        assert_eq!([due(0), due(1_499), due(1_500), due(2_001)], [false, false, true, true]);
        // One that ends before it was given.
        assert!(is_due(&fact(2_000, 1_000), Timestamp::from_second(1_500).unwrap()));
    }

    #[test]
    fn rests_grow_and_are_short_where_little_is_left() {
        let month = Duration::from_secs(15 * 86_400);
        let rests: Vec<u64> = [0, 1, 2, 6, 7, 40].map(|n| rest(n, month).as_secs()).into();
        assert_eq!(rests, [30, 60, 120, 1_920, 3_600, 3_600]);
        assert_eq!(rest(40, Duration::from_secs(300)), Duration::from_secs(30));
        assert_eq!(rest(40, Duration::from_secs(1)), LOOK_EVERY);
        assert_eq!(rest(40, Duration::ZERO), REST_MAX, "it will hardly be given any more");
    }

    #[test]
    fn the_question_is_as_the_api_wants_it_and_its_answer_is_read() {
        let (path, body) = request(("dogwatch", "dogwatch"), Duration::from_secs(1));
        assert_eq!(path, "/api/v1/namespaces/dogwatch/serviceaccounts/dogwatch/token");
        assert_eq!(body["spec"], json!({"expirationSeconds": 600}));
        let status = json!({"status": {"token": "abc", "expirationTimestamp": "2026-12-30T00:00:00Z"}});
        let (token, ends) = given(201, &status).unwrap();
        assert_eq!((token.reveal(), ends.to_string().as_str()), ("abc", "2026-12-30T00:00:00Z"));
        let refused = given(403, &json!({"message": "serviceaccounts \"dogwatch\" is forbidden:\nno"})).unwrap_err();
        assert_eq!(refused, "HTTP 403: serviceaccounts \"dogwatch\" is forbidden: no");
        for (status, answer) in [(200, json!({})), (201, json!({"status": {"token": "abc"}})), (500, json!("abc"))] {
            assert!(!given(status, &answer).unwrap_err().contains("abc"));
        }
        let account = |subject: &str| {
            let fact = TokenFact { subject: subject.into(), ..fact(0, 1) };
            fact.account().map(|(namespace, name)| format!("{namespace}/{name}"))
        };
        assert_eq!(account("system:serviceaccount:dogwatch:watch").as_deref(), Some("dogwatch/watch"));
        for odd in ["system:serviceaccount:dogwatch", "ada", "system:serviceaccount:a/..:b", "system:serviceaccount:a:"]
        {
            assert_eq!(account(odd), None, "{odd}");
        }
    }
}
