//! The standard health service of gRPC (`grpc.health.v1.Health/Check`), by HTTP/2 with or without TLS.

use std::borrow::Cow;

use ::http::{HeaderMap, Method, Request, header};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::{
    condition::Condition,
    found::Found,
    prober::{Address, Asking, Prober},
};
use crate::{
    dial::{Place, Security, TlsFiles},
    model::{Failure, Measure, Reason},
};

/// The method, as gRPC makes a path of it.
const CHECK: &str = "/grpc.health.v1.Health/Check";
/// What TLS negotiates.
const ONLY_2: &[&[u8]] = &[b"h2"];
/// An answer has three bytes.
const ANSWER_MAX: usize = 64 << 10;
/// What stands before each message: not compressed, and its length.
const PREFIX: usize = 5;
/// The states by their numbers.
const STATES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// `grpc:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrpcConfig {
    /// `host:port`; empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// The service that is asked for; empty for the server as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// TLS.
    #[serde(default)]
    pub tls: bool,
    /// What the answer must be, beside SERVING.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

#[derive(Clone, PartialEq, Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl GrpcConfig {
    fn place(&self) -> Result<Place, String> {
        Place::read(&self.address, None)
    }
}

impl Prober for GrpcConfig {
    fn at(&self) -> String {
        match self.service.as_str() {
            "" => self.address.clone(),
            service => format!("{service} at {}", self.address),
        }
    }

    fn address(&self) -> Option<Address<'_>> {
        Some(Address { key: ".address", text: &self.address, place: self.place(), at_nodes: true })
    }

    fn ingress_tls(&self) -> Option<bool> {
        Some(self.tls)
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["answer", "cert", "version"], "the health service of gRPC")
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn move_to(&mut self, instance: &str) {
        instance.clone_into(&mut self.address);
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// What came.
struct Came {
    http_status: u16,
    /// Headers, and what came after the body; that is where gRPC's status is.
    headers: HeaderMap,
    body: Bytes,
}

impl Came {
    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        Some(percent_encoding::percent_decode_str(self.headers.get(name)?.to_str().ok()?).decode_utf8_lossy())
    }
}

/// Asks for the service's health.
async fn probe(c: &GrpcConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(Reason::Dns, why))?;
    let mut stream = found.line.connect(&place, c.tls, None).await?;
    if c.tls {
        let security = Security::read(&c.tls_config, ONLY_2).await?;
        let (secured, agreed) = found.line.secure(stream, &place, &security).await?;
        if agreed.as_deref() != Some(b"h2") {
            return Err(Failure::new(Reason::Answer, format!("{place} does not speak HTTP/2 (ALPN), as gRPC does")));
        }
        stream = secured;
    }
    let began = Instant::now();
    found.line.note(format_args!("asked for the health of {:?}", c.service));
    let asking = async {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // What ends the connection is told by the request that waits on it.
        let _driver = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
        exchange(c, sender, &place, found.line.left()).await
    };
    let came = match timeout_at(found.line.deadline(), asking).await {
        Err(_) => {
            let words = format!("{place} accepted the connection, but did not answer within {}", found.line.allowed());
            return Err(Failure::new(Reason::Timeout, words));
        }
        Ok(Err(error)) => return Err(found.line.answering(&error, &place)),
        Ok(Ok(came)) => came,
    };
    let took = began.elapsed();
    found.line.phases().processing = Some(took);
    measure(c, took, found);
    judge(c, &came, &place, found)
}

async fn exchange(
    c: &GrpcConfig,
    mut sender: http2::SendRequest<Full<Bytes>>,
    place: &Place,
    left: Duration,
) -> Result<Came, hyper::Error> {
    let message = HealthCheckRequest { service: c.service.clone() }.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    let body = [&[0], &length[..], &message].concat();
    let scheme = if c.tls { "https" } else { "http" };
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    if let Ok(uri) = format!("{scheme}://{place}{CHECK}").parse() {
        *request.uri_mut() = uri;
    }
    let agent = concat!("dogwatch/", env!("CARGO_PKG_VERSION"));
    let headers = request.headers_mut();
    let timeout = format!("{}m", left.as_millis().min(99_999_999));
    let fixed = [("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", agent)];
    for (name, value) in fixed {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    if let Ok(value) = timeout.parse() {
        headers.insert("grpc-timeout", value);
    }
    let (parts, mut incoming) = sender.send_request(request).await?.into_parts();
    let mut came = Came { http_status: parts.status.as_u16(), headers: parts.headers, body: Bytes::new() };
    let mut body = BytesMut::new();
    while let Some(frame) = Incoming::frame(&mut incoming).await {
        match frame?.into_data() {
            Ok(data) if body.len() + data.len() <= ANSWER_MAX => body.extend_from_slice(&data),
            Ok(_) => break,
            Err(frame) => came.headers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    came.body = body.freeze();
    Ok(came)
}

/// The series, by blackbox_exporter's names.
fn measure(c: &GrpcConfig, took: Duration, found: &mut Found) {
    let phases = *found.line.phases();
    let phases = [("resolve", phases.resolve), ("connect", phases.connect), ("tls", phases.tls), ("check", Some(took))];
    for (phase, took) in phases {
        let took = took.unwrap_or_default().as_secs_f64();
        found.measures.push(Measure::new("probe_grpc_duration_seconds", took).with("phase", phase));
    }
    found.measures.push(Measure::flag("probe_grpc_ssl", c.tls));
}

/// Says what the answer means.
fn judge(c: &GrpcConfig, came: &Came, place: &Place, found: &mut Found) -> Result<(), Failure> {
    let wrong = |words: String| Err(Failure::new(Reason::Answer, words));
    found.http_status = Some(came.http_status);
    let is_grpc = came.text("content-type").is_some_and(|kind| kind.starts_with("application/grpc"));
    if came.http_status != 200 {
        let words = format!("{place} answers HTTP {}, should be 200: no gRPC is behind it", came.http_status);
        return Err(Failure::new(Reason::HttpStatus, words));
    }
    let code = came.text("grpc-status").and_then(|code| code.parse::<u16>().ok());
    let (true, Some(code)) = (is_grpc, code) else {
        return wrong(format!("{place} answers by HTTP/2, but not as gRPC does"));
    };
    found.answered = true;
    found.measure("probe_grpc_status_code", f64::from(code));
    let said = came.text("grpc-message").map(|text| format!(": {text}")).unwrap_or_default();
    let body = came.body.get(PREFIX..).unwrap_or_default();
    let state = match code {
        0 => HealthCheckResponse::decode(body).ok().and_then(|r| usize::try_from(r.status).ok()),
        // Where the service is not known, Check answers NOT_FOUND.
        5 => Some(3),
        _ => None,
    };
    let state = state.and_then(|i| STATES.get(i)).copied();
    for each in STATES {
        let is_it = state == Some(each);
        let measure = Measure::flag("probe_grpc_healthcheck_response", is_it).with("serving_status", each);
        found.measures.push(measure);
    }
    if let Some(state) = state {
        found.seen.text("answer", state);
        found.line.note(format_args!("it says {state}"));
    }
    match (code, state) {
        (0, Some("SERVING")) => Ok(()),
        (_, Some(_)) if c.expect.iter().any(|condition| condition.about() == "answer") => Ok(()),
        (5, _) => wrong(format!("{place} does not know the service {:?} (NOT_FOUND)", c.service)),
        (0, Some(state)) => wrong(format!("it says {state}, should say SERVING")),
        (0, None) => wrong(format!("what {place} answers is no state of health")),
        (12, _) => wrong(format!("{place} has no health service (grpc.health.v1: UNIMPLEMENTED)")),
        (7 | 16, _) => wrong(format!("{place} refuses to tell us its health{said}")),
        (14, _) => wrong(format!("{place} is not available (UNAVAILABLE){said}")),
        (code, _) => wrong(format!("{place} answers with gRPC status {code}, should be 0{said}")),
    }
}
