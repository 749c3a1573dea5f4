//! An OpenID issuer: its discovery document, and keys by which its tokens can be proved.

use serde::Deserialize;
use url::Url;

use super::{
    condition::Condition,
    found::Found,
    prober::{Asking, Prober, Problems},
    web::{below, get, json, web_kind},
};
use crate::{
    dial::TlsFiles,
    model::{Failure, Reason},
};

/// The longest document and list of keys; both have a few kilobytes.
const DOCUMENT_MAX: usize = 1 << 20;

web_kind! {
    /// `oidc:` of a check.
    pub struct OidcConfig {
        /// The issuer, as its tokens name it.
        pub issuer: Url,
    }
}

impl Prober for OidcConfig {
    fn at(&self) -> String {
        self.issuer.to_string()
    }

    fn instance(&self) -> String {
        self.web(self.issuer.clone()).instance()
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["json", "count", "cert", "version"], "an issuer's document")
    }

    fn problems(&self) -> Problems {
        let rename = |(key, why): (String, String)| (key.replace(".url", ".issuer"), why);
        self.web(self.issuer.clone()).problems().into_iter().map(rename).collect()
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn files(&mut self) -> Vec<&mut std::path::PathBuf> {
        self.secret_files()
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: Url,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    x: String,
}

impl Key {
    /// Whether a signature can be proved by it.
    fn is_usable(&self) -> bool {
        let has_material = match self.kty.as_str() {
            "RSA" => !self.n.is_empty(),
            "EC" | "OKP" => !self.x.is_empty(),
            _ => false,
        };
        has_material && self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
    }
}

async fn probe(c: &OidcConfig, found: &mut Found) -> Result<(), Failure> {
    let web = c.web(c.issuer.clone());
    let wrong = |words: String| Failure::new(Reason::Answer, words);
    let at = below(&c.issuer, &[".well-known", "openid-configuration"]);
    let answer = get(&web, at, "application/json", DOCUMENT_MAX, found).await?;
    let document: Document = json(&answer, "the discovery document")?;
    found.answered = true;
    found.seen.body = Some(answer.body);
    let plain = |text: &str| text.trim_end_matches('/').to_owned();
    if plain(&document.issuer) != plain(c.issuer.as_str()) {
        let is: String = document.issuer.chars().take(200).collect();
        return Err(wrong(format!("it calls itself {is:?}, should be {}: no token of it would be taken", c.issuer)));
    }
    if document.authorization_endpoint.is_none() && document.token_endpoint.is_none() {
        found.line.note("it has neither authorization_endpoint nor token_endpoint: it proves tokens, and makes none");
    }
    let answer = get(&web, document.jwks_uri, "application/json", DOCUMENT_MAX, found).await?;
    let keys: Keys = json(&answer, "the list of keys (jwks_uri)")?;
    let usable = keys.keys.iter().filter(|key| key.is_usable()).count();
    found.line.note(format_args!("{usable} of {} keys can prove a signature", keys.keys.len()));
    #[allow(clippy::cast_precision_loss)] // Numbers of keys, far below 2^53.
    let count = usable as f64;
    found.seen.number("count", count);
    found.measure("probe_oidc_keys", count);
    if usable == 0 {
        return Err(wrong("it has no key by which a token could be proved".to_owned()));
    }
    Ok(())
}
