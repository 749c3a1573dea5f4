//! What holds for every request: it asks for us by a name of ours, no foreign page presses our buttons, it has a deadline,
//! and headers keep a browser from doing more than showing the page.
//!
//! A page that has its own name point here (DNS rebinding) is to its browser a page of ours; only the `Host` tells it
//! apart. What machines read and post goes by whatever name they know us: a browser says where such a request comes from.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::uri::Authority;
use url::{Origin, Url};

use super::connections::Weight;
use crate::model::text;

/// The longest that making an answer may take. Only an incident's deliveries wait for anything (the disk).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// For the stylesheet and the icon: pages name the version, so an upgrade is seen at once.
pub const KEEP_A_WHILE: &str = "public, max-age=3600";

const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // With "no-referrer" a browser calls the origin of our own forms null (fetch.spec.whatwg.org, "append a request Origin header").
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Machines ask here, by any name: scrapers, health checks, jobs, clients of Prometheus and Alertmanager. Posts of a page,
/// which say where they come from, have to know our name here too.
const FOR_MACHINES: [&str; 7] = ["/metrics", "/federate", "/-/healthy", "/-/ready", "/ping/", "/api/v1/", "/api/v2/"];

/// The most that is shown of a name that is not ours, in bytes.
const NAME_MAX: usize = 100;

/// The names that people may ask for us by, beside every address and `localhost`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Names {
    hosts: Arc<BTreeSet<String>>,
    /// Where people find us; a proxy in front may ask for us by another name.
    external: Option<Origin>,
}

impl Names {
    /// The host of `external_url`, and the machine's own names.
    pub fn new(external_url: &str, own: &[String]) -> Self {
        let external = Url::parse(external_url).ok();
        let of_url = external.as_ref().and_then(Url::host_str);
        let hosts = of_url.into_iter().chain(own.iter().map(String::as_str)).map(plain).collect();
        Self { hosts: Arc::new(hosts), external: external.map(|url| url.origin()) }
    }

    /// Whether a `Host` is ours. An address is: nobody can make it lead elsewhere.
    fn know(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = plain(authority.host());
        let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        !host.contains('@') && (is_address || name == "localhost" || self.hosts.contains(&name))
    }

    /// Whether a page comes from where people find us.
    fn is_ours(&self, origin: &str) -> bool {
        self.external.as_ref().is_some_and(|ours| ours.is_tuple() && ours.ascii_serialization() == origin)
    }

    /// Why a request is not answered.
    fn refuse(&self, request: &Request) -> Option<(StatusCode, String)> {
        let headers = request.headers();
        let mut hosts: Vec<&str> = headers.get_all(header::HOST).iter().map(|v| v.to_str().unwrap_or("?")).collect();
        if hosts.len() > 1 {
            return Some((StatusCode::BAD_REQUEST, "A request has one Host header.\n".into()));
        }
        hosts.extend(request.uri().authority().map(Authority::as_str));
        let path = request.uri().path();
        let for_machines = FOR_MACHINES.iter().any(|known| match known.strip_suffix('/') {
            Some(_) => path.starts_with(known),
            None => path == *known,
        });
        let foreign_name = hosts.into_iter().find(|host| !self.know(host));
        match foreign_name {
            Some(host) if !for_machines || headers.contains_key(header::ORIGIN) => {
                let host = text::one_line(host);
                let host = text::clip(&host, NAME_MAX);
                let why = format!(
                    "dogwatch does not know itself as {host:?}, and a page of another site could have led you here. Ask for \
                     it by its address, or set external_url in its configuration to where people find it.\n"
                );
                Some((StatusCode::MISDIRECTED_REQUEST, why))
            }
            _ if !request.method().is_safe() && self.is_foreign(headers) => {
                let why = "A page of another site may not ask for this. Is this dogwatch's own page, behind a proxy? Then \
                           set external_url to its address.\n";
                Some((StatusCode::FORBIDDEN, why.into()))
            }
            _ => None,
        }
    }

    /// A browser says by itself when a request comes from a page of another site; programs send neither header.
    fn is_foreign(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
            return !matches!(site, "same-origin" | "none");
        }
        match (headers.get(header::ORIGIN), text(header::HOST)) {
            (None, _) => false,
            (Some(origin), host) => {
                let origin = origin.to_str().unwrap_or_default();
                let from = origin.split_once("://").map(|(_, from)| from);
                !self.is_ours(origin) && (from.is_none() || from != host)
            }
        }
    }
}

/// As names are compared.
fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Returns the middleware around every route.
pub async fn guard(State(names): State<Names>, request: Request, next: Next) -> Response {
    let mut response = match names.refuse(&request) {
        Some(refused) => refused.into_response(),
        None => next.run(request).await,
    };
    // Compression hides it from those who count what waits for its readers.
    let weight = Weight(response.body().size_hint().lower());
    response.extensions_mut().insert(weight);
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Returns the middleware around everything but queries, which have their own deadline.
pub async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(|_| {
        let text = format!("No answer could be made within {} s.\n", REQUEST_TIMEOUT.as_secs());
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    })
}

/// For a known address asked in a wrong way; axum adds the `Allow` header.
pub async fn wrong_method(request: Request) -> Response {
    let hint = if request.uri().path() == "/-/reload" { " A reload is asked for by POST." } else { "" };
    let text = format!("{} is not possible here; the Allow header says what is.{hint}\n", request.method());
    (StatusCode::METHOD_NOT_ALLOWED, text).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const EXTERNAL: &str = "https://watch.example.org/dog/";

    /// What comes of a request to a dogwatch behind [`EXTERNAL`] on a machine called `box`.
    fn asked(method: &str, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let names = Names::new(EXTERNAL, &["box".into(), "Box.example.net".into()]);
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        names.refuse(&request.body(Body::empty()).unwrap()).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn pages_are_shown_to_those_who_know_our_name() {
        let check = |host: &str, known: bool| {
            for path in ["/", "/incidents/1", "/api/dogwatch/v1/state", "/silences", "/metricsx", "/api/v1"] {
                let expected = if known { None } else { Some(421) };
                assert_eq!(asked("GET", path, &[("host", host)]), expected, "{host} {path}");
            }
        };
        for ours in [
            "127.0.0.1:9559",
            "192.0.2.7",
            "[::1]:9559",
            "[2001:db8::7]",
            "localhost:9559",
            "LOCALHOST",
            "watch.example.org",
            "watch.example.org:443",
            "Watch.Example.org.",
            "box:9559",
            "box.example.net",
        ] {
            check(ours, true);
        }
        for other in [
            "evil.example",
            "evil.example:9559",
            "evil.watch.example.org",
            "watch.example.org.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "localhost.evil.example",
            "0x7f.1",
            "2130706433",
            "",
            ":9559",
            "a b",
        ] {
            check(other, false);
        }
        assert_eq!(asked("GET", "/", &[]), None, "HTTP/1.0: no browser");
        assert_eq!(asked("GET", "/", &[("host", "box"), ("host", "evil.example")]), Some(400));
        assert_eq!(asked("GET", "http://evil.example/", &[("host", "box")]), Some(421));
    }

    #[test]
    fn machines_ask_by_any_name_and_pages_that_took_ours_do_not() {
        for (method, path) in [
            ("GET", "/metrics"),
            ("GET", "/federate?match[]=up"),
            ("GET", "/-/healthy"),
            ("GET", "/-/ready"),
            ("POST", "/ping/0123456789abcdef"),
            ("POST", "/api/v1/query"),
            ("POST", "/api/v2/alerts"),
            ("DELETE", "/api/v2/silence/x"),
        ] {
            let check = |headers: &[(&str, &str)], refused: Option<u16>| {
                let all = [&[("host", "dogwatch.monitoring.svc:9559")], headers].concat();
                assert_eq!(asked(method, path, &all), refused, "{path} {headers:?}");
            };
            check(&[], None);
            // Grafana's proxy leaves this of the browser's request, and takes its Origin away.
            check(&[("sec-fetch-site", "same-origin")], None);
            check(&[("origin", "http://dogwatch.monitoring.svc:9559"), ("sec-fetch-site", "same-origin")], Some(421));
            check(&[("origin", "http://dogwatch.monitoring.svc:9559")], Some(421));
        }
        for path in ["/-/reload", "/silences", "/incidents/1/acknowledge", "/api/dogwatch/v1/incidents/1/notes"] {
            assert_eq!(asked("POST", path, &[("host", "evil.example")]), Some(421), "{path}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_told_apart_from_programs() {
        let check = |pairs: &[(&str, &str)], foreign: bool| {
            let expected = if foreign { Some(403) } else { None };
            assert_eq!(asked("POST", "/api/v2/silences", pairs), expected, "{pairs:?}");
            assert_eq!(asked("POST", "/-/reload", pairs), expected, "{pairs:?}");
            assert_eq!(asked("GET", "/", pairs), None, "{pairs:?}");
        };
        check(&[("host", "box:9559")], false);
        check(&[("host", "box:9559"), ("origin", "http://box:9559")], false);
        check(&[("host", "box:9559"), ("origin", "https://evil.example")], true);
        check(&[("host", "box:9559"), ("origin", "http://box:80")], true);
        check(&[("host", "box:9559"), ("origin", "null")], true);
        check(&[("origin", "http://box:9559")], true);
        check(&[("sec-fetch-site", "cross-site")], true);
        check(&[("sec-fetch-site", "same-site")], true);
        // A proxy in front asks for us by another name than the page was asked for.
        check(&[("origin", "https://watch.example.org"), ("host", "127.0.0.1:9559")], false);
        check(&[("origin", "http://watch.example.org"), ("host", "127.0.0.1:9559")], true);
        check(&[("sec-fetch-site", "same-origin"), ("origin", "https://proxied.example"), ("host", "box")], false);
    }
}
