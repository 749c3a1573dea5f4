//! Asking the running watchdog over HTTP, as its pages do.

use std::{
    error::Error as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::anyhow;
use clap::Args;
use serde_json::Value;

use super::{ConfigArgs, Output, output};
use crate::{
    config::{Config, speaks_tls},
    model::{Secret, text},
};

/// A person waits no longer for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The most that is shown of an answer that refuses, in bytes.
const SAID_MAX: usize = 500;

/// Where the running watchdog answers.
#[derive(Args, Clone, Debug)]
pub(super) struct AskArgs {
    /// The configuration that says where it listens; default: ./dogwatch.yml where there is one
    #[arg(short, long, env = "DOGWATCH_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) reach: ReachArgs,
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(super) output: Output,
}

/// By which address, and as whom.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub(super) struct ReachArgs {
    /// Its address; default: `listen` of the configuration
    #[arg(long, env = "DOGWATCH_URL", value_name = "URL")]
    pub(super) url: Option<url::Url>,
    /// Log in by this name, where its web_config asks for one; or in the URL
    #[arg(long, env = "DOGWATCH_USER", value_name = "NAME", requires = "password_file")]
    pub(super) user: Option<String>,
    /// Its password stands in this file
    #[arg(long, env = "DOGWATCH_PASSWORD_FILE", value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Log in by the token in this file instead (`dogwatch token create`)
    #[arg(long, env = "DOGWATCH_TOKEN_FILE", value_name = "FILE", conflicts_with = "user")]
    pub(super) token_file: Option<PathBuf>,
    /// Trust its certificate by the CAs in this file too
    #[arg(long, env = "DOGWATCH_CA_FILE", value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
}

/// Where the watchdog answers.
pub struct Watchdog {
    base: String,
    client: reqwest::Client,
    login: Login,
}

/// How it is logged in.
enum Login {
    Nobody,
    Password(String, Secret),
    Token(Secret),
}

impl Watchdog {
    /// The one that the arguments name: the address, or that of the configuration.
    pub async fn new(args: &AskArgs) -> anyhow::Result<Self> {
        let base = match &args.reach.url {
            Some(url) => {
                let mut url = url.clone();
                // Told in no error. An address that can have neither has none.
                let _ = url.set_username("").and_then(|()| url.set_password(None));
                url.as_str().trim_end_matches('/').to_owned()
            }
            None => {
                let config = ConfigArgs { config: args.config.clone(), kubeconfig: None };
                let config = match output::config_file(&config) {
                    Some(_) => output::configuration(&config).await.map_err(anyhow::Error::msg)?,
                    None => Config::default(),
                };
                let (listen, scheme) = (config.listen, if speaks_tls(&config) { "https" } else { "http" });
                let host = if listen.ip().is_unspecified() { "127.0.0.1".to_owned() } else { listen.ip().to_string() };
                format!("{scheme}://{}:{}", if host.contains(':') { format!("[{host}]") } else { host }, listen.port())
            }
        };
        crate::notify::init();
        let mut client = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
        if let Some(file) = &args.reach.ca_file {
            let pem = read(file)?;
            let cas = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
            let cas = cas.map_err(|_| anyhow!("{}: there is no PEM certificate in it", file.display()))?;
            client = client.tls_certs_merge(cas);
        }
        Ok(Self { base, client: client.build()?, login: login(&args.reach)? })
    }

    /// A GET.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    /// A POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    /// A DELETE.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.client.delete(format!("{}{path}", self.base))).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let request = match &self.login {
            Login::Password(name, password) => request.basic_auth(name, Some(password.reveal())),
            Login::Token(token) => request.bearer_auth(token.reveal()),
            Login::Nobody => request,
        };
        let response = request.send().await.map_err(|e| self.unreached(&e))?;
        let status = response.status();
        let text = response.text().await.map_err(|e| self.unreached(&e))?;
        let body: Option<Value> = if text.is_empty() { Some(Value::Null) } else { serde_json::from_str(&text).ok() };
        match body {
            Some(body) if status.is_success() => {
                if let Some(warning) = body["warning"].as_str() {
                    output::note(warning);
                }
                Ok(body)
            }
            Some(body) => {
                let said = body.as_str().or_else(|| body["error"].as_str()).unwrap_or(text.trim());
                Err(anyhow!("{status}: {}", text::clip(said, SAID_MAX)))
            }
            // What dogwatch refuses in plain text is for people; a page of somebody else's server is not.
            None if !status.is_success() && !text.trim_start().starts_with('<') => {
                Err(anyhow!("{status}: {}", text::clip(&text::one_line(text.trim()), SAID_MAX)))
            }
            None => Err(anyhow!(
                "what answers at {} is not dogwatch ({status}): say where it is with --url, or -c and its configuration",
                self.base
            )),
        }
    }

    /// Why there is no answer, in one sentence with what to do; the library's chain of causes helps nobody.
    fn unreached(&self, error: &reqwest::Error) -> anyhow::Error {
        let base = &self.base;
        let where_else = "say where it is with --url, or -c and its configuration";
        if error.is_timeout() {
            return anyhow!(
                "dogwatch at {base} does not answer within {} s: is it overloaded, or is that another program?",
                PATIENCE.as_secs()
            );
        }
        if error.is_connect() && is_certificate(error) {
            return anyhow!(
                "the certificate of {base} is not trusted here: name its CA with --ca-file, and ask by a name that it is for"
            );
        }
        if error.is_connect() {
            return anyhow!("nothing answers at {base}: start it there (`dogwatch run`), or {where_else}");
        }
        anyhow!("what answers at {base} does not speak HTTP as dogwatch does: {where_else}")
    }
}

/// The token; or name and password, of the arguments or of the URL.
fn login(args: &ReachArgs) -> anyhow::Result<Login> {
    if let Some(file) = &args.token_file {
        return Ok(Login::Token(Secret::new(read(file)?.trim())));
    }
    let of_url = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    let url = args.url.as_ref();
    let name = args.user.clone().or_else(|| url.map(|u| of_url(u.username())).filter(|name| !name.is_empty()));
    let Some(name) = name else { return Ok(Login::Nobody) };
    let password = match (&args.password_file, url.and_then(url::Url::password)) {
        (Some(file), _) => read(file)?.trim_end_matches(['\r', '\n']).to_owned(),
        (None, Some(password)) => of_url(password),
        (None, None) => return Err(anyhow!("there is no password for {name}: name a file with it by --password-file")),
    };
    Ok(Login::Password(name, Secret::new(password)))
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).map_err(|e| anyhow!("{}: {}", file.display(), text::unreadable(&e)))
}

/// Whether a connection failed for what the other side showed of itself.
fn is_certificate(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(this) = cause {
        if this.to_string().contains("invalid peer certificate") {
            return true;
        }
        cause = this.source();
    }
    false
}
