//! Who may ask for what: one line for each address of the URL map and each method there. Pure. What has no line is refused to
//! all but admins where it would change something; a test holds the lines against the routes.

use axum::http::Method;

use crate::login::Need::{self, Admin, AlertsIn, Nothing, Operate, Read};

/// An address, what is asked of who comes there, and what the audit log calls what they did.
pub struct Access {
    methods: &'static [&'static str],
    path: &'static str,
    /// What is asked.
    pub need: Need,
    /// In the audit log; empty: it is not written there.
    pub action: &'static str,
}

const GET: &[&str] = &["GET"];
const POST: &[&str] = &["POST"];
const BOTH: &[&str] = &["GET", "POST"];
const DELETE: &[&str] = &["DELETE"];

const fn see(methods: &'static [&'static str], path: &'static str, need: Need) -> Access {
    Access { methods, path, need, action: "" }
}

const fn does(methods: &'static [&'static str], path: &'static str, need: Need, action: &'static str) -> Access {
    Access { methods, path, need, action }
}

/// The whole URL map.
const TABLE: &[Access] = &[
    see(GET, "/", Read),
    see(GET, "/targets/{cluster}/{job}/{instance}", Read),
    see(GET, "/incidents", Read),
    see(GET, "/incidents/{id}", Read),
    see(GET, "/incidents/{id}/post-mortem.md", Read),
    see(GET, "/report", Read),
    see(GET, "/runbooks", Read),
    see(GET, "/runbooks/", Read),
    see(GET, "/runbooks/{alert}", Read),
    see(GET, "/style.css", Nothing),
    see(GET, "/refresh.js", Read),
    see(GET, "/favicon.svg", Nothing),
    see(GET, "/metrics", Read),
    see(GET, "/federate", Read),
    // Health checks have no password.
    see(GET, "/-/healthy", Nothing),
    see(GET, "/-/ready", Nothing),
    does(POST, "/-/reload", Admin, "reload"),
    // Who is not known has to see the page to log in, in its colours; what they are shown there is the same for all.
    see(GET, "/login", Nothing),
    see(GET, "/login/start", Nothing),
    see(GET, "/login/callback", Nothing),
    // Asks for the session that it ends; writes itself down.
    see(POST, "/logout", Nothing),
    // Its path has a token, or the handler asks for one.
    see(BOTH, "/ping/{*what}", Nothing),
    // The handler asks for the token that two watchdogs share.
    see(POST, "/api/dogwatch/v1/peer", Nothing),
    see(GET, "/alerts", Read),
    see(GET, "/silences", Read),
    does(POST, "/silences", Operate, "silence"),
    see(GET, "/silences/new", Operate),
    see(GET, "/silences/{id}/edit", Operate),
    does(POST, "/silences/{id}/expire", Operate, "end silence"),
    see(GET, "/incidents/{id}/acknowledge", Operate),
    does(POST, "/incidents/{id}/acknowledge", Operate, "acknowledge"),
    does(POST, "/incidents/{id}/withdraw", Operate, "withdraw"),
    see(GET, "/incidents/{id}/note", Operate),
    does(POST, "/incidents/{id}/note", Operate, "note"),
    see(GET, "/heartbeats", Read),
    does(POST, "/heartbeats/{name}/pause", Operate, "pause heartbeat"),
    does(POST, "/heartbeats/{name}/resume", Operate, "resume heartbeat"),
    see(GET, "/audit", Admin),
    see(GET, "/recorded/{cluster}", Read),
    see(GET, "/api/dogwatch/v1/openapi.json", Read),
    see(GET, "/api/dogwatch/v1/config-schema.json", Read),
    see(GET, "/api/dogwatch/v1/state", Read),
    see(GET, "/api/dogwatch/v1/state/{cluster}", Read),
    see(GET, "/api/dogwatch/v1/state/{cluster}/{what}", Read),
    see(GET, "/api/dogwatch/v1/incidents", Read),
    see(GET, "/api/dogwatch/v1/incidents/{id}", Read),
    does(POST, "/api/dogwatch/v1/incidents/{id}/acknowledge", Operate, "acknowledge"),
    does(DELETE, "/api/dogwatch/v1/incidents/{id}/acknowledge", Operate, "withdraw"),
    does(POST, "/api/dogwatch/v1/incidents/{id}/notes", Operate, "note"),
    see(GET, "/api/dogwatch/v1/heartbeats", Read),
    does(POST, "/api/dogwatch/v1/heartbeats/{name}/pause", Operate, "pause heartbeat"),
    does(POST, "/api/dogwatch/v1/heartbeats/{name}/resume", Operate, "resume heartbeat"),
    see(GET, "/api/dogwatch/v1/restore-drills", Read),
    does(POST, "/api/dogwatch/v1/restore-drills/{name}", Operate, "open restore drill"),
    see(GET, "/api/dogwatch/v1/availability", Read),
    see(GET, "/api/dogwatch/v1/audit", Admin),
    see(GET, "/api/v2/status", Read),
    see(GET, "/api/v2/receivers", Read),
    see(GET, "/api/v2/alerts", Read),
    does(POST, "/api/v2/alerts", AlertsIn, "post alerts"),
    see(GET, "/api/v2/alerts/groups", Read),
    see(GET, "/api/v2/silences", Read),
    does(POST, "/api/v2/silences", Operate, "silence"),
    see(GET, "/api/v2/silence/{id}", Read),
    does(DELETE, "/api/v2/silence/{id}", Operate, "end silence"),
    see(BOTH, "/api/v1/query", Read),
    see(BOTH, "/api/v1/query_range", Read),
    see(BOTH, "/api/v1/query_exemplars", Read),
    see(BOTH, "/api/v1/format_query", Read),
    see(BOTH, "/api/v1/parse_query", Read),
    see(BOTH, "/api/v1/labels", Read),
    see(GET, "/api/v1/label/{name}/values", Read),
    see(BOTH, "/api/v1/series", Read),
    see(GET, "/api/v1/metadata", Read),
    see(GET, "/api/v1/targets", Read),
    see(GET, "/api/v1/targets/metadata", Read),
    see(GET, "/api/v1/scrape_pools", Read),
    see(GET, "/api/v1/alertmanagers", Read),
    see(GET, "/api/v1/alerts", Read),
    see(GET, "/api/v1/rules", Read),
    see(GET, "/api/v1/status/config", Admin),
    see(GET, "/api/v1/status/flags", Read),
    see(GET, "/api/v1/status/buildinfo", Read),
    see(GET, "/api/v1/status/runtimeinfo", Read),
    see(GET, "/api/v1/status/tsdb", Read),
    see(GET, "/api/v1/status/walreplay", Read),
];

/// The line of a request, and the first thing that its path names (an incident's or silence's id).
pub fn find<'a>(method: &Method, path: &'a str) -> Option<(&'static Access, Option<&'a str>)> {
    // HEAD is GET without a body.
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let mut lines = TABLE.iter().filter(|line| line.methods.contains(&method));
    lines.find_map(|line| Some((line, matched(line.path, path)?)))
}

/// What is asked of a request.
pub fn need(method: &Method, path: &str) -> Need {
    match find(method, path) {
        Some((line, _)) => line.need,
        None if method.is_safe() => Read,
        None => Admin,
    }
}

/// Whether a path is one of a route, as the router has it; and the first thing that stands for a name.
fn matched<'a>(route: &str, path: &'a str) -> Option<Option<&'a str>> {
    let mut parts = path.split('/');
    let mut named = None;
    for expected in route.split('/') {
        if expected.starts_with("{*") {
            // The rest, and there is one.
            return parts.next().filter(|part| !part.is_empty()).map(|_| named);
        }
        let part = parts.next()?;
        if expected.starts_with('{') {
            if part.is_empty() {
                return None;
            }
            named = named.or(Some(part));
        } else if part != expected {
            return None;
        }
    }
    parts.next().is_none().then_some(named)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    /// Files with routes, and what stands before each path of theirs.
    const MAPS: [(&str, &str); 8] = [
        ("http.rs", ""),
        ("http/forms.rs", ""),
        ("http/api_v2.rs", ""),
        ("http/ping.rs", ""),
        ("http/peer.rs", ""),
        ("http/audit.rs", ""),
        ("http/sign_in.rs", ""),
        ("http/api_v1.rs", "/api/v1"),
    ];

    /// Every method and path of the routes, as they stand in the source.
    fn routes() -> BTreeSet<(String, String)> {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = BTreeSet::new();
        for (file, prefix) in MAPS {
            let text = std::fs::read_to_string(src.join(file)).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for line in text.split(".route(").skip(1) {
                // To the parenthesis that ends the route.
                let mut depth = 1;
                let end = line.find(|c: char| {
                    depth += i32::from(c == '(') - i32::from(c == ')');
                    depth == 0
                });
                let line = &line[..end.unwrap()];
                let path = line.split('"').nth(1).unwrap();
                // Beside the rest of `/api/v1`.
                let path = if path == "/federate" { path.to_owned() } else { format!("{prefix}{path}") };
                let mut methods = 0;
                for (call, method) in [
                    ("get(", "GET"),
                    ("post(", "POST"),
                    ("delete(", "DELETE"),
                    ("put(", "PUT"),
                    ("patch(", "PATCH"),
                    ("any(", "ANY"),
                ] {
                    let calls = line
                        .match_indices(call)
                        .filter(|(at, _)| !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
                    for _ in calls {
                        found.insert((method.to_owned(), path.clone()));
                        methods += 1;
                    }
                }
                assert!(methods > 0, "{file}: {line}");
            }
        }
        found
    }

    #[test]
    fn every_route_has_its_line_and_every_line_its_route() {
        let lines: Vec<_> =
            TABLE.iter().flat_map(|l| l.methods.iter().map(|m| ((*m).to_owned(), l.path.to_owned()))).collect();
        let listed: BTreeSet<_> = lines.iter().cloned().collect();
        assert_eq!(lines.len(), listed.len(), "no address has two lines");
        assert_eq!(routes(), listed);
        assert!(listed.len() > 70, "{}", listed.len());
        // No other file of the room adds routes.
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("access.rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let known = MAPS.iter().any(|(file, _)| path.ends_with(file));
                    let code = text.split("#[cfg(test)]").next().unwrap();
                    assert!(known || !code.contains(".route("), "{}", path.display());
                }
            }
        }
    }

    #[test]
    fn what_changes_something_is_asked_for_and_written_down() {
        for line in TABLE {
            let changes = line.methods.iter().any(|m| *m != "GET");
            match line.need {
                // Queries may be posted; pings prove themselves.
                Nothing | Read => assert!(line.action.is_empty(), "{}", line.path),
                Operate | AlertsIn | Admin => assert_eq!(changes, !line.action.is_empty(), "{}", line.path),
            }
        }
        let posts: Vec<_> = TABLE.iter().filter(|l| l.methods.contains(&"POST") && l.action.is_empty()).collect();
        assert!(posts.iter().all(|l| l.path.starts_with("/api/v1/")
            || ["/ping/{*what}", "/logout", "/api/dogwatch/v1/peer"].contains(&l.path)));
        let open: Vec<_> = TABLE.iter().filter(|l| l.need == Nothing).map(|l| l.path).collect();
        assert_eq!(
            open,
            [
                "/style.css",
                "/favicon.svg",
                "/-/healthy",
                "/-/ready",
                "/login",
                "/login/start",
                "/login/callback",
                "/logout",
                "/ping/{*what}",
                "/api/dogwatch/v1/peer"
            ]
        );
    }

    #[test]
    fn addresses_are_found_as_the_router_finds_them() {
        let check = |method: &str, path: &str, expected: Need| {
            assert_eq!(need(&method.parse().unwrap(), path), expected, "{method} {path}");
        };
        check("GET", "/", Read);
        check("HEAD", "/-/healthy", Nothing);
        check("POST", "/-/reload", Admin);
        check("POST", "/-/reload/", Admin);
        check("GET", "/-/healthy/x", Read);
        check("GET", "/ping/abc/start", Nothing);
        check("POST", "/ping/abc", Nothing);
        check("GET", "/ping/", Read);
        check("POST", "/ping", Admin);
        check("POST", "/api/v1/query", Read);
        check("POST", "/api/v1/metadata", Admin);
        check("OPTIONS", "/api/v1/query", Read);
        check("GET", "/api/v1/status/config", Admin);
        check("POST", "/silences", Operate);
        check("GET", "/silences/new", Operate);
        check("POST", "/incidents/7/acknowledge", Operate);
        check("POST", "/incidents/7/%61cknowledge", Admin);
        check("POST", "/incidents//acknowledge", Admin);
        check("POST", "//silences", Admin);
        check("DELETE", "/api/v2/silence/x", Operate);
        check("POST", "/api/v2/alerts", AlertsIn);
        check("PUT", "/api/v2/alerts", Admin);
        check("GET", "/nope", Read);
        check("DELETE", "/nope", Admin);
        let named = |method: Method, path| find(&method, path).and_then(|(_, named)| named);
        assert_eq!(named(Method::POST, "/incidents/7/acknowledge"), Some("7"));
        assert_eq!(named(Method::POST, "/silences"), None);
    }
}
