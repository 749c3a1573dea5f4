//! What holds for every request: it asks for us by a name of ours, no foreign page presses our buttons, it has a deadline,
//! and headers keep a browser from doing more than showing the page.
//!
//! A page that has its own name point here (DNS rebinding) is to its browser a page of ours; only the `Host` tells it
//! apart. What machines read goes by whatever name they know us only where something else ends that: a login, or TLS, whose
//! certificate does not bear the page's name. What they post goes by any name: a browser says where a post comes from.

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

use super::{connections::Weight, cors};
use crate::{login::Door, model::text};

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

/// Machines ask here: scrapers, clients of Prometheus and Alertmanager. Posts of a page, which say where they come from, have
/// to know our name here too.
const FOR_MACHINES: [&str; 4] = ["/metrics", "/federate", "/api/v1/", "/api/v2/"];

/// And here, by any name: these tell nothing, or ask for a token of their own.
const FOR_ANY_NAME: [&str; 4] = ["/-/healthy", "/-/ready", "/ping/", "/api/dogwatch/v1/peer"];

/// The most that is shown of a name that is not ours, in bytes.
const NAME_MAX: usize = 100;

/// The names that people may ask for us by, beside every address and `localhost`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Names {
    hosts: Arc<BTreeSet<String>>,
    /// Where people find us; a proxy in front may ask for us by another name.
    external: Option<Origin>,
    /// Whose pages may read APIs.
    origins: Arc<[String]>,
    /// Whether a login or TLS ends what a page could read by a name of its own.
    proved: bool,
}

impl Names {
    /// The host of `external_url`, and the machine's own names with those that the configuration allows.
    pub fn new(external_url: &str, own: &[String], door: &Door) -> Self {
        let external = Url::parse(external_url).ok();
        let of_url = external.as_ref().and_then(Url::host_str);
        let hosts = of_url.into_iter().chain(own.iter().map(String::as_str)).map(plain).collect();
        let proved = door.asks() || door.tls.is_some();
        let (external, origins) = (external.map(|url| url.origin()), door.origins.clone());
        Self { hosts: Arc::new(hosts), external, origins, proved }
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
        let is_among = |known: &[&str]| {
            known.iter().any(|known| if known.ends_with('/') { path.starts_with(known) } else { path == *known })
        };
        let is_safe = request.method().is_safe();
        let by_any_name = is_among(&FOR_ANY_NAME) || (is_among(&FOR_MACHINES) && (!is_safe || self.proved));
        let foreign_name = hosts.into_iter().find(|host| !self.know(host));
        match foreign_name {
            Some(host) if !by_any_name || headers.contains_key(header::ORIGIN) => {
                let host = text::one_line(host);
                let host = text::clip(&host, NAME_MAX);
                let why = format!(
                    "dogwatch does not know itself as {host:?}, and a page of another site could have led you here. Ask for \
                     it by its address, or in its configuration set external_url to where people find it, or add the name to \
                     allowed_hosts.\n"
                );
                Some((StatusCode::MISDIRECTED_REQUEST, why))
            }
            _ if !is_safe && self.is_foreign(headers) && !self.is_welcome(request) => {
                let why = "A page of another site may not ask for this. Is this dogwatch's own page, behind a proxy? Then \
                           set external_url to its address.\n";
                Some((StatusCode::FORBIDDEN, why.into()))
            }
            _ => None,
        }
    }

    /// Whether it comes from a page that may read this.
    fn is_welcome(&self, request: &Request) -> bool {
        let origin = request.headers().get(header::ORIGIN).and_then(|v| v.to_str().ok()).unwrap_or_default();
        cors::may_read(&self.origins, origin, request.method(), request.uri().path())
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
    use crate::login::Auth;

    const EXTERNAL: &str = "https://watch.example.org/dog/";

    /// What comes of a request to a dogwatch behind [`EXTERNAL`] on a machine called `box`.
    fn asked(method: &str, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        asked_of(
            &Door { origins: ["https://grafana.example.org".to_owned()].into(), ..Door::default() },
            method,
            path,
            headers,
        )
    }

    fn asked_of(door: &Door, method: &str, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let names = Names::new(EXTERNAL, &["box".into(), "Box.example.net".into()], door);
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
    fn what_machines_read_goes_by_other_names_only_where_a_login_is_asked_for() {
        let tokens = serde_json::json!({"tokens": [{"name": "a", "scopes": ["read"], "hash": "ab".repeat(32)}]});
        let auth = Auth::new(&serde_json::from_value(tokens).unwrap()).unwrap();
        let guarded = Door { auth: auth.into(), ..Door::default() };
        for path in
            ["/metrics", "/federate?match[]=up", "/api/v1/query?query=up", "/api/v1/status/config", "/api/v2/alerts"]
        {
            for method in ["GET", "HEAD", "OPTIONS"] {
                let ask = |door: &Door, host: &str| asked_of(door, method, path, &[("host", host)]);
                assert_eq!(ask(&Door::default(), "evil.example:9559"), Some(421), "{method} {path}");
                for ours in ["box:9559", "localhost:9559", "127.0.0.1:9559", "[::1]", "watch.example.org"] {
                    assert_eq!(ask(&Door::default(), ours), None, "{method} {path}");
                }
                assert_eq!(ask(&guarded, "dogwatch.monitoring.svc"), None, "{method} {path}: it is asked for a login");
            }
            assert_eq!(asked_of(&guarded, "GET", "/", &[("host", "evil.example")]), Some(421), "a page");
        }
    }

    #[test]
    fn machines_post_by_any_name_and_pages_that_took_ours_do_not() {
        for (method, path) in [
            ("GET", "/-/healthy"),
            ("GET", "/-/ready"),
            ("GET", "/ping/0123456789abcdef"),
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
    fn a_page_that_may_read_may_post_queries_and_nothing_else() {
        let from = |origin: &'static str| [("host", "box"), ("origin", origin), ("sec-fetch-site", "cross-site")];
        assert_eq!(asked("POST", "/api/v1/query", &from("https://grafana.example.org")), None);
        assert_eq!(asked("POST", "/api/v1/query", &from("https://evil.example")), Some(403));
        for path in ["/api/v2/silences", "/api/v2/alerts", "/-/reload", "/silences"] {
            assert_eq!(asked("POST", path, &from("https://grafana.example.org")), Some(403), "{path}");
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
