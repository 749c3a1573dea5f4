//! An existing alertmanager.yml: one key or form at a time, judged by `amtool check-config` and by us; and the table of keys
//! in docs/receivers.md, held against the structs that read them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use dogwatch::config;

use crate::peers;

/// What stands around one key.
#[derive(Clone, Copy, Debug)]
enum At {
    /// `global:`
    Global,
    /// `route:`, beside `receiver`.
    Route,
    /// A receiver, beside `name`.
    Receiver,
    /// `http_config:` of a webhook.
    Http,
    /// An entry of `email_configs:`, beside `to`.
    Email,
    /// The whole file's end.
    File,
}

/// One configuration.
struct Case {
    at: At,
    text: &'static str,
    /// Why dogwatch judges otherwise, where it does.
    differs: Option<&'static str>,
}

const fn case(at: At, text: &'static str) -> Case {
    Case { at, text, differs: None }
}

const fn differs(at: At, text: &'static str, why: &'static str) -> Case {
    Case { at, text, differs: Some(why) }
}

impl Case {
    fn file(&self) -> String {
        let (mut global, mut route, mut receiver, mut end) = ("", "", String::new(), "");
        match self.at {
            At::Global => global = self.text,
            At::Route => route = self.text,
            At::Receiver => receiver = self.text.to_owned(),
            At::Http => {
                receiver = format!("webhook_configs: [{{url: 'http://a/', http_config: {{{}}}}}]", self.text);
            }
            At::Email => receiver = format!("email_configs: [{{to: a@example.org, {}}}]", self.text),
            At::File => end = self.text,
        }
        let mail = "smtp_from: a@example.org, smtp_smarthost: 'm.example.org:25'";
        let comma = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
        format!(
            "global: {{{mail}{}}}\nroute: {{receiver: r{}}}\nreceivers: [{{name: r{}}}]\n{end}\n",
            comma(global),
            comma(route),
            comma(&receiver)
        )
    }
}

const CASES: &[Case] = &[
    // Scalars and empty sections, as Go takes them.
    case(At::Route, "routes: [{match: {tier: 2, page: true, none: null}}]"),
    case(At::Route, "group_by: [1, true]"),
    case(At::Route, "group_by: ['...']"),
    case(At::Route, "group_by: [a, a]"),
    case(At::Route, "group_by: ['...', a]"),
    case(At::Route, "group_wait: 0"),
    case(At::Route, "group_wait: 0s"),
    case(At::Route, "group_interval: 0s"),
    case(At::Route, "group_wait: 5"),
    case(At::Route, "group_wait: 1h30m"),
    case(At::Route, "repeat_interval: 1w"),
    case(At::Route, "routes: null"),
    case(At::Route, "routes: [{receiver: nobody}]"),
    case(At::Route, "labels: {team: sre, other: '{{ .CommonLabels.x }}'}"),
    case(At::Route, "matchers: ['a=\"b\"']"),
    case(At::Route, "mute_time_intervals: [t]"),
    case(At::Route, "continue: true"),
    case(At::Route, "unknown: 1"),
    case(At::Global, "resolve_timeout: 5m"),
    case(At::Global, "http_config: {proxy_from_environment: true}"),
    case(At::Global, "smtp_auth_secret: a, smtp_auth_identity: b, smtp_auth_username: c"),
    case(At::Global, "slack_api_url: 'http://a/', slack_api_url_file: b"),
    case(At::Global, "slack_app_token: a, slack_app_url: 'http://a/'"),
    case(At::Global, "telegram_bot_token_file: a"),
    case(At::Global, "jira_api_url: 'http://a/'"),
    case(At::Global, "rocketchat_api_url: 'http://a/', rocketchat_token: a, rocketchat_token_id: b"),
    case(At::Global, "mattermost_webhook_url: 'http://a/'"),
    case(At::Global, "wechat_api_url: 'http://a/', wechat_api_secret: a, wechat_api_corp_id: b"),
    case(At::Global, "victorops_api_url: 'http://a/', victorops_api_key: a"),
    case(At::Global, "webex_api_url: 'http://a/'"),
    case(At::Global, "smtp_force_implicit_tls: false"),
    case(At::Global, "smtp_tls_config: {min_version: TLS12}"),
    case(At::Global, "nothing_known: a"),
    case(At::Receiver, "labels: {team: sre}"),
    case(At::Receiver, "labels: {name: other}"),
    case(At::Receiver, "webhook_configs: null"),
    case(At::Receiver, "webhook_configs: [{}]"),
    case(At::Receiver, "webhook_configs: [{url: 'http://a$$b/'}]"),
    case(At::Receiver, "webhook_configs: [{url: 'http://a/{{ .CommonLabels.x }}'}]"),
    case(At::Receiver, "webhook_configs: [{url: 'http://a/', url_file: b}]"),
    case(At::Receiver, "webhook_configs: [{url: 'http://a/', payload: {a: ['{{ .Status }}', 1, null]}}]"),
    case(At::Receiver, "webhook_configs: [{url: 'http://a/', timeout: 1.5s, max_alerts: 3, send_resolved: no}]"),
    // http_config.
    case(At::Http, "basic_auth: {username_file: a, password_file: b}"),
    case(At::Http, "basic_auth: {username: a, username_file: b}"),
    case(At::Http, "bearer_token: a"),
    case(At::Http, "bearer_token_file: a"),
    case(At::Http, "bearer_token: a, bearer_token_file: b"),
    case(At::Http, "bearer_token: a, basic_auth: {username: a}"),
    case(At::Http, "authorization: {type: Basic, credentials: a}"),
    case(At::Http, "authorization: {credentials: a, credentials_file: b}"),
    case(At::Http, "authorization: {}"),
    case(
        At::Http,
        "oauth2: {client_id: a, client_secret: b, token_url: 'http://t/', scopes: [c], endpoint_params: {d: e}}",
    ),
    case(At::Http, "oauth2: {client_id: a, token_url: 'http://t/', tls_config: {server_name: a}, proxy_url: ''}"),
    case(
        At::Http,
        "oauth2: {client_id: a, token_url: 'http://t/', grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', client_certificate_key: k, client_certificate_key_id: i, signature_algorithm: RS512, iss: a, audience: b, claims: {x: 1}}",
    ),
    case(At::Http, "oauth2: {client_id: a}"),
    case(At::Http, "oauth2: {token_url: 'http://t/'}"),
    case(At::Http, "proxy_url: 'http://p:1/', no_proxy: 'a,10.0.0.0/8'"),
    case(At::Http, "proxy_url: 'socks5://p:1/'"),
    case(At::Http, "no_proxy: a"),
    case(At::Http, "proxy_from_environment: true, proxy_url: 'http://p/'"),
    case(At::Http, "proxy_url: 'http://p/', proxy_connect_header: {A: [b]}"),
    case(At::Http, "proxy_connect_header: {A: [b]}"),
    case(At::Http, "enable_http2: false, follow_redirects: false"),
    case(At::Http, "http_headers: {X-A: {values: [a], secrets: [b], files: [c]}}"),
    case(At::Http, "http_headers: {Authorization: {values: [a]}}"),
    case(At::Http, "tls_config: {server_name: a, insecure_skip_verify: true, min_version: TLS13}"),
    case(At::Http, "tls_config: {min_version: TLS10}"),
    case(At::Http, "tls_config: {min_version: SSL3}"),
    differs(At::Http, "tls_config: {max_version: TLS11}", "TLS 1.2 is the oldest version that is spoken"),
    differs(At::Http, "tls_config: {ca_ref: a}", "there is no secret manager"),
    differs(At::Http, "tls_config: {server_name: a}, proxy_url: 'http://p/'", "not through a proxy"),
    // Mail.
    case(At::Email, "to: b@example.org"),
    case(At::Email, "from: '{{ .Receiver }}@example.org'"),
    case(At::Email, "headers: {Auto-Submitted: x, To: y, From: z, Message-ID: '<a@b>'}"),
    case(At::Email, "headers: {X-A: a, x-a: b}"),
    case(At::Email, "html: '', text: ''"),
    case(At::Email, "smarthost: 'm.example.org:submission'"),
    case(At::Email, "smarthost: m.example.org"),
    case(At::Email, "auth_username: a, auth_secret: b, auth_identity: c"),
    case(At::Email, "auth_password: a"),
    case(At::Email, "tls_config: {cert_file: a, key_file: b, min_version: TLS13}"),
    case(At::Email, "tls_config: {cert_file: a}"),
    case(At::Email, "force_implicit_tls: true, require_tls: false"),
    case(At::Email, "threading: {enabled: true, thread_by_date: daily}"),
    case(At::Email, "threading: {enabled: true, thread_by_date: weekly}"),
    case(At::Email, "threading: {enabled: true, thread_by_date: none}, headers: {References: a}"),
    differs(At::Email, "auth_username: a", "a mail server would refuse it when it is too late"),
    differs(At::Email, "headers: {Content-Type: a}", "a second header of that name breaks the mail"),
    // Services.
    case(At::Receiver, "slack_configs: [{app_token: a, message_text: b, update_message: true}]"),
    case(At::Receiver, "slack_configs: [{api_url: 'http://a/', update_message: true}]"),
    case(At::Receiver, "slack_configs: [{api_url: 'http://a/', app_token: b}]"),
    case(At::Receiver, "slack_configs: [{api_url: 'http://a/', fields: [{title: 1, value: true}]}]"),
    case(At::Receiver, "slack_configs: [{}]"),
    case(At::Receiver, "pagerduty_configs: [{routing_key: a, details: {b: null, c: {d: [e]}}}]"),
    case(At::Receiver, "pagerduty_configs: [{service_key: a}]"),
    case(At::Receiver, "pagerduty_configs: [{}]"),
    case(At::Receiver, "opsgenie_configs: [{api_key: a, responders: [{type: team, name: b}]}]"),
    case(At::Receiver, "opsgenie_configs: [{api_key: a, responders: [{type: crew, name: b}]}]"),
    case(At::Receiver, "telegram_configs: [{bot_token: a, chat_id: -100, message_thread_id: 3}]"),
    case(At::Receiver, "telegram_configs: [{bot_token: a, chat_id: '-100'}]"),
    case(At::Receiver, "telegram_configs: [{bot_token: a}]"),
    case(At::Receiver, "discord_configs: [{webhook_url: 'http://a/', content: 5}]"),
    case(At::Receiver, "msteams_configs: [{webhook_url: 'http://a/', summary: y}]"),
    case(At::Receiver, "msteamsv2_configs: [{webhook_url_file: a}]"),
    case(At::Receiver, "pushover_configs: [{user_key: a, token: b, ttl: 1h, html: true}]"),
    case(At::Receiver, "pushover_configs: [{user_key: a, token: b, html: true, monospace: true}]"),
    case(At::Receiver, "victorops_configs: [{api_key: a, routing_key: b, custom_fields: {c: d}}]"),
    case(At::Receiver, "victorops_configs: [{api_key: a, routing_key: b, custom_fields: {entity_id: d}}]"),
    case(At::Receiver, "victorops_configs: [{api_key: a}]"),
    case(At::Receiver, "webex_configs: [{room_id: 0123, http_config: {authorization: {credentials: a}}}]"),
    case(At::Receiver, "webex_configs: [{room_id: a}]"),
    case(
        At::Receiver,
        "sns_configs: [{topic_arn: 'arn:aws:sns:eu-west-1:1:t', sigv4: {access_key: a, secret_key: b}}]",
    ),
    case(At::Receiver, "sns_configs: [{topic_arn: 'arn:aws:sns:eu-west-1:1:t', sigv4: {access_key: a}}]"),
    case(At::Receiver, "sns_configs: [{sigv4: {region: a}}]"),
    case(At::Receiver, "wechat_configs: [{api_secret: a, corp_id: b, message_type: markdown}]"),
    case(At::Receiver, "wechat_configs: [{api_secret: a, corp_id: b, message_type: html}]"),
    case(
        At::Receiver,
        "jira_configs: [{api_url: 'http://a/', project: b, issue_type: c, summary: {template: d, enable_update: false}, fields: {e: [1]}, reopen_duration: 1h}]",
    ),
    case(At::Receiver, "jira_configs: [{api_url: 'http://a/', project: b}]"),
    case(
        At::Receiver,
        "rocketchat_configs: [{token: a, token_id: b, fields: [{title: c, value: d}], link_names: true}]",
    ),
    case(At::Receiver, "rocketchat_configs: [{token: a}]"),
    case(At::Receiver, "mattermost_configs: [{webhook_url: 'http://a/', attachments: [{text: b}], props: {card: c}}]"),
    case(At::Receiver, "mattermost_configs: [{}]"),
    case(
        At::Receiver,
        "incidentio_configs: [{url: 'http://a/', alert_source_token: b, metadata: {c: d}, timeout: 5s}]",
    ),
    case(At::Receiver, "incidentio_configs: [{url: 'http://a/', http_config: {}}]"),
    // The rest of the file.
    case(At::File, "inhibit_rules: [{name: a, source_matchers: [b=c], target_matchers: [d=e], equal: [f]}]"),
    case(At::File, "inhibit_rules:"),
    case(At::File, "time_intervals: [{name: t, time_intervals: [{location: Local, years: ['2026']}]}]"),
    case(At::File, "time_intervals: [{name: t, time_intervals: [{location: Nowhere/Here}]}]"),
    case(At::File, "time_intervals: [{time_intervals: []}]"),
    case(At::File, "tracing: {endpoint: 'a:4317'}"),
    case(At::File, "event_recorder: {stdout_outputs: [{name: a}]}"),
    case(At::File, "templates:"),
    case(At::File, "no_such_section: 1"),
];

/// The newest amtool that there is, and whether it is the one of tests/peers.
fn amtool() -> (PathBuf, bool) {
    match peers::newest("amtool") {
        Some(newest) => (newest, true),
        None => (PathBuf::from("/usr/bin/amtool"), false),
    }
}

/// Whether amtool accepts each file.
fn judged(amtool: &Path, files: &[PathBuf]) -> Vec<bool> {
    let output = Command::new(amtool).arg("check-config").args(files).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let verdict = |file: &PathBuf| {
        let after = said.split(&format!("Checking '{}'", file.display())).nth(1).unwrap_or_else(|| panic!("{said}"));
        after.split("Checking '").next().unwrap_or_default().contains("SUCCESS")
    };
    files.iter().map(verdict).collect()
}

/// What is wrong with a file for us.
fn ours(text: &str) -> Result<(), String> {
    let text = format!("clusters: [{{name: c}}]\n{text}");
    let read = config::parse(Path::new("/nowhere/dogwatch.yml"), &text, &|_| None);
    read.map(drop).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn files_are_judged_as_alertmanager_judges_them() {
    let (amtool, is_newest) = amtool();
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = CASES.iter().enumerate().map(|(i, _)| dir.path().join(format!("{i}.yml"))).collect();
    CASES.iter().zip(&files).for_each(|(case, file)| std::fs::write(file, case.file()).unwrap());
    let (mut wrong, mut skipped) = (Vec::new(), 0);
    for (case, theirs) in CASES.iter().zip(judged(&amtool, &files)) {
        let ours = ours(&case.file());
        match (ours.is_ok() == theirs, case.differs) {
            // An older amtool does not know what came later.
            (false, None) if !is_newest => skipped += 1,
            (false, None) => wrong.push(format!("{:?} {}: amtool {theirs}, here {ours:?}", case.at, case.text)),
            (true, Some(why)) if is_newest => wrong.push(format!("{}: judged alike, not otherwise: {why}", case.text)),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if !is_newest {
        eprintln!("skipped {skipped} of {}: the newest amtool is missing, tests/run builds it", CASES.len());
    }
}

mod table {
    //! docs/receivers.md's table of keys. `UPDATE_DOCS=1 cargo test --test it -- table_of_keys` writes it.

    use dogwatch::{dispatch::config::*, notify::config::*};
    use serde::de::DeserializeOwned;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/receivers.md");
    const BEGIN: &str = "<!-- keys: a test writes this table, see tests/it/alertmanager_files.rs -->\n";
    const END: &str = "<!-- end of keys -->\n";

    /// Ours, in sections that are Alertmanager's.
    const OURS: [&str; 9] = [
        "escalation",
        "ntfy_configs",
        "alertmanager_configs",
        "rate_limit",
        "receivers.language",
        "receivers.timezone",
        "hmac",
        "pushover_configs.api_url",
        "timeout",
    ];
    /// Where `timeout` is Alertmanager's own.
    const WITH_TIMEOUT: [&str; 5] =
        ["webhook_configs", "slack_configs", "pagerduty_configs", "telegram_configs", "incidentio_configs"];

    /// What is refused of a section, and what to do instead.
    const REFUSED: [(&str, &str); 5] = [
        (
            "email_configs",
            "`headers` that say how the mail is built (`Content-Type`, …): leave them out; `auth_username` without a password: give one",
        ),
        ("basic_auth", "`username_ref`, `password_ref`: `username_file`, `password_file`"),
        ("authorization", "`credentials_ref`: `credentials_file`"),
        ("oauth2", "`client_secret_ref`, `client_certificate_key_ref`: the keys with `_file`"),
        (
            "tls_config",
            "`ca_ref`, `cert_ref`, `key_ref`: the keys with `_file`; `max_version` below `TLS12` (`max_version` at all, of mail): leave it out; `server_name` with `proxy_url`: put the name into the URL",
        ),
    ];

    /// The keys that a struct knows, from what serde says of one that it does not.
    fn keys<T: DeserializeOwned>() -> Vec<String> {
        let error = serde_json::from_str::<T>(r#"{"\u0001": null}"#).err().unwrap().to_string();
        let known = error.split("expected").nth(1).unwrap_or_else(|| panic!("{error}"));
        let mut keys: Vec<String> = known.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        keys.sort();
        keys
    }

    fn row(section: &str, keys: &[String], warned: &[&str]) -> String {
        let shown = |key: &String| {
            let full = format!("{section}.{key}");
            let is_theirs = key == "timeout" && WITH_TIMEOUT.contains(&section);
            let is_ours = !is_theirs && (OURS.contains(&key.as_str()) || OURS.contains(&full.as_str()));
            if is_ours { format!("`{key}` (ours)") } else { format!("`{key}`") }
        };
        let accepted: Vec<String> = keys.iter().filter(|key| !warned.contains(&key.as_str())).map(shown).collect();
        let warned: Vec<String> = warned.iter().map(|key| format!("`{key}`")).collect();
        let refused = REFUSED.iter().find(|(name, _)| *name == section).map(|(_, what)| *what).unwrap_or_default();
        format!("| `{section}` | {} | {} | {refused} |\n", accepted.join(", "), warned.join(", "))
    }

    fn table() -> String {
        let top =
            ["global", "inhibit_rules", "mute_time_intervals", "receivers", "route", "templates", "time_intervals"];
        let mut out = String::from(
            "| section | accepted | accepted with a warning, without effect | refused: instead |\n|---|---|---|---|\n",
        );
        out.push_str(&row("(the file)", &top.map(str::to_owned), &["tracing", "event_recorder"]));
        let sections = [
            ("global", keys::<GlobalConfig>()),
            ("route", keys::<RouteConfig>()),
            ("inhibit_rules", keys::<InhibitConfig>()),
            ("time_intervals", keys::<NamedIntervals>()),
            ("time_intervals.time_intervals", keys::<IntervalConfig>()),
            ("times", keys::<TimesConfig>()),
            ("receivers", keys::<ReceiverConfig>()),
            ("http_config", keys::<HttpConfig>()),
            ("authorization", keys::<AuthorizationConfig>()),
            ("basic_auth", keys::<BasicAuthConfig>()),
            ("oauth2", keys::<OAuth2Config>()),
            ("http_headers.*", keys::<HeaderConfig>()),
            ("tls_config", keys::<TlsConfig>()),
            ("discord_configs", keys::<DiscordConfig>()),
            ("email_configs", keys::<EmailConfig>()),
            ("threading", keys::<ThreadingConfig>()),
            ("incidentio_configs", keys::<IncidentIoConfig>()),
            ("jira_configs", keys::<JiraConfig>()),
            ("mattermost_configs", keys::<MattermostConfig>()),
            ("mattermost_configs.attachments", keys::<MattermostAttachment>()),
            ("mattermost_configs.priority", keys::<MattermostPriority>()),
            ("mattermost_configs.props", keys::<MattermostProps>()),
            ("msteams_configs, msteamsv2_configs", keys::<TeamsConfig>()),
            ("opsgenie_configs", keys::<OpsgenieConfig>()),
            ("opsgenie_configs.responders", keys::<OpsgenieResponder>()),
            ("pagerduty_configs", keys::<PagerDutyConfig>()),
            ("pagerduty_configs.images", keys::<PagerDutyImage>()),
            ("pagerduty_configs.links", keys::<PagerDutyLink>()),
            ("pushover_configs", keys::<PushoverConfig>()),
            ("rocketchat_configs", keys::<RocketchatConfig>()),
            ("rocketchat_configs.fields", keys::<RocketchatField>()),
            ("rocketchat_configs.actions", keys::<RocketchatAction>()),
            ("slack_configs", keys::<SlackConfig>()),
            ("slack_configs.fields", keys::<SlackField>()),
            ("slack_configs.actions", keys::<SlackAction>()),
            ("slack_configs.actions.confirm", keys::<SlackConfirm>()),
            ("sns_configs", keys::<SnsConfig>()),
            ("sigv4", keys::<SigV4Config>()),
            ("telegram_configs", keys::<TelegramConfig>()),
            ("victorops_configs", keys::<VictorOpsConfig>()),
            ("webex_configs", keys::<WebexConfig>()),
            ("webhook_configs", keys::<WebhookConfig>()),
            ("wechat_configs", keys::<WechatConfig>()),
        ];
        sections.iter().for_each(|(section, keys)| out.push_str(&row(section, keys, &[])));
        out
    }

    #[test]
    fn the_table_of_keys_is_that_of_the_code() {
        let text = std::fs::read_to_string(FILE).unwrap();
        let (before, rest) = text.split_once(BEGIN).unwrap();
        let (written, after) = rest.split_once(END).unwrap();
        let table = table();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(FILE, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        } else {
            assert_eq!(written, table, "UPDATE_DOCS=1 writes it");
        }
    }
}
