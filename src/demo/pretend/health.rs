//! The health pages that all of Kubernetes' components share (`k8s.io/apiserver/pkg/server/healthz`).

use super::exchange::{Asked, Reply};

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
pub fn page(name: &str, checks: &[Check], asked: &Asked) -> Reply {
    let excluded: Vec<String> = asked.parameters("exclude").collect();
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
    match (failed, asked.parameter("verbose")) {
        (true, _) => Reply::text(500, format!("{lines}{name} check failed\n")),
        (false, Some(_)) => Reply::text(200, format!("{lines}{name} check passed\n")),
        (false, None) => Reply::text(200, "ok"),
    }
}

/// A scheduler or a controller-manager: its health is for everybody.
pub fn component(asked: &Asked) -> Reply {
    match asked.path.as_str() {
        "/healthz" => page("healthz", &[passing("leaderElection")], asked),
        _ if asked.known => Reply::text(404, "404 page not found\n"),
        _ => Reply::text(401, "Unauthorized\n"),
    }
}

/// A kubelet: nothing is for strangers.
pub fn kubelet(asked: &Asked) -> Reply {
    match asked.path.as_str() {
        _ if !asked.known => Reply::text(401, "Unauthorized"),
        "/healthz" => kubelet_page(asked),
        _ => Reply::text(404, "404 page not found\n"),
    }
}

/// What a kubelet answers to those it knows, the API server's proxy among them.
pub fn kubelet_page(asked: &Asked) -> Reply {
    page("healthz", &["ping", "log", "syncloop"].map(passing), asked)
}
