use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Answer { status, headers: http::HeaderMap::new(), body: body.into(), cut: false }
}

fn status(code: u16, message: &str) -> Answer {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code,
    });
    answer(code, body.to_string())
}

fn check(answer: &Answer, expected: &str) {
    let told = match read("n2", answer) {
        ProxyAnswer::Kubelet => "kubelet".into(),
        ProxyAnswer::Tried(f) => format!("tried, {}: {}", f.reason, f.message),
        ProxyAnswer::Nothing(f) => format!("nothing, {}: {}", f.reason, f.message),
    };
    assert_eq!(told, expected);
}

#[test]
fn the_kubelets_own_answers() {
    check(&answer(200, "[+]ping ok\nhealthz check passed\n"), "kubelet");
    check(&answer(500, "[+]ping ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n"), "kubelet");
    check(&answer(401, "Unauthorized"), "kubelet");
    check(&answer(403, "Forbidden (user=kube-apiserver, verb=get, resource=nodes, subresource=proxy)"), "kubelet");
}

#[test]
fn what_the_api_server_found() {
    let tried = |cause: &str| status(500, &format!("error trying to reach service: {cause}"));
    // As captured from 1.20: code 500, no reason.
    check(
        &tried("dial tcp 10.99.0.12:10250: connect: connection refused"),
        "tried, refused: the API server says that the kubelet refuses its connections: “dial tcp 10.99.0.12:10250: connect: connection refused”",
    );
    check(
        &tried("dial tcp 10.99.0.12:10250: connect: no route to host"),
        "tried, unreachable: the API server says that it has no way to the node: “dial tcp 10.99.0.12:10250: connect: no route to host”",
    );
    check(
        &tried("dial tcp 10.99.0.12:10250: i/o timeout"),
        "tried, timeout: the API server says that it gets no answer from the kubelet: “dial tcp 10.99.0.12:10250: i/o timeout”",
    );
    check(
        &tried("x509: certificate signed by unknown authority"),
        "tried, tls: the API server says that it can't agree with the kubelet on TLS: “x509: certificate signed by unknown authority”",
    );
    check(
        &answer(502, "error trying to reach service: net/http: abort"),
        "tried, http_status: the API server says that it could not reach the kubelet: “net/http: abort”",
    );
}

#[test]
fn an_api_server_that_can_not_tell() {
    check(&status(401, "Unauthorized"), "nothing, auth: the API server does not accept our credentials (401)");
    check(
        &status(403, "nodes \"n2\" is forbidden"),
        "nothing, auth: the API server does not let us use its node proxy (403): RBAC lacks `get` on nodes/proxy",
    );
    check(&status(404, "nodes \"n2\" not found"), "nothing, http_status: the API server knows no node n2 (404)");
    check(
        &status(500, "etcdserver: request timed out"),
        "nothing, http_status: the API server answered HTTP 500: “etcdserver: request timed out”",
    );
    check(
        &answer(503, "<html>no server is available</html>"),
        "nothing, http_status: on the way to the kubelet HTTP 503 was answered: “no server is available”",
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read(status in 100u16..600, body in proptest::collection::vec(any::<u8>(), 0..300)) {
        read("n", &answer(status, body));
    }
}

#[test]
fn what_stands_in_front_of_the_api_server_is_no_kubelet() {
    let elsewhere = "something else answers in front of it, so that nothing is known of it";
    check(
        &answer(403, "<html><title>403 Forbidden</title></html>"),
        &format!("nothing, foreign: /healthz answered HTTP 403 “403 Forbidden”: {elsewhere}"),
    );
    check(
        &answer(200, "<html><title>Sign in</title></html>"),
        &format!("nothing, foreign: /healthz answered HTTP 200 “Sign in”: {elsewhere}"),
    );
}
