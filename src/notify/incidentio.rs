//! incident.io: Alertmanager's JSON, version 1, at an HTTP alert source.
//! <https://docs.incident.io/alerts/alertmanager>

use super::{
    NotifyConfigError, Outcome,
    config::{GlobalConfig, HttpConfig, IncidentIoConfig},
    credential::Credential,
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
    webhook::body,
};
use crate::model::Secret;

/// The largest message, in bytes; of one that is larger only the first alert is told.
const BODY_MAX: usize = 512 << 10;

/// A checked entry of `incidentio_configs:`.
#[derive(Debug)]
pub(super) struct IncidentIo {
    url: Credential,
    token: Option<Credential>,
    config: IncidentIoConfig,
}

impl IncidentIo {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &IncidentIoConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let url = c.url.as_ref().map(|url| Secret::new(url.as_str()));
        let url = check.secret("url", (&url, &c.url_file), (&None, &None))?;
        let url = url.ok_or_else(|| check.error("url", "incident.io needs url or url_file"))?;
        url.check_url().map_err(|e| check.error("url", e))?;
        let own = (&c.alert_source_token, &c.alert_source_token_file);
        let token = check.secret("alert_source_token", own, (&None, &None))?;
        let http = c.http_config.as_ref();
        match (&token, http.unwrap_or(&global.http_config)) {
            (Some(_), _) if http.is_some_and(|http| http.authorization.is_some()) => {
                let what = "alert_source_token takes its place: leave one of them out";
                return Err(check.error("http_config.authorization", what));
            }
            (None, http) if !says_who(http) => {
                let what = "incident.io needs alert_source_token, alert_source_token_file or http_config.authorization";
                return Err(check.error("alert_source_token", what));
            }
            _ => {}
        }
        for (name, text) in &c.metadata {
            check.template(&format!("metadata.{name}"), text)?;
        }
        Ok(Self { url, token, config: config.clone() })
    }
}

fn says_who(http: &HttpConfig) -> bool {
    http.authorization.is_some()
        || http.bearer_token.is_some()
        || http.bearer_token_file.is_some()
        || http.oauth2.is_some()
        || http.basic_auth.is_some()
}

impl Service for IncidentIo {
    fn secrets(&self) -> Vec<&Credential> {
        std::iter::once(&self.url).chain(&self.token).collect()
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let metadata = self
            .config
            .metadata
            .iter()
            .map(|(name, text)| (name.clone(), m.text(&format!("metadata.{name}"), Some(text), String::new)));
        let metadata: crate::model::Pairs = metadata.collect();
        let call = |max| {
            let body = body::of(m.n, m.receiver, max, m.voice).for_incident_io(metadata.clone());
            Call::json(vault.get(&self.url), &body)
        };
        let mut whole = call(self.config.max_alerts)?;
        if whole.body().len() > BODY_MAX {
            whole = call(1)?;
        }
        Ok(vec![match &self.token {
            Some(token) => whole.header("Authorization", format!("Bearer {}", vault.get(token))),
            None => whole,
        }])
    }

    /// An alert source that is not found may be made anew by the time that its file says so.
    fn judge(&self, reply: &Reply) -> Outcome {
        match reply.status.as_u16() {
            404 => reply.again(None),
            _ => reply.judge(),
        }
    }
}
