//! WeChat Work: a token for the application's secret, then one message.
//! <https://developer.work.weixin.qq.com/document/path/90236>

use reqwest::Url;
use serde_json::{Value, json};

use super::{
    NotifyConfigError, Outcome,
    config::{GlobalConfig, WechatConfig},
    credential::Credential,
    markup::{self, MARKDOWN, PLAIN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
    slack::given,
};
use crate::model::Secret;

/// The public API.
const API: &str = "https://qyapi.weixin.qq.com/cgi-bin/";

/// The longest content, in bytes; what is beyond is cut there.
const CONTENT_MAX: usize = 2_048;

/// Our own text, with room for title and link.
const OWN_TEXT_MAX: usize = 1_500;

/// Codes that time or an operator can mend: busy, refused secrets and tokens, limits of calls.
/// <https://developer.work.weixin.qq.com/document/path/90313>
const MENDABLE: [i64; 9] = [-1, 40_001, 40_013, 40_014, 40_091, 42_001, 45_009, 45_033, 60_020];

/// A checked entry of `wechat_configs:`.
#[derive(Debug)]
pub(super) struct Wechat {
    api: String,
    secret: Credential,
    corp: String,
    config: WechatConfig,
}

impl Wechat {
    /// Checks an entry.
    pub fn new(global: &GlobalConfig, config: &WechatConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let shared = (&global.wechat_api_secret, &global.wechat_api_secret_file);
        let secret = check.secret("api_secret", (&c.api_secret, &c.api_secret_file), shared)?.ok_or_else(|| {
            check.error("api_secret", "WeChat needs api_secret or api_secret_file, here or as global.wechat_api_secret")
        })?;
        let corp = c.corp_id.as_ref().or(global.wechat_api_corp_id.as_ref()).filter(|id| !id.is_empty());
        let corp =
            corp.ok_or_else(|| check.error("corp_id", "WeChat needs corp_id, here or as global.wechat_api_corp_id"))?;
        check.template("corp_id", corp)?;
        if !matches!(c.message_type.as_deref().unwrap_or_default(), "" | "text" | "markdown") {
            return Err(check.error("message_type", "must be text or markdown"));
        }
        check.templates([
            ("agent_id", &c.agent_id),
            ("to_user", &c.to_user),
            ("to_party", &c.to_party),
            ("to_tag", &c.to_tag),
            ("message", &c.message),
        ])?;
        let api = c.api_url.as_ref().or(global.wechat_api_url.as_ref()).map_or(API, |url| url.as_str());
        let api = api.trim_end_matches('/').to_owned();
        Ok(Self { api, secret, corp: corp.clone(), config: config.clone() })
    }

    fn send(&self, m: &Message<'_>, token: &str) -> Result<Call, String> {
        let c = &self.config;
        let kind = if c.message_type.as_deref() == Some("markdown") { "markdown" } else { "text" };
        let style = if kind == "text" { &PLAIN } else { &MARKDOWN };
        let configured = m.maybe("message", c.message.as_ref()).filter(|text| !text.trim().is_empty());
        let text = configured.map_or_else(
            || {
                let title = markup::bold(style, &m.title("", None));
                let text = format!("{title}\n{}", markup::text(&m.page, style, OWN_TEXT_MAX, m.voice));
                if m.page.link.is_empty() { text } else { format!("{text}\n\n{}", m.page.link) }
            },
            |text| m.noticed(text.trim(), style),
        );
        let body = given(json!({
            "touser": m.maybe("to_user", c.to_user.as_ref()),
            "toparty": m.maybe("to_party", c.to_party.as_ref()),
            "totag": m.maybe("to_tag", c.to_tag.as_ref()),
            "agentid": m.maybe("agent_id", c.agent_id.as_ref()),
            "msgtype": kind,
            kind: {"content": markup::clip_bytes(&text, CONTENT_MAX)},
            "safe": "0",
        }));
        Call::json(format!("{}/message/send?access_token={token}", self.api), &body)
    }
}

impl Service for Wechat {
    fn secrets(&self) -> Vec<&Credential> {
        vec![&self.secret]
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let mut url = Url::parse(&format!("{}/gettoken", self.api)).map_err(|e| e.to_string())?;
        let corp = m.text("corp_id", Some(&self.corp), String::new);
        url.query_pairs_mut().append_pair("corpid", &corp).append_pair("corpsecret", vault.get(&self.secret));
        Ok(vec![Call::get(url)])
    }

    fn then(&self, m: &Message<'_>, _: &Vault, replies: &[Reply]) -> Result<Vec<Call>, String> {
        let [token] = replies else { return Ok(Vec::new()) };
        let token = token.json();
        let token = token.get("access_token").and_then(Value::as_str).ok_or("the answer holds no access_token")?;
        let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        Ok(vec![self.send(m, &encoded)?.hiding(Secret::new(token)).hiding(Secret::new(encoded))])
    }

    fn preview(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        Ok(vec![self.send(m, vault.get(&self.secret))?])
    }

    /// It says 200 whatever happened, and in JSON what did.
    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.json();
        let code = said.get("errcode").and_then(Value::as_i64);
        match (reply.status.as_u16(), code) {
            (200..=299, Some(0)) => match said.get("msgid").and_then(Value::as_str) {
                // The answer that holds the token is no proof, and nothing to show.
                None if said.get("access_token").is_some() => Outcome::Delivered("a token".into()),
                id => reply.delivered("msgid", id),
            },
            (200..=299, None) => reply.again(None),
            (200..=299, Some(code)) if MENDABLE.contains(&code) => reply.again(None),
            (200..=299, Some(_)) => Outcome::Drop(reply.answer()),
            _ => reply.judge(),
        }
    }
}
