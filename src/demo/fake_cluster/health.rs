//! The health pages that all of Kubernetes' components share (`k8s.io/apiserver/pkg/server/healthz`).

use super::exchange::{Reply, Request};

/// One check of a page.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    pub name: &'static str,
    pub ok: bool,
}

/// A check that passes.
pub fn passing(name: &'static str) -> Check {
    Check { name, ok: true }
}

/// The page as the real one writes it: `ok` alone, every line where `verbose` is asked for or something fails.
pub fn page(name: &str, checks: &[Check], request: &Request) -> Reply {
    let excluded: Vec<String> = request.parameters("exclude").collect();
    let mut lines = String::new();
    let mut failed = false;
    for check in checks {
        let left_out = excluded.iter().any(|e| e == check.name);
        failed |= !check.ok && !left_out;
        lines.push_str(&match (left_out, check.ok) {
            (true, _) => format!("[+]{} excluded: ok\n", check.name),
            (false, true) => format!("[+]{} ok\n", check.name),
            (false, false) => format!("[-]{} failed: reason withheld\n", check.name),
        });
    }
    match (failed, request.parameter("verbose")) {
        (true, _) => Reply::text(500, format!("{lines}{name} check failed\n")),
        (false, Some(_)) => Reply::text(200, format!("{lines}{name} check passed\n")),
        (false, None) => Reply::text(200, "ok"),
    }
}

/// A scheduler or a controller-manager: its health is for everybody.
pub fn component(request: &Request) -> Reply {
    match request.path.as_str() {
        "/healthz" => page("healthz", &[passing("leaderElection")], request),
        _ if request.known => Reply::text(404, "404 page not found\n"),
        _ => Reply::text(401, "Unauthorized\n"),
    }
}

/// A kubelet: nothing is for strangers.
pub fn kubelet(request: &Request) -> Reply {
    match request.path.as_str() {
        _ if !request.known => Reply::text(401, "Unauthorized"),
        "/healthz" => kubelet_page(request),
        _ => Reply::text(404, "404 page not found\n"),
    }
}

/// What a kubelet answers to those it knows, the API server's proxy among them.
pub fn kubelet_page(request: &Request) -> Reply {
    page("healthz", &["ping", "log", "syncloop"].map(passing), request)
}
