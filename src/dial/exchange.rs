//! One exchange from the name to the last byte: on a kept connection where that is allowed, else on a fresh one.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Request, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
};
use http_body_util::Full;
use tokio::time::Instant;
use url::Url;

use super::{
    Answer, Ask, Auth, Exchange, Trust,
    access::Access,
    again::{self, Next},
    credentials::Credentials,
    endpoint::Endpoint,
    failure::{ClientAuth, Spoken},
    http1::Connection,
    lookup::Side,
    pool::Key,
    steps::Steps,
    tls::Handshake,
    unpack,
};
use crate::model::{Failure, Reason};

/// How we name ourselves to servers; API server logs show it.
const AGENT: &str = concat!("dogwatch/", env!("CARGO_PKG_VERSION"));

/// Makes the exchange.
pub(super) async fn run(credentials: &Arc<Credentials>, ask: Ask, deadline: Instant) -> Exchange {
    let mut steps = Steps::start(deadline);
    // Kubelets, schedulers and controller-managers: what a large cluster has thousands of.
    steps.side = if ask.trust == Trust::Observe { Side::Nodes } else { Side::Few };
    let mut outcome = attempt(credentials, &ask, &mut steps).await;
    if let Err(failure) = &outcome {
        steps.note(&failure.message);
    }
    // A refusal says something of our credentials only where they were sent, or would have been.
    if let Ok(answer) = &outcome
        && ask.auth == Auth::Cluster
        && matches!(answer.status, 401 | 403)
        && credentials.access().believes(steps.tls.as_ref(), ask.trust, &ask.url)
        && let Some(why) = credentials.refused(answer.status)
    {
        outcome = Err(Failure::new(Reason::Auth, why));
    }
    let duration = steps.elapsed();
    Exchange { outcome, phases: steps.phases, tls: steps.tls, trace: steps.trace, duration }
}

/// Asks, and goes on where the answer sends us, while there is time.
async fn attempt(credentials: &Arc<Credentials>, ask: &Ask, steps: &mut Steps) -> Result<Answer, Failure> {
    let access = credentials.current(ask.auth == Auth::Cluster, steps.deadline()).await;
    let mut url = access.full(&ask.url);
    for _ in 0..again::TIMES_MAX {
        let answer = unpack::answer(once(credentials, &access, ask, &url, steps).await?, ask.max_bytes).await?;
        match again::next(ask, &url, &answer) {
            Next::Done => return Ok(answer),
            Next::Elsewhere => {
                let place = answer.leads_to().unwrap_or_default();
                steps.note(format_args!("it sends us to {place}, which is somebody else: not followed"));
                return Ok(answer);
            }
            Next::There(place) => {
                steps.note(format_args!("it sends us to {}", again::spoken(&place)));
                url = place;
            }
            Next::Later(wait) if wait >= steps.left() => return Ok(answer),
            Next::Later(wait) => {
                steps.note(format_args!("it throttles us: asked again in {}", Spoken(wait)));
                ask.throttled.add(wait);
                tokio::time::sleep(wait).await;
            }
        }
        steps.anew();
    }
    // The last word, whatever it is.
    unpack::answer(once(credentials, &access, ask, &url, steps).await?, ask.max_bytes).await
}

/// One request and its answer.
async fn once(
    credentials: &Arc<Credentials>,
    access: &Arc<Access>,
    ask: &Ask,
    url: &Url,
    steps: &mut Steps,
) -> Result<Answer, Failure> {
    let endpoint = Endpoint::of(url)?;
    let key = Key { endpoint: endpoint.clone(), auth: ask.auth, trust: ask.trust };
    let kept = if ask.reuse { credentials.pool().take(&key) } else { None };
    if let Some(mut connection) = kept {
        steps.note(format_args!("on a connection opened {} ago", connection.age()));
        steps.tls = connection.tls().cloned();
        // Half the time: a connection that a NAT has forgotten is silent, and a fresh one must still have its chance.
        let limit = Instant::now() + steps.left() / 2;
        match converse(&mut connection, access, ask, url, limit, steps).await {
            Ok(answer) => {
                keep(credentials, access, key, connection, &answer);
                return Ok(answer);
            }
            Err(failure) => {
                steps.note(format_args!("the kept connection failed ({}): a fresh one", failure.message));
                steps.anew();
            }
        }
    }
    let mut connection = open(&endpoint, access, ask, url, steps).await?;
    let limit = steps.deadline();
    let answer = converse(&mut connection, access, ask, url, limit, steps).await?;
    if ask.reuse && !steps.crowded {
        keep(credentials, access, key, connection, &answer);
    }
    Ok(answer)
}

/// Back to the pool, where the answer ended well and the credentials have not changed meanwhile.
fn keep(credentials: &Arc<Credentials>, access: &Arc<Access>, key: Key, connection: Connection, answer: &Answer) {
    if !answer.cut && credentials.is_current(access) {
        credentials.pool().put(key, connection);
    }
}

async fn open(
    endpoint: &Endpoint,
    access: &Access,
    ask: &Ask,
    url: &Url,
    steps: &mut Steps,
) -> Result<Connection, Failure> {
    let stream = access.proxies().open(endpoint, steps).await?;
    if !endpoint.tls {
        return Ok(Connection::new(endpoint.clone(), stream, None, ClientAuth::default()));
    }
    let secured = handshake(endpoint, access, ask)?.run(stream, steps).await?;
    let others = ask.auth == Auth::Cluster
        && !access.headers().is_empty()
        && access.believes(Some(&secured.facts), ask.trust, url);
    let auth = ClientAuth { others, ..secured.auth };
    Ok(Connection::new(endpoint.clone(), secured.stream, Some(secured.facts), auth))
}

fn handshake(endpoint: &Endpoint, access: &Access, ask: &Ask) -> Result<Handshake, Failure> {
    let dialled = endpoint.server_name().ok_or_else(|| {
        Failure::new(Reason::Tls, format!("{} is no name that a certificate could carry", endpoint.host))
    })?;
    let (sni, names) = match ask.trust {
        Trust::Cluster => access.names(dialled),
        Trust::Etcd | Trust::Observe => (dialled.clone(), vec![dialled]),
    };
    let ca = if ask.trust == Trust::Etcd { access.etcd_ca() } else { access.cluster_ca() };
    let must_verify = match ask.trust {
        Trust::Cluster => !access.insecure(),
        Trust::Etcd => true,
        Trust::Observe => false,
    };
    let identity = match ask.auth {
        Auth::None => None,
        Auth::Cluster => access.identity(),
        Auth::Etcd => access.etcd_identity(),
    };
    let (endpoint, ca, identity) = (endpoint.clone(), ca.clone(), identity.cloned());
    Ok(Handshake { endpoint, sni, names, ca, must_verify, identity, alpn: &[] })
}

async fn converse(
    connection: &mut Connection,
    access: &Access,
    ask: &Ask,
    url: &Url,
    limit: Instant,
    steps: &mut Steps,
) -> Result<Answer, Failure> {
    let mut request = request(ask, url)?;
    // The verdict is known by now.
    if ask.auth == Auth::Cluster && access.believes(connection.tls(), ask.trust, url) {
        request.headers_mut().extend(access.headers().clone());
    }
    connection.ask(request, ask, limit, steps).await
}

fn request(ask: &Ask, url: &Url) -> Result<Request<Full<Bytes>>, Failure> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let unusable = |e: http::Error| Failure::new(Reason::Body, format!("{url} can't be asked: {e}"));
    let uri: Uri = path.parse().map_err(|e: http::uri::InvalidUri| unusable(e.into()))?;
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut request = Request::builder()
        .method(ask.method.clone())
        .uri(uri)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, ask.accept);
    if ask.gzip {
        request = request.header(ACCEPT_ENCODING, "gzip");
    }
    if !ask.body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if !ask.reuse {
        request = request.header(CONNECTION, HeaderValue::from_static("close"));
    }
    request.body(Full::new(ask.body.clone())).map_err(unusable)
}
