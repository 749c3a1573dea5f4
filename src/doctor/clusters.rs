//! Each cluster: whether its API answers us, how far our clocks are apart, and which rights we have there.

use std::{path::Path, time::Duration};

use futures_util::{StreamExt as _, stream};
use http::{Method, header::DATE};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Remark,
    rights::{self, Right},
};
use crate::{
    clock::Clock,
    dial::{Answer, DialConfig, Dialer},
    discover::config::ClusterConfig,
    health::token_ends_soon,
    model::{TokenFact, text},
};

/// Of one question; a person waits.
const WITHIN: Duration = Duration::from_secs(10);
/// Questions at a time to one API server, whose throttling is none of theirs.
const AT_ONCE: usize = 4;
/// `Date` has whole seconds, and the answer takes its time.
const CLOCK_APART: Duration = Duration::from_secs(3);
/// Tokens and certificates are judged by the clock.
const CLOCK_FAR_APART: Duration = Duration::from_secs(60);
/// The oldest minor version of Kubernetes 1 that the lab has seen.
const OLDEST: u32 = 20;
/// A question of a dozen full packets, bytes; an annotation may have 256 KiB.
const LARGE: usize = 16 << 10;
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Looks at one; tokens that were renewed are kept below `data_dir`.
pub async fn look(cluster: &ClusterConfig, data_dir: &Path, clock: &Clock) -> Vec<Remark> {
    let area = format!("cluster {}", cluster.name);
    let dial = DialConfig { person_waits: true, ..cluster.dial(data_dir) };
    let dialer = match Dialer::load(dial, clock.clone()).await {
        Ok(dialer) => dialer,
        Err(why) => {
            let remedy = format!("see clusters: {} in the configuration, and its kubeconfig", cluster.name);
            return vec![Remark::bad(&area, "credentials", why.to_string(), remedy)];
        }
    };
    let mut remarks = Vec::new();
    if let Some(missing) = dialer.missing() {
        let remedy = "mend the kubeconfig's user or its plugin; `dogwatch check` shows what the plugin said";
        remarks.push(Remark::bad(&area, "credentials", missing.why, remedy));
    }
    remarks.extend(judge_token(&area, cluster.renew_token, dialer.own_token().as_ref(), clock.wall()));
    let begun = clock.wall();
    let version = match dialer.ask(Method::GET, "/version", None, Instant::now() + WITHIN).await {
        Ok(answer) => answer,
        Err(why) => {
            let remedy = format!("see that this machine reaches it: dogwatch probe {} shows every step", cluster.name);
            remarks.push(Remark::bad(&area, "API server", why, remedy));
            return remarks;
        }
    };
    remarks.push(served(&area, &dialer, &version));
    remarks.extend(apart(&version, begun, clock.wall()).map(|apart| judge_clock(&area, apart)));
    remarks.push(judge_large(&area, large(&dialer, WITHIN).await));
    if version.status != 401 {
        remarks.extend(judge_rights(&area, granted(&dialer, cluster).await));
    }
    remarks
}

/// When our token ends, and who sees to it that there is another.
fn judge_token(area: &str, renews: bool, token: Option<&TokenFact>, now: Timestamp) -> Option<Remark> {
    const ABOUT: &str = "token";
    let Some(token) = token else {
        let found = "renew_token is on, and the kubeconfig has no token that ends: nothing is renewed";
        let remedy = "leave renew_token out, or make such a kubeconfig: dogwatch init --apply --token-lifetime 30d";
        return renews.then(|| Remark::warning(area, ABOUT, found, remedy));
    };
    let ends = text::moment(token.ends);
    if token.ends <= now {
        let remedy =
            "make a new kubeconfig (dogwatch init --apply --token-lifetime 30d) and put it in the old one's place";
        return Some(Remark::bad(area, ABOUT, format!("ours ended on {ends}"), remedy));
    }
    if token.is_renewed && token.account().is_none() {
        let found = format!("ours, of {}, ends on {ends}; renew_token renews ServiceAccounts' alone", token.subject);
        return Some(Remark::warning(area, ABOUT, found, "give the kubeconfig the token of a ServiceAccount"));
    }
    if let Some(why) = &token.problem {
        let remedy = "run doctor as the user that dogwatch runs as; that user must own its data_dir";
        return Some(Remark::warning(area, ABOUT, format!("ours ends on {ends}, and {why}"), remedy));
    }
    let found = match token.is_renewed {
        true => format!("ours ends on {ends}; the watchdog renews it from {} on", text::moment(token.renewed_at())),
        false => format!("ours ends on {ends}; whoever wrote it into the kubeconfig must renew it"),
    };
    Some(match token_ends_soon(token, now) {
        true if token.is_renewed => {
            Remark::warning(area, ABOUT, found, "it should have been by now: does dogwatch run, and has it the right?")
        }
        true => Remark::warning(area, ABOUT, found, "put a new one there, or let dogwatch renew it: renew_token: true"),
        false => Remark::ok(area, ABOUT, found),
    })
}

/// What answers there, and whether it knows us.
fn served(area: &str, dialer: &Dialer, version: &Answer) -> Remark {
    const ABOUT: &str = "API server";
    let server = dialer.server();
    let facts: Value = serde_json::from_slice(&version.body).unwrap_or_default();
    let minor = facts["minor"].as_str().and_then(|minor| minor.trim_end_matches('+').parse::<u32>().ok());
    match (version.status, facts["gitVersion"].as_str()) {
        (401, _) => {
            Remark::bad(area, ABOUT, format!("{server} does not know our credentials (401)"), "renew the kubeconfig")
        }
        (200, Some(name)) if minor.is_some_and(|minor| minor < OLDEST) => {
            let remedy = format!("upgrade the cluster: dogwatch is tried from Kubernetes 1.{OLDEST} on");
            Remark::warning(area, ABOUT, format!("{server} answers: Kubernetes {}", text::one_line(name)), remedy)
        }
        (200, Some(name)) => Remark::ok(area, ABOUT, format!("{server} answers: Kubernetes {}", text::one_line(name))),
        (403, _) => {
            Remark::warning(area, ABOUT, format!("{server} does not tell its version (403)"), "apply deploy/rbac.yaml")
        }
        (status, _) => {
            let remedy = "see that the kubeconfig's server is an API server, and no proxy or login page in front of it";
            Remark::bad(area, ABOUT, format!("{server} answers {status}, and not as an API server does"), remedy)
        }
    }
}

/// How far the server's clock is from ours, beyond what the way and the missing fractions explain; positive: it is ahead.
fn apart(answer: &Answer, begun: Timestamp, ended: Timestamp) -> Option<jiff::SignedDuration> {
    let said = answer.headers.get(DATE)?.to_str().ok()?;
    let said = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(said).ok()?;
    let latest = said + Duration::from_secs(1);
    Some(if latest < begun {
        latest.duration_since(begun)
    } else if said > ended {
        said.duration_since(ended)
    } else {
        jiff::SignedDuration::ZERO
    })
}

fn judge_clock(area: &str, apart: jiff::SignedDuration) -> Remark {
    const ABOUT: &str = "clock";
    let off = apart.unsigned_abs();
    let ahead = if apart.is_negative() { "behind" } else { "ahead of" };
    let found = format!("its clock is {} {ahead} ours", text::duration(off));
    let remedy = "let both machines keep time by NTP (chronyc tracking, timedatectl)";
    if off >= CLOCK_FAR_APART {
        Remark::bad(area, ABOUT, found, remedy)
    } else if off >= CLOCK_APART {
        Remark::warning(area, ABOUT, found, remedy)
    } else {
        Remark::ok(area, ABOUT, "its clock and ours agree to some seconds")
    }
}

/// A question of many packets, after a small one was answered; where nothing comes, a small one again. `Ok(false)`: small ones
/// come through and the large one does not. `Err`: neither does, this time.
async fn large(dialer: &Dialer, within: Duration) -> Result<bool, String> {
    // What is asked does not matter: any answer says that all of it has arrived. Nothing of it is kept.
    let padding = serde_json::json!({"dogwatch/padding": "x".repeat(LARGE)});
    let review = serde_json::json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {"annotations": padding},
        "spec": {"nonResourceAttributes": {"path": "/version", "verb": "get"}},
    });
    let Err(why) = dialer.ask(Method::POST, REVIEWS, Some(&review), Instant::now() + within).await else {
        return Ok(true);
    };
    match dialer.ask(Method::GET, "/version", None, Instant::now() + within).await {
        Ok(_) => Ok(false),
        Err(_) => Err(why),
    }
}

/// Whether packets of full size come through: where one on the way takes smaller ones only (a tunnel, a VPN) and its word of
/// that is filtered, connections open and then hang.
fn judge_large(area: &str, said: Result<bool, String>) -> Remark {
    const ABOUT: &str = "packets";
    match said {
        Ok(true) => Remark::ok(area, ABOUT, "of full size come through"),
        Ok(false) => {
            let found = format!("small questions are answered, and one of {} is not", text::size(LARGE as u64));
            let remedy = "something on the way takes smaller packets only: let ICMP \"fragmentation needed\" through, or lower the MTU \
                          of this machine's interface (ip link set dev eth0 mtu 1400), and see tracepath to the API server";
            Remark::bad(area, ABOUT, found, remedy)
        }
        Err(why) => {
            let remedy = "run this again: it answered before and does not now";
            Remark::warning(area, ABOUT, format!("not known: {why}"), remedy)
        }
    }
}

/// What the API server says of each right; `Err`: why it does not say.
async fn granted(dialer: &Dialer, cluster: &ClusterConfig) -> Vec<(Right, Result<bool, String>)> {
    let ask_one = async |right: Right| {
        let said = match dialer.ask(Method::POST, REVIEWS, Some(&right.review()), Instant::now() + WITHIN).await {
            Ok(answer) if matches!(answer.status, 200 | 201) => {
                rights::allowed(&answer.body).ok_or_else(|| "the answer is no review".to_owned())
            }
            Ok(answer) => Err(format!("HTTP {}", answer.status)),
            Err(why) => Err(why),
        };
        (right, said)
    };
    let token = dialer.own_token();
    let account = token.as_ref().and_then(TokenFact::account);
    stream::iter(rights::needed(cluster, account)).map(ask_one).buffered(AT_ONCE).collect().await
}

/// Those that are missing, each by itself; the rest in one.
fn judge_rights(area: &str, granted: Vec<(Right, Result<bool, String>)>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let (mut given, mut silent) = (0, Vec::new());
    for (right, said) in granted {
        match said {
            Ok(true) => given += 1,
            Ok(false) => {
                let remedy = format!("kubectl apply -f {}", right.manifest);
                let found = format!("we have no right to it: {}", right.without);
                remarks.push(Remark::warning(area, &format!("right: {}", right.about), found, remedy));
            }
            Err(why) => silent.push((right.about, why)),
        }
    }
    if let Some((about, why)) = silent.first() {
        let found = format!("the API server does not say whether we have {} of them ({about}: {why})", silent.len());
        let remedy =
            "the right to create selfsubjectaccessreviews is everybody's (system:basic-user) unless it was taken away";
        remarks.push(Remark::warning(area, "rights", found, remedy));
    }
    if given > 0 {
        let found = format!("we have {} that the configuration needs", text::plural(given, "right", "rights"));
        remarks.insert(0, Remark::ok(area, "rights", found));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;
    use crate::doctor::Level;

    #[test]
    fn clocks_are_apart_by_what_neither_the_way_nor_whole_seconds_explain() {
        let at = |second: i64| Timestamp::from_second(1_795_975_800 + second).unwrap();
        let check = |said: &str, seconds: i64, level: Level| {
            let headers = HeaderMap::from_iter([(DATE, said.parse().unwrap())]);
            let answer = Answer { status: 200, headers, body: Bytes::new(), cut: false };
            let apart = apart(&answer, at(10), at(12)).unwrap();
            assert_eq!((apart.as_secs(), judge_clock("cluster a", apart).level), (seconds, level), "{said}");
        };
        // The first of these is at(0).
        check("Sun, 29 Nov 2026 18:10:00 GMT", -9, Level::Warning);
        check("Sun, 29 Nov 2026 18:10:09 GMT", 0, Level::Ok);
        check("Sun, 29 Nov 2026 18:10:12 GMT", 0, Level::Ok);
        check("Sun, 29 Nov 2026 18:10:14 GMT", 2, Level::Ok);
        check("Sun, 29 Nov 2026 18:20:12 GMT", 600, Level::Bad);
        let none = Answer { status: 200, headers: HeaderMap::new(), body: Bytes::new(), cut: false };
        assert_eq!(apart(&none, at(0), at(1)), None);
    }

    #[test]
    fn a_token_is_judged_by_what_is_left_of_it_and_by_who_renews_it() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let token = |renewed: bool, subject: &str| TokenFact {
            subject: format!("system:serviceaccount:{subject}"),
            issued: at(0),
            ends: at(1_000),
            is_renewed: renewed,
            problem: None,
        };
        let check = |renewed: bool, now: i64, level: Level, says: &str| {
            let remark = judge_token("a", renewed, Some(&token(renewed, "dogwatch:dogwatch")), at(now)).unwrap();
            assert!(remark.level == level && remark.found.contains(says), "{remark:?}");
        };
        check(true, 100, Level::Ok, "renews it from 1970-01-01 00:08:20 UTC on");
        check(true, 700, Level::Warning, "renews it from");
        check(false, 700, Level::Ok, "whoever wrote it");
        check(false, 950, Level::Warning, "ends on 1970-01-01 00:16:40 UTC");
        check(true, 1_000, Level::Bad, "ended on 1970-01-01 00:16:40 UTC");
        assert_eq!(judge_token("a", true, Some(&token(true, "odd")), at(100)).unwrap().level, Level::Warning);
        assert_eq!(judge_token("a", true, None, at(0)).map(|r| r.level), Some(Level::Warning));
        assert_eq!(judge_token("a", false, None, at(0)), None);
    }

    #[test]
    fn missing_rights_are_told_one_by_one_and_the_rest_together() {
        let rights = rights::needed(&ClusterConfig::named("a"), None);
        let count = rights.len();
        let said = rights.into_iter().enumerate().map(|(i, right)| {
            let said = match i {
                2 => Ok(false),
                3 => Err("HTTP 403".to_owned()),
                _ => Ok(true),
            };
            (right, said)
        });
        let remarks = judge_rights("cluster a", said.collect());
        assert_eq!(remarks.len(), 3, "{remarks:?}");
        assert_eq!(remarks[0].found, format!("we have {} rights that the configuration needs", count - 2));
        assert!(remarks[1].about == "right: nodes" && remarks[1].found.contains("no kubelet is watched"));
        assert!(remarks[2].found.contains("1 of them (API servers: HTTP 403)"), "{remarks:?}");
    }
    /// An API server behind a tunnel: of what is longer than a packet it gets only the beginning.
    async fn behind_a_tunnel(listener: tokio::net::TcpListener) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut packet = [0; 1_400];
                while let Ok(length) = stream.read(&mut packet).await
                    && (1..packet.len()).contains(&length)
                {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
                }
                std::future::pending::<()>().await;
            });
        }
    }

    #[tokio::test]
    async fn packets_that_are_too_large_for_the_way_are_told_from_a_server_that_is_silent() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kubeconfig");
        let at = listener.local_addr().unwrap();
        std::fs::write(
            &file,
            format!(
                "{{apiVersion: v1, kind: Config, clusters: [{{name: c, cluster: {{server: 'http://{at}'}}}}], users: [{{name: u, \
                 user: {{token: t}}}}], contexts: [{{name: a, context: {{cluster: c, user: u}}}}], current-context: a}}"
            ),
        )
        .unwrap();
        let dial = DialConfig { kubeconfig: Some(file), ..DialConfig::default() };
        let dialer = Dialer::load(dial, Clock::system()).await.unwrap();
        let server = tokio::spawn(behind_a_tunnel(listener));
        let said = large(&dialer, Duration::from_millis(500)).await;
        assert_eq!(said, Ok(false));
        assert_eq!(judge_large("cluster a", said).level, Level::Bad);
        server.abort();
        let _ = server.await;
        let said = large(&dialer, Duration::from_millis(500)).await;
        assert_eq!(judge_large("cluster a", said).level, Level::Warning);
        assert_eq!(judge_large("cluster a", Ok(true)).level, Level::Ok);
    }
}
