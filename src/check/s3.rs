//! What lies in a bucket of S3, or of a store that speaks as S3 does (MinIO, Ceph, Cloudflare R2, Google Cloud Storage by its
//! HMAC keys): the newest object below a prefix, its age and size, held against those before it.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    condition::Condition,
    found::Found,
    http::{HttpConfig, fetch},
    objects::{self, ANSWER_MAX, Page, SAFE},
    options::secret,
    prober::{Asking, Prober, Problems},
    web::request,
};
use crate::{
    dial::TlsFiles,
    model::{
        Failure, Reason, Secret,
        sigv4::{Keys, Signer},
        text::hex,
    },
};

/// `s3:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// The store; without it, AWS in the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Url>,
    /// As it is signed for.
    #[serde(default = "region")]
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// What the objects' names begin with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The access key; without it, as nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// The secret key …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<Secret>,
    /// … or the file that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_file: Option<PathBuf>,
    /// Through this proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<Secret>,
    /// What must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

fn region() -> String {
    "us-east-1".to_owned()
}

impl S3Config {
    fn home(&self) -> Result<Url, String> {
        match &self.endpoint {
            Some(url) => Ok(url.clone()),
            None => Url::parse(&format!("https://s3.{}.amazonaws.com/", self.region))
                .map_err(|_| "this is no region".into()),
        }
    }

    fn web(&self, home: Url) -> HttpConfig {
        // What is signed is asked once: a redirect would need a signature of its own.
        HttpConfig {
            proxy_url: self.proxy_url.clone(),
            tls_config: self.tls_config.clone(),
            follow_redirects: false,
            ..HttpConfig::get(home)
        }
    }

    /// The bucket's list from an object on.
    fn list(&self, home: &Url, next: Option<&str>) -> Url {
        let mut url = home.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(&self.bucket);
        }
        // Sorted and encoded as what is signed has to be.
        let mut pairs = vec![("list-type", "2"), ("prefix", self.prefix.as_str())];
        pairs.extend(next.map(|token| ("continuation-token", token)));
        pairs.sort_unstable();
        let pairs: Vec<String> =
            pairs.into_iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, SAFE))).collect();
        url.set_query(Some(&pairs.join("&")));
        url
    }
}

impl Prober for S3Config {
    fn at(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    fn instance(&self) -> String {
        self.home().map_or_else(|_| self.at(), |home| self.web(home).instance())
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        objects::SUBJECTS
    }

    fn problems(&self) -> Problems {
        let rename = |(key, why): (String, String)| (key.replace(".url", ".endpoint"), why);
        let mut all: Problems = match self.home() {
            Ok(home) => self.web(home).problems().into_iter().map(rename).collect(),
            Err(why) => vec![(".region".to_owned(), why)],
        };
        if self.bucket.is_empty() || self.bucket.contains(['/', '?', '#']) {
            all.push((".bucket".to_owned(), "this is no name of a bucket".to_owned()));
        }
        let secrets = usize::from(self.secret_key.is_some()) + usize::from(self.secret_key_file.is_some());
        if secrets != usize::from(self.access_key.is_some()) {
            all.push((String::new(), "give access_key with secret_key or secret_key_file, or none of them".to_owned()));
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn files(&mut self) -> Vec<&mut PathBuf> {
        self.secret_key_file.as_mut().into_iter().collect()
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

async fn probe(c: &S3Config, found: &mut Found) -> Result<(), Failure> {
    let home = c.home().map_err(|why| Failure::new(Reason::Answer, why))?;
    let web = c.web(home.clone());
    let ours = |why: String| Failure::new(Reason::Tls, format!("our credentials can't be had: {why}"));
    let secret = secret(c.secret_key.as_ref(), c.secret_key_file.as_ref()).await.map_err(ours)?;
    let keys = c.access_key.clone().zip(secret);
    let signer = keys.map(|(id, secret)| Signer {
        keys: Keys { id, secret: Secret::new(secret), session: None },
        region: c.region.clone(),
        service: "s3",
    });
    let mut listing = objects::Listing::default();
    loop {
        let url = c.list(&home, listing.next());
        let mut ask = request(url, "application/xml", ANSWER_MAX);
        if let Some(signer) = &signer {
            let own = [("x-amz-content-sha256".to_owned(), hex(&Sha256::digest(b"")))];
            let signed = signer.headers("GET", &ask.url, &own, b"", Timestamp::now());
            for (name, value) in own.into_iter().chain(signed) {
                if let (Ok(name), Ok(mut value)) =
                    (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
                {
                    value.set_sensitive(true);
                    ask.headers.push((name, value));
                }
            }
        }
        let answer = fetch(&web, ask, found).await?;
        let page = Page::s3(&objects::text(&answer, &c.at())?)?;
        found.answered = true;
        if !listing.take(page)? {
            break;
        }
    }
    listing.judge(&c.at(), &c.expect, found)
}
