//! A webhook receiver: takes every POST with a JSON body.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{MESSAGE_MAX_BYTES, WAITING_MAX};

/// A client that does not send its headers within this is let go.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// The path that was asked for.
    pub path: String,
    /// The body.
    pub json: serde_json::Value,
}

/// A running receiver; it ends when this is dropped.
#[derive(Debug)]
pub struct HookSink {
    address: SocketAddr,
    _stop: DropGuard,
}

impl HookSink {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> std::io::Result<(Self, mpsc::Receiver<Hook>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (to, hooks) = mpsc::channel(WAITING_MAX);
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, to, stop.clone())));
        Ok((Self { address, _stop: stop.drop_guard() }, hooks))
    }

    /// The URL to configure.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

async fn accept(listener: TcpListener, to: mpsc::Sender<Hook>, stop: CancellationToken) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(stop.clone().run_until_cancelled_owned(connection(stream, to.clone())));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: TcpStream, to: mpsc::Sender<Hook>) {
    let service = service_fn(move |request| {
        let to = to.clone();
        async move {
            let (status, words) = receive(request, &to).await;
            let mut response = Response::new(Full::new(Bytes::from_static(words.as_bytes())));
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(e) = served {
        tracing::debug!(error = %e, "a connection to the demo's webhook ended badly");
    }
}

async fn receive(request: Request<Incoming>, to: &mpsc::Sender<Hook>) -> (StatusCode, &'static str) {
    if request.method() != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, "This webhook takes POST.\n");
    }
    let path = request.uri().path().to_owned();
    let Ok(body) = Limited::new(request.into_body(), MESSAGE_MAX_BYTES).collect().await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "The body is too long or was cut.\n");
    };
    let Ok(json) = serde_json::from_slice(&body.to_bytes()) else {
        return (StatusCode::BAD_REQUEST, "The body is not JSON.\n");
    };
    // When the story is over the pages stay up, and no receiver is in trouble.
    match to.send(Hook { path, json }).await {
        Ok(()) => (StatusCode::OK, "Read aloud.\n"),
        Err(_) => (StatusCode::OK, "Taken; the story is over.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn json_is_handed_over_and_nothing_else() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (sink, mut hooks) = HookSink::start().await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let post = async |body: Vec<u8>| client.post(sink.url()).body(body).send().await.unwrap().status().as_u16();
        assert_eq!(post(br#"{"status":"firing"}"#.to_vec()).await, 200);
        assert_eq!(post(b"{".to_vec()).await, 400);
        assert_eq!(post(vec![b' '; MESSAGE_MAX_BYTES + 1]).await, 413);
        assert_eq!(client.get(sink.url()).send().await.unwrap().status(), 405);
        let hook = hooks.recv().await.unwrap();
        assert_eq!((hook.path.as_str(), &hook.json["status"]), ("/hook", &serde_json::Value::from("firing")));
        drop(hooks);
        assert_eq!(post(b"{}".to_vec()).await, 200);
    }
}
