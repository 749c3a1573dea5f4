//! An image in a registry, as a node would begin to pull it (the OCI distribution specification): a token where one is asked
//! for, the manifest, and its first blob, held against its digest.

mod image;

use http::{HeaderValue, header};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use self::image::{Challenge, Image};
use super::{
    condition::Condition,
    found::Found,
    http::{HttpConfig, fetch},
    prober::{Asking, Prober, Problems},
    web::{json, request, web_kind, well},
};
use crate::{
    dial::{Answer, TlsFiles},
    model::{Failure, Reason, text::hex},
};

/// Manifests may have 4 MiB (the specification); the configuration of an image has some kilobytes.
const MANIFEST_MAX: usize = 4 << 20;
/// Tokens are a few kilobytes.
const TOKEN_MAX: usize = 1 << 20;
/// Kinds of manifests: of one image, and lists of several.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";
/// Of several images of one name, the one that most nodes pull.
const PLATFORM: (&str, &str) = ("linux", "amd64");

web_kind! {
    /// `oci:` of a check.
    pub struct OciConfig {
        /// The image, as a pod names it: `registry.example.org/team/shop:1.2`.
        pub image: String,
        /// The registry speaks HTTP without TLS.
        #[serde(default)]
        pub plain_http: bool,
    }
}

impl Prober for OciConfig {
    fn at(&self) -> String {
        self.image.clone()
    }

    fn instance(&self) -> String {
        let home = Image::read(&self.image).ok().and_then(|image| image.registry(self.plain_http).ok());
        home.map_or_else(|| self.image.clone(), |home| self.web(home).instance())
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["json", "age", "cert", "version"], "an image")
    }

    fn problems(&self) -> Problems {
        let home = Image::read(&self.image).and_then(|image| image.registry(self.plain_http));
        match home {
            Ok(home) => self.web(home).problems(),
            Err(why) => vec![(".image".to_owned(), why)],
        }
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
struct Manifest {
    #[serde(default)]
    manifests: Vec<Entry>,
    #[serde(default)]
    config: Option<Entry>,
    #[serde(default)]
    layers: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

/// A registry, and the token that it takes from us.
struct Registry {
    web: HttpConfig,
    home: Url,
    image: Image,
    token: Option<HeaderValue>,
}

async fn probe(c: &OciConfig, found: &mut Found) -> Result<(), Failure> {
    let wrong = |words: String| Failure::new(Reason::Answer, words);
    let image = Image::read(&c.image).map_err(wrong)?;
    let home = image.registry(c.plain_http).map_err(wrong)?;
    let mut registry = Registry { web: c.web(home.clone()), home, image, token: None };
    let reference = registry.image.reference.clone();
    let mut manifest = registry.manifest(&reference, found).await?;
    if manifest.config.is_none() && !manifest.manifests.is_empty() {
        let fits = |entry: &&Entry| {
            entry.platform.as_ref().is_some_and(|p| (p.os.as_str(), p.architecture.as_str()) == PLATFORM)
        };
        let entry = manifest.manifests.iter().find(fits).or_else(|| manifest.manifests.first());
        let digest = entry.map(|entry| entry.digest.clone()).unwrap_or_default();
        manifest = registry.manifest(&digest, found).await?;
    }
    let Some(blob) = manifest.config.or_else(|| manifest.layers.into_iter().next()) else {
        return Err(Failure::new(Reason::Body, "its manifest names no blob"));
    };
    let answer = registry.get(&["blobs", &blob.digest], "*/*", found).await?;
    if answer.status == 404 {
        return Err(wrong(format!(
            "the registry has the manifest, but not its blob {}: nobody can pull it",
            short(&blob.digest)
        )));
    }
    let answer = well(answer, "its first blob", MANIFEST_MAX)?;
    held(&answer, &blob.digest)?;
    found.line.note(format_args!("{} is whole ({} bytes)", short(&blob.digest), answer.body.len()));
    if let Ok(config) = serde_json::from_slice::<serde_json::Value>(&answer.body)
        && let Some(at) = config["created"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok())
    {
        found.seen.number("age", jiff::Timestamp::now().duration_since(at).as_secs_f64());
    }
    found.seen.body = Some(answer.body);
    Ok(())
}

/// Enough of a digest to know it.
fn short(digest: &str) -> String {
    digest.chars().take(19).collect()
}

/// Whether a body is what its digest says.
fn held(answer: &Answer, digest: &str) -> Result<(), Failure> {
    let Some(wanted) = digest.strip_prefix("sha256:") else { return Ok(()) };
    match hex(&Sha256::digest(&answer.body)) == wanted.to_lowercase() {
        true => Ok(()),
        false => Err(Failure::new(Reason::Body, format!("what it gives as {} is something else", short(digest)))),
    }
}

impl Registry {
    async fn manifest(&mut self, reference: &str, found: &mut Found) -> Result<Manifest, Failure> {
        let answer = self.get(&["manifests", reference], ACCEPT, found).await?;
        if answer.status == 404 {
            let words = format!("the registry has no {} of {}", short(reference), self.image.name);
            return Err(Failure::new(Reason::Answer, words));
        }
        let answer = well(answer, "the manifest", MANIFEST_MAX)?;
        found.answered = true;
        held(&answer, reference)?;
        json(&answer, "the manifest")
    }

    /// Asks below the image's name; where a token is asked for, it is fetched once.
    async fn get(&mut self, path: &[&str], accept: &'static str, found: &mut Found) -> Result<Answer, Failure> {
        for _ in 0..2 {
            let mut url = self.home.clone();
            if let Ok(mut segments) = url.path_segments_mut() {
                segments.pop_if_empty().push("v2").extend(self.image.name.split('/')).extend(path);
            }
            let mut ask = request(url, accept, MANIFEST_MAX);
            ask.headers.extend(self.token.clone().map(|token| (header::AUTHORIZATION, token)));
            let answer = fetch(&self.web, ask, found).await?;
            let challenge = answer.headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
            match challenge.and_then(Challenge::read) {
                Some(challenge) if answer.status == 401 && self.token.is_none() => {
                    self.log_in(&challenge, found).await?
                }
                _ => return Ok(answer),
            }
        }
        Err(Failure::new(Reason::HttpStatus, "HTTP 401: the registry does not take the token that it gave us"))
    }

    async fn log_in(&mut self, challenge: &Challenge, found: &mut Found) -> Result<(), Failure> {
        let wrong = |words: String| Failure::new(Reason::HttpStatus, words);
        let mut url = challenge.realm.clone();
        {
            let mut pairs = url.query_pairs_mut();
            if let Some(service) = &challenge.service {
                pairs.append_pair("service", service);
            }
            pairs.append_pair("scope", &format!("repository:{}:pull", self.image.name));
        }
        // Our password is for whoever the registry sends us to, as a node would have it; never without TLS behind a registry
        // that has it.
        if self.home.scheme() == "https" && url.scheme() != "https" {
            return Err(wrong(
                "the registry asks for a token from a place without TLS: our password stays here".to_owned(),
            ));
        }
        let home = HttpConfig { url: url.clone(), ..self.web.clone() };
        let answer =
            well(fetch(&home, request(url, "application/json", TOKEN_MAX), found).await?, "a token", TOKEN_MAX)?;
        let token: Token = json(&answer, "the token")?;
        let token = token.token.or(token.access_token).unwrap_or_default();
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| wrong("the token that it gives can't be sent".to_owned()))?;
        value.set_sensitive(true);
        self.token = Some(value);
        found.line.note("a token was given");
        Ok(())
    }
}
