//! What the entries of all services have in common that are reached by HTTP.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    AlertmanagerConfig, DiscordConfig, HttpConfig, IncidentIoConfig, JiraConfig, MattermostConfig, NtfyConfig,
    OpsgenieConfig, PagerDutyConfig, PushoverConfig, RocketchatConfig, SlackConfig, SnsConfig, TeamsConfig,
    TelegramConfig, VictorOpsConfig, WebexConfig, WebhookConfig, WechatConfig,
};

/// Says what all entries have that are delivered by HTTP.
pub(in crate::notify) trait ByHttp {
    /// `send_resolved`.
    fn send_resolved(&self) -> bool;
    /// Of one attempt; `None`: as long as dispatch allows.
    fn timeout(&self) -> Option<Duration>;
    /// Its own, instead of the global one.
    fn http_config(&self) -> Option<&HttpConfig>;
    /// The same, and every other file that it names.
    fn files(&mut self) -> (Option<&mut HttpConfig>, Vec<&mut Option<PathBuf>>);
}

macro_rules! by_http {
    ($($config:ty: [$($file:ident),*]),* $(,)?) => {$(
        impl ByHttp for $config {
            fn send_resolved(&self) -> bool {
                // True here, false for some in Alertmanager: who was woken wants to know that it is over.
                self.send_resolved.unwrap_or(true)
            }
            fn timeout(&self) -> Option<Duration> {
                self.timeout.filter(|t| !t.is_zero())
            }
            fn http_config(&self) -> Option<&HttpConfig> {
                self.http_config.as_ref()
            }
            fn files(&mut self) -> (Option<&mut HttpConfig>, Vec<&mut Option<PathBuf>>) {
                (self.http_config.as_mut(), vec![$(&mut self.$file),*])
            }
        }
    )*};
}

by_http! {
    WebhookConfig: [url_file],
    SlackConfig: [api_url_file, app_token_file],
    TeamsConfig: [webhook_url_file],
    DiscordConfig: [webhook_url_file],
    TelegramConfig: [bot_token_file, chat_id_file],
    PagerDutyConfig: [routing_key_file, service_key_file],
    OpsgenieConfig: [api_key_file],
    PushoverConfig: [user_key_file, token_file],
    VictorOpsConfig: [api_key_file],
    WebexConfig: [],
    SnsConfig: [],
    WechatConfig: [api_secret_file],
    JiraConfig: [],
    RocketchatConfig: [token_file, token_id_file],
    MattermostConfig: [webhook_url_file],
    IncidentIoConfig: [url_file, alert_source_token_file],
    NtfyConfig: [topic_file, token_file],
    AlertmanagerConfig: [],
}

/// Makes the relative paths of all entries absolute.
pub(super) fn resolve_all(entries: &mut [impl ByHttp], base: &Path) {
    for entry in entries {
        let (http, files) = entry.files();
        resolve(base, files);
        if let Some(http) = http {
            http.resolve_paths(base);
        }
    }
}

/// Makes relative paths absolute.
pub(super) fn resolve<'a>(base: &Path, paths: impl IntoIterator<Item = &'a mut Option<PathBuf>>) {
    // An empty one stays so: it is not given.
    for path in paths.into_iter().flatten().filter(|path| !path.as_os_str().is_empty()) {
        *path = base.join(&*path);
    }
}
