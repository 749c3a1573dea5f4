//! `oauth2:`: a token by the client credentials grant (RFC 6749, 4.4), or by an assertion that we sign (RFC 7523), kept
//! until shortly before it ends.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::header;
use jiff::Timestamp;
use reqwest::{Response, Url};
use rustls::{
    SignatureScheme,
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Credential, HttpClient, parse_url, secret_value};
use crate::{
    model::{Secret, text},
    notify::{config::OAuth2Config, with_causes},
};

const CLIENT_CREDENTIALS: &str = "client_credentials";
const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An assertion is good for so long, as Prometheus' own.
const ASSERTION_LASTS: Duration = Duration::from_secs(600);

/// A token is not used any more so long before its end: a request takes time.
const MARGIN: Duration = Duration::from_secs(10);

/// More of an answer is no token.
const ANSWER_MAX: usize = 64 << 10;

/// A checked `oauth2:`.
#[derive(Debug)]
pub(super) struct OAuth2 {
    config: OAuth2Config,
    url: Url,
    secret: Option<Credential>,
    signer: Option<SignatureScheme>,
    http: Box<HttpClient>,
    kept: Mutex<Option<(Token, Option<Instant>)>>,
}

/// Holds what the server gave.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Token {
    access_token: Secret,
    #[serde(default)]
    token_type: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Token {
    /// Returns the value of `Authorization`.
    pub fn header(&self) -> String {
        // Servers say "bearer"; some that are asked insist on the capital letter.
        let kind = if self.token_type.is_empty() || self.token_type.eq_ignore_ascii_case("bearer") {
            "Bearer"
        } else {
            &self.token_type
        };
        format!("{kind} {}", self.access_token.reveal())
    }
}

impl OAuth2 {
    /// Reads the client's secret or key, and what its server is judged by.
    ///
    /// # Errors
    /// As [`HttpClient::check_files`].
    pub async fn check_files(&self) -> Result<(), String> {
        if let Some(secret) = &self.secret {
            secret.read().await?;
        }
        self.http.check_tls_files().await
    }

    /// Checks it.
    ///
    /// # Errors
    /// In words.
    pub fn new(config: &OAuth2Config) -> Result<Self, String> {
        if config.client_id.is_empty() {
            return Err("oauth2 needs client_id".into());
        }
        let url = config.token_url.as_ref().filter(|url| !url.reveal().is_empty()).ok_or("oauth2 needs token_url")?;
        let url = parse_url(url).map_err(|e| format!("oauth2.token_url: {e}"))?;
        let (secret, signer) = match config.grant_type.as_deref().unwrap_or_default() {
            ASSERTION => {
                let (key, file) = (&config.client_certificate_key, &config.client_certificate_key_file);
                let key = Credential::from_either(key.as_ref(), file.as_ref())?;
                let key = key.ok_or("oauth2 needs client_certificate_key or client_certificate_key_file")?;
                (Some(key), Some(scheme(config.signature_algorithm.as_deref().unwrap_or_default())?))
            }
            "" | CLIENT_CREDENTIALS => {
                let (secret, file) = (&config.client_secret, &config.client_secret_file);
                (Credential::from_either(secret.as_ref(), file.as_ref())?, None)
            }
            other => {
                return Err(format!("oauth2.grant_type is {other:?}; there are {CLIENT_CREDENTIALS} and {ASSERTION}"));
            }
        };
        let http = HttpClient::new(&config.http()).map_err(|(key, e)| format!("oauth2{key}: {e}"))?;
        let (http, config) = (Box::new(http), config.clone());
        Ok(Self { config, url, secret, signer, http, kept: Mutex::default() })
    }

    /// Returns a token that is good now.
    ///
    /// # Errors
    /// In words that do not hold a secret.
    pub async fn token(&self, limit: Duration) -> Result<Token, String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((token, ends)) = kept
            && ends.is_none_or(|ends| ends > Instant::now() + MARGIN)
        {
            return Ok(token);
        }
        let asked = Instant::now();
        let token = self.ask(limit).await.map_err(|why| format!("no token of {}: {why}", self.host()))?;
        let ends = token.expires_in.map(|seconds| asked + Duration::from_secs(seconds.min(u64::from(u32::MAX))));
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), ends));
        Ok(token)
    }

    /// Forgets a token that was refused.
    pub fn forget(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn ask(&self, limit: Duration) -> Result<Token, String> {
        let secret = match &self.secret {
            Some(secret) => Some(secret.read().await?),
            None => None,
        };
        let answer = self.post(limit, secret.as_ref(), true).await?;
        // Servers differ in where they look for the client's secret; the header is what the standard asks for.
        let answer = match answer.status().as_u16() {
            400 | 401 if self.signer.is_none() => self.post(limit, secret.as_ref(), false).await?,
            _ => answer,
        };
        let status = answer.status();
        let body = read(answer).await?;
        if !status.is_success() {
            // What the standard has for it, and nothing else: an answer may repeat what it was sent.
            let said: Value = serde_json::from_slice(&body).unwrap_or_default();
            let error = said.get("error").and_then(Value::as_str).unwrap_or_default();
            return Err(format!("{status} {}", text::one_line(error)).trim_end().to_owned());
        }
        serde_json::from_slice(&body).map_err(|_| "the answer holds no access_token".to_owned())
    }

    async fn post(&self, limit: Duration, secret: Option<&Secret>, in_header: bool) -> Result<Response, String> {
        let c = &self.config;
        let mut form: Vec<(&str, String)> = Vec::new();
        if !c.scopes.is_empty() {
            form.push(("scope", c.scopes.join(" ")));
        }
        match (self.signer, secret) {
            (Some(scheme), Some(key)) => form.push(("assertion", self.assertion(key, scheme)?)),
            _ if !in_header => {
                form.push(("client_id", c.client_id.clone()));
                form.extend(secret.map(|s| ("client_secret", s.reveal().to_owned())));
            }
            _ => {}
        }
        let grant = if self.signer.is_some() { ASSERTION } else { CLIENT_CREDENTIALS };
        if !c.endpoint_params.contains_key("grant_type") {
            form.push(("grant_type", grant.to_owned()));
        }
        form.extend(c.endpoint_params.iter().map(|(k, v)| (k.as_str(), v.clone())));
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let session = self.http.client(limit).await?;
        let request = self.http.plain(&session, http::Method::POST, self.url.clone()).await?;
        let mut request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        if in_header && self.signer.is_none() {
            let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let secret = secret.map(|s| encoded(s.reveal())).unwrap_or_default();
            request = request.basic_auth(encoded(&c.client_id), Some(secret));
        }
        request.send().await.map_err(|e| with_causes(&e.without_url()))
    }

    /// A JSON Web Token that says who we are.
    fn assertion(&self, key: &Secret, scheme: SignatureScheme) -> Result<String, String> {
        let c = &self.config;
        let unfit = || "client_certificate_key is no RSA key in PEM".to_owned();
        let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|_| unfit())?;
        let signer = any_supported_type(&key).ok().and_then(|key| key.choose_scheme(&[scheme])).ok_or_else(unfit)?;
        let mut header = json!({"alg": algorithm(scheme), "typ": "JWT"});
        if let (Some(id), Some(header)) = (&c.client_certificate_key_id, header.as_object_mut()) {
            header.insert("kid".to_owned(), json!(id));
        }
        let now = Timestamp::now().as_second();
        let mut claims: Map<String, Value> = Map::new();
        claims.insert("iss".into(), json!(c.iss.as_ref().unwrap_or(&c.client_id)));
        claims.insert("sub".into(), json!(c.client_id));
        claims.insert("aud".into(), json!(c.audience.as_deref().unwrap_or(self.url.as_str())));
        claims.insert("jti".into(), json!(format!("{:032x}", fastrand::u128(..))));
        claims.insert("iat".into(), json!(now));
        claims.insert("exp".into(), json!(now + ASSERTION_LASTS.as_secs() as i64));
        if !c.scopes.is_empty() {
            claims.insert("scope".into(), json!(c.scopes.join(" ")));
        }
        claims.extend(c.claims.clone());
        let parts = [header, Value::Object(claims)].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = parts.join(".");
        let signature = signer.sign(signed.as_bytes()).map_err(|e| e.to_string())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

async fn read(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| with_causes(&e.without_url()))? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_MAX {
            return Err(format!("the answer is larger than {} KiB", ANSWER_MAX >> 10));
        }
    }
    Ok(body)
}

fn scheme(name: &str) -> Result<SignatureScheme, String> {
    match name {
        "" | "RS256" => Ok(SignatureScheme::RSA_PKCS1_SHA256),
        "RS384" => Ok(SignatureScheme::RSA_PKCS1_SHA384),
        "RS512" => Ok(SignatureScheme::RSA_PKCS1_SHA512),
        other => Err(format!("oauth2.signature_algorithm is {other:?}; there are RS256, RS384 and RS512")),
    }
}

fn algorithm(scheme: SignatureScheme) -> &'static str {
    match scheme {
        SignatureScheme::RSA_PKCS1_SHA384 => "RS384",
        SignatureScheme::RSA_PKCS1_SHA512 => "RS512",
        _ => "RS256",
    }
}

/// Returns the value of an `Authorization` header with a token.
pub(super) fn header_value(token: &Token) -> Result<http::HeaderValue, String> {
    secret_value("Authorization", &token.header())
}
