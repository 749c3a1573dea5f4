//! Requests to an issuer, by the same client as those to receivers: its CA, proxies, deadlines; answers within a limit.

use std::{error::Error, pin::Pin, sync::Arc, time::Duration};

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use thiserror::Error;

use super::config::OidcConfig;
use crate::{
    model::{Secret, text},
    notify::{
        client::{HttpClient, Session},
        credential::Credential,
        with_causes,
    },
};

/// One request may take this.
const REQUEST_WITHIN: Duration = Duration::from_secs(4);
/// Bytes of an answer: keys and tokens are some kilobytes.
const ANSWER_MAX: usize = 1 << 20;
/// Bytes of an error that are told.
const ERROR_MAX: usize = 500;

/// Why there is no answer.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Failed(String);

/// How an issuer is asked.
#[derive(Debug)]
pub struct Exchange {
    http: Arc<HttpClient>,
    secret: Option<Credential>,
}

impl Exchange {
    /// Made of a configuration.
    ///
    /// # Errors
    /// What is wrong, and its path below `auth.oidc`.
    pub(super) fn new(config: &OidcConfig) -> Result<Self, (String, String)> {
        let mut asking = config.http_config.clone();
        // An issuer is where its name says.
        asking.follow_redirects = false;
        let http = HttpClient::new(&asking).map_err(|(at, why)| (format!("http_config{at}"), why))?;
        if http.is_authorized() {
            let why = "says who we are, as client_secret does: leave authorization, basic_auth and oauth2 out";
            return Err(("http_config".into(), why.into()));
        }
        let secret = Credential::from_either(config.client_secret.as_ref(), config.client_secret_file.as_ref());
        let secret = secret.map_err(|why| ("client_secret".to_owned(), why.to_owned()))?;
        Ok(Self { http: Arc::new(http), secret })
    }

    /// Our secret, as it is now.
    ///
    /// # Errors
    /// When its file can't be read.
    pub(super) async fn secret(&self) -> Result<Option<Secret>, String> {
        match &self.secret {
            Some(secret) => secret.read().await.map(Some).map_err(|why| format!("client_secret_file: {why}")),
            None => Ok(None),
        }
    }

    /// Reads all files.
    ///
    /// # Errors
    /// Why one can't be read.
    pub(super) async fn check_files(&self) -> Result<(), String> {
        self.secret().await?;
        self.http.check_files().await
    }

    /// Connections for some requests.
    ///
    /// # Errors
    /// When a certificate can't be read.
    pub(super) async fn asking(&self) -> Result<Asking, String> {
        Ok(Asking { session: self.http.client(REQUEST_WITHIN).await?, http: self.http.clone() })
    }

    /// What an issuer said, without our secret.
    pub(super) async fn without_secret(&self, said: &str) -> String {
        match self.secret().await {
            Ok(Some(secret)) => said.replace(secret.reveal(), "<secret>"),
            _ => said.to_owned(),
        }
    }
}

/// Connections for some requests, as the crate asks for them.
#[derive(Clone, Debug)]
pub struct Asking {
    http: Arc<HttpClient>,
    session: Session,
}

impl<'c> AsyncHttpClient<'c> for Asking {
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Failed>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}

impl Asking {
    async fn ask(self, request: HttpRequest) -> Result<HttpResponse, Failed> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string().parse().map_err(|e| Failed(format!("the issuer named no URL: {e}")))?;
        let ask = self.http.request(&self.session, parts.method, url).await.map_err(Failed)?;
        let failed = |e: reqwest::Error| Failed(because(&e.without_url()));
        let mut answer = ask.headers(parts.headers).body(body).send().await.map_err(failed)?;
        let mut response = HttpResponse::new(Vec::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if response.body().len() + chunk.len() > ANSWER_MAX {
                return Err(Failed(format!("the issuer's answer is larger than {} KiB", ANSWER_MAX >> 10)));
            }
            response.body_mut().extend_from_slice(&chunk);
        }
        Ok(response)
    }
}

/// An error with its causes, in one line.
pub(super) fn because(error: &dyn Error) -> String {
    text::clip(&text::one_line(&with_causes(error)), ERROR_MAX).to_owned()
}
