//! Asking the running watchdog over HTTP, as its pages do.

use anyhow::{Context, anyhow};
use serde_json::Value;

use super::{AskArgs, ConfigArgs, output};
use crate::config::Config;

/// Where the watchdog answers.
pub struct Watchdog {
    base: String,
    client: reqwest::Client,
}

impl Watchdog {
    /// The one that the arguments name: the address, or that of the configuration.
    pub async fn new(args: &AskArgs) -> anyhow::Result<Self> {
        let base = match &args.url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => {
                let config = ConfigArgs { config: args.config.clone(), kubeconfig: None };
                let listen = match output::config_file(&config) {
                    Some(_) => output::configuration(&config).await.map_err(anyhow::Error::msg)?.listen,
                    None => Config::default().listen,
                };
                let host = if listen.ip().is_unspecified() { "127.0.0.1".to_owned() } else { listen.ip().to_string() };
                format!("http://{}:{}", if host.contains(':') { format!("[{host}]") } else { host }, listen.port())
            }
        };
        crate::notify::init();
        let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(15)).no_proxy().build()?;
        Ok(Self { base, client })
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
        let hint = || format!("does dogwatch run at {}? (--url, or -c with its configuration)", self.base);
        let response = request.send().await.with_context(hint)?;
        let status = response.status();
        let text = response.text().await?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            if let Some(warning) = body["warning"].as_str() {
                output::note(warning);
            }
            return Ok(body);
        }
        let said = body.as_str().or_else(|| body["error"].as_str()).unwrap_or(text.trim());
        Err(anyhow!("{}: {said}", status))
    }
}
