//! Email by SMTP (lettre): STARTTLS, TLS from the first byte, or plain; a text and an HTML part; one thread an incident.
//!
//! Never sends a password in the clear to another machine. The messages of one incident carry `Message-ID`s that follow
//! from the database's origin, the incident and the sequence number, so that mail programs thread them and a message
//! repeated after a crash is recognised as the same.

mod auth;
mod reach;
mod stream;

use std::{net::IpAddr, time::Duration};

use jiff::tz::TimeZone;
use lettre::{
    Message,
    message::{
        Mailbox, Mailboxes, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error as SmtpError,
        client::{AsyncSmtpConnection, Certificate, Identity, TlsParameters, TlsVersion as Version},
        extension::ClientId,
        response::Response,
    },
};
use minijinja::{Environment, syntax::SyntaxConfig, value::Serde};
use sha2::{Digest, Sha256};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use self::auth::Auth;
use super::{
    ANSWER_MAX, NotifyConfigError, Outcome,
    client::tls::Material,
    config::{EmailConfig, GlobalConfig, ThreadByDate, ThreadingConfig, TlsConfig, TlsVersion},
    markup::{HTML, PLAIN},
    message::{self, Check, is_template},
    summary, with_causes,
};
use crate::{
    model::{Notification, text},
    template::Library,
    words::{self, Voice},
};

/// Headers that say how the message is built, in lower case: no configured value can be true.
const OF_THE_FORM: [&str; 3] = ["mime-version", "content-type", "content-transfer-encoding"];

/// The port where TLS begins with the first byte.
const SMTPS_PORT: u16 = 465;

/// Ports that have a name, as /etc/services has them.
const PORTS: [(&str, u16); 5] =
    [("smtp", 25), ("mail", 25), ("submission", 587), ("submissions", SMTPS_PORT), ("smtps", SMTPS_PORT)];

/// A polite goodbye may take so long; the message is delivered already.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// A checked entry of `email_configs:`.
#[derive(Debug)]
pub(super) struct Email {
    /// A template, as `to`.
    from: String,
    to: String,
    host: String,
    port: u16,
    hello: ClientId,
    auth: Option<Auth>,
    require_tls: bool,
    implicit_tls: bool,
    tls: TlsConfig,
    threading: ThreadingConfig,
    /// Templates; `Subject` is not among them.
    headers: Vec<(HeaderName, String)>,
    subject: Option<String>,
    html: Option<String>,
    text: Option<String>,
    receiver: String,
    library: Library,
    voice: Voice,
}

impl Email {
    /// Checks an entry.
    pub(super) fn new(
        global: &GlobalConfig,
        config: &EmailConfig,
        receiver: &str,
        check: Check<'_>,
    ) -> Result<Self, NotifyConfigError> {
        let error = |key: &str, message: String| check.error(key, message);
        let from = config.from.as_ref().or(global.smtp_from.as_ref()).filter(|from| !from.is_empty());
        let from = from.ok_or_else(|| error("from", "no sender; set it here or as global.smtp_from".into()))?;
        match is_template(from) {
            true => check.template("from", from)?,
            false => mailbox(from).map(drop).map_err(|e| error("from", e))?,
        }
        match is_template(&config.to) {
            true => check.template("to", &config.to)?,
            false => mailboxes(&config.to).map(drop).map_err(|e| error("to", e))?,
        }
        let smarthost = config.smarthost.as_ref().or(global.smtp_smarthost.as_ref()).filter(|host| !host.is_empty());
        let smarthost = smarthost
            .ok_or_else(|| error("smarthost", "no mail server; set it here or as global.smtp_smarthost".into()))?;
        let (host, port) = host_port(smarthost)
            .ok_or_else(|| error("smarthost", format!("{smarthost:?} is not host:port, e.g. mail.example.org:587")))?;
        let hello = config.hello.as_ref().unwrap_or(&global.smtp_hello).clone();
        let auth = Auth::new(global, config, check)?;
        let require_tls =
            config.require_tls.unwrap_or(global.smtp_require_tls) || (auth.is_some() && !is_loopback(&host));
        let implicit_tls = config.force_implicit_tls.or(global.smtp_force_implicit_tls).unwrap_or(port == SMTPS_PORT);
        let (subject, headers) = headers(config).map_err(|message| error("headers", message))?;
        for (name, text) in &config.headers {
            check.template(&format!("headers.{name}"), text)?;
        }
        check.templates([("html", &config.html), ("text", &config.text)])?;
        check_threading(config).map_err(|(key, message)| error(key, message.into()))?;
        let tls = config.tls_config.as_ref().unwrap_or(&global.smtp_tls_config);
        tls.check().map_err(|e| error("tls_config", e))?;
        if tls.max_version == Some(TlsVersion::Tls12) {
            let why = "mail servers are spoken to in the newest version that they know: leave this out";
            return Err(error("tls_config.max_version", why.into()));
        }
        Ok(Self {
            from: from.clone(),
            to: config.to.clone(),
            host,
            port,
            hello: ClientId::Domain(hello),
            auth,
            require_tls,
            implicit_tls,
            tls: tls.clone(),
            threading: config.threading,
            headers,
            subject,
            html: config.html.clone(),
            text: config.text.clone(),
            receiver: receiver.to_owned(),
            library: check.library.clone(),
            voice: Voice::default(),
        })
    }

    /// Returns the same, told in other words.
    pub(super) fn told_in(self, voice: Voice) -> Self {
        Self { voice, ..self }
    }

    /// Reads every file that an attempt needs.
    pub(super) async fn check_files(&self) -> Result<(), String> {
        if let Some(auth) = &self.auth {
            auth.check_files().await?;
        }
        Material::read(&self.tls).await.map(drop)
    }

    /// Makes one attempt.
    pub(super) async fn send(&self, notification: &Notification, deadline: Instant) -> Outcome {
        match self.message(notification) {
            Ok((message, problems)) => {
                let outcome = self.deliver(&message, deadline).await.unwrap_or_else(|outcome| outcome);
                outcome.map(|text| text::clip(&[vec![text], problems].concat().join("; "), ANSWER_MAX).to_owned())
            }
            Err(why) => Outcome::Drop(format!("the message could not be written: {why}")),
        }
    }

    /// Returns the mail as it would be sent, without its HTML part where it has a text, and which templates failed.
    pub(super) fn preview(&self, n: &Notification) -> String {
        let told = self.voice.notification(n);
        let m = message::Message::new(&told, &self.receiver, &self.library, &self.voice);
        match (self.message(n), self.parts(&m)) {
            (Ok((mail, problems)), Ok((text, html))) => {
                let problems: String = problems.iter().map(|p| format!("{p}\n")).collect();
                format!("{problems}{}\n{}", mail.headers(), text.or(html).unwrap_or_default())
            }
            (Err(why), _) | (_, Err(why)) => format!("the message could not be written: {why}\n"),
        }
    }

    async fn deliver(&self, message: &Message, deadline: Instant) -> Result<Outcome, Outcome> {
        let mut connection = self.connect(deadline).await?;
        if let Some(auth) = &self.auth {
            auth.sign_in(&mut connection, deadline).await?;
        }
        let bytes = message.formatted();
        let reply = step(deadline, "sending", connection.send(message.envelope(), &bytes)).await?;
        // Taken: whatever happens to the goodbye must not make it look undelivered.
        tokio::spawn(async move { timeout(QUIT_TIMEOUT, connection.abort()).await });
        Ok(Outcome::Delivered(reply_text(&reply)))
    }

    async fn connect(&self, deadline: Instant) -> Result<AsyncSmtpConnection, Outcome> {
        let tls = self.tls().await.map_err(Outcome::retry)?;
        let implicit = self.implicit_tls.then(|| tls.clone());
        let what = format!("connecting to {}:{}", self.host, self.port);
        let connected = match timeout_at(deadline, TcpStream::connect((self.host.as_str(), self.port))).await {
            Ok(connected) => connected.map_err(|e| Outcome::retry(format!("{what}: {}", with_causes(&e))))?,
            Err(_) => return Err(Outcome::retry(format!("{what}: no answer in time"))),
        };
        let mut connection = step(deadline, &what, stream::greet(connected, &self.hello, implicit)).await?;
        if !self.implicit_tls && (self.require_tls || connection.can_starttls()) {
            step(deadline, "STARTTLS", connection.starttls(tls, &self.hello)).await?;
        }
        Ok(connection)
    }

    async fn tls(&self) -> Result<TlsParameters, String> {
        let name = self.tls.server_name.clone().unwrap_or_else(|| self.host.clone());
        let mut builder = TlsParameters::builder(name)
            .dangerous_accept_invalid_certs(self.tls.insecure_skip_verify)
            .dangerous_accept_invalid_hostnames(self.tls.insecure_skip_verify);
        if self.tls.min_version == Some(TlsVersion::Tls13) {
            builder = builder.set_min_tls_version(Version::Tlsv13);
        }
        let material = Material::read(&self.tls).await?;
        if let Some((pem, name)) = material.ca {
            let ca = Certificate::from_pem(&pem).map_err(|e| format!("{name}: {}", with_causes(&e)))?;
            builder = builder.add_root_certificate(ca);
        }
        if let Some((cert, key, name)) = material.identity {
            let identity = Identity::from_pem(&cert, &key).map_err(|e| format!("{name}: {}", with_causes(&e)))?;
            builder = builder.identify_with(identity);
        }
        builder.build_rustls().map_err(|e| with_causes(&e))
    }

    /// Writes the message (headers, text part, HTML part), and tells which templates failed.
    fn message(&self, n: &Notification) -> Result<(Message, Vec<String>), String> {
        let told = self.voice.notification(n);
        let m = message::Message::new(&told, &self.receiver, &self.library, &self.voice);
        let from = mailbox(&m.text("from", Some(&self.from), String::new)).map_err(|e| format!("from: {e}"))?;
        let to = mailboxes(&m.text("to", Some(&self.to), String::new)).map_err(|e| format!("to: {e}"))?;
        let domain = from.email.domain().to_owned();
        let first = self.thread(&m, &domain);
        let mut builder = Message::builder()
            .from(from)
            .mailbox(lettre::message::header::To::from(to))
            .subject(match &n.document {
                Some(document) => document.subject.clone(),
                None => m.title("Subject", self.subject.as_ref()),
            })
            .date(n.at.into())
            .message_id(Some(message_id(n, n.sequence, &domain)));
        if n.sequence > 0 || self.threading.enabled {
            builder = builder.in_reply_to(first.clone()).references(first);
        }
        let own = [
            ("Auto-Submitted", "auto-generated".to_owned()),
            ("X-Dogwatch-Incident", n.incident.id.to_string()),
            ("X-Dogwatch-Sequence", n.sequence.to_string()),
            ("X-Dogwatch-Cluster", text::one_line(&n.incident.cluster).into_owned()),
            ("X-Dogwatch-Severity", n.incident.severity.to_string()),
        ];
        // A document is about no incident.
        let own = own.into_iter().take(if n.document.is_some() { 1 } else { usize::MAX });
        for (name, value) in own.filter(|(_, value)| !value.is_empty()) {
            builder = builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
        }
        let plain = |text| SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text);
        let rich = |html| SinglePart::builder().header(ContentType::TEXT_HTML).body(html);
        let message = match self.parts(&m)? {
            (Some(text), Some(html)) => {
                builder.multipart(MultiPart::alternative().singlepart(plain(text)).singlepart(rich(html)))
            }
            (None, Some(html)) => builder.singlepart(rich(html)),
            // Without any, the subject is the message.
            (text, None) => builder.singlepart(plain(text.unwrap_or_default())),
        };
        let mut message = message.map_err(|e| e.to_string())?;
        for (name, text) in &self.headers {
            let value = m.text("headers", Some(text), String::new);
            let value = text::one_line(value.trim()).into_owned();
            if !value.is_empty() {
                // In the place of ours, where there is one: who gets the mail stays as `to` says.
                message.headers_mut().insert_raw(HeaderValue::new(name.clone(), value));
            }
        }
        Ok((message, m.problems()))
    }

    /// What the message answers: the incident's first, or what all messages of the group answer, which none of them is.
    fn thread(&self, m: &message::Message<'_>, domain: &str) -> String {
        if !self.threading.enabled {
            return message_id(m.n, 0, domain);
        }
        /// Of the group's key; enough for no two to be the same.
        const KEY_LEN: usize = 16;
        let key = Sha256::digest(m.group_key().as_bytes());
        let key = text::hex(&key[..KEY_LEN / 2]);
        let day = match self.threading.thread_by_date {
            Some(ThreadByDate::Daily) => m.n.at.to_zoned(TimeZone::UTC).date().to_string(),
            Some(ThreadByDate::None) | None => String::new(),
        };
        format!("<alert-{key}-{day}@dogwatch.{domain}>")
    }

    /// The text and the HTML part: ours, or the configured ones; an empty template means that there is none.
    fn parts(&self, m: &message::Message<'_>) -> Result<(Option<String>, Option<String>), String> {
        if let Some(document) = &m.n.document {
            return Ok((Some(document.text.clone()), Some(document.html.clone())));
        }
        let (text, html) = parts(m.n, m.voice).map_err(|e| with_causes(&e))?;
        let wanted = |part: &Option<String>| part.as_deref() != Some("");
        let noticed = |part: String| m.noticed(&part, &PLAIN);
        let own_text =
            self.text.as_ref().and_then(|t| Some(m.text("text", Some(t), String::new)).filter(|t| !t.is_empty()));
        let own_html = m.html_part("html", self.html.as_ref()).filter(|html| !html.is_empty());
        let text = wanted(&self.text).then(|| own_text.map_or(text, noticed));
        Ok((text, wanted(&self.html).then(|| own_html.map_or(html, |html| m.noticed(&html, &HTML)))))
    }
}

/// Returns the text and the HTML part.
pub(super) fn parts(n: &Notification, voice: &Voice) -> Result<(String, String), minijinja::Error> {
    let mut env = Environment::new();
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    env.add_template("email.txt.j2", include_str!("email.txt.j2"))?;
    env.add_filter("code", |text: &str| minijinja::Value::from_safe_string(text::html_with_code(text)));
    env.add_template("email.html.j2", include_str!("email.html.j2"))?;
    words::install(&mut env, voice.language);
    let page = minijinja::Value::from(Serde(summary::page(n, voice)));
    let text = env.get_template("email.txt.j2")?.render(&page)?;
    let html = env.get_template("email.html.j2")?.render(&page)?;
    Ok((text, html.trim_start().to_owned()))
}

/// The same message has the same ID for ever.
fn message_id(n: &Notification, sequence: u32, domain: &str) -> String {
    let origin: String = n.origin.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    format!("<incident-{}-{sequence}.{origin}@dogwatch.{domain}>", n.incident.id)
}

/// Runs one step of the conversation; its failure says which step it was.
async fn step<T>(
    deadline: Instant,
    what: &str,
    work: impl Future<Output = Result<T, SmtpError>>,
) -> Result<T, Outcome> {
    match timeout_at(deadline, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(judge(what, &e)),
        Err(_) => Err(Outcome::retry(format!("{what}: no answer in time"))),
    }
}

/// A permanent refusal is final, save where an operator can mend it at either end: authentication (530, 534, 535, 538)
/// and anything said before the message itself was offered.
fn judge(what: &str, e: &SmtpError) -> Outcome {
    let why = text::one_line(&format!("{what}: {}", with_causes(e))).into_owned();
    let code = e.status().map(u16::from);
    let mendable = what != "sending" || matches!(code, Some(530 | 534 | 535 | 538));
    if e.is_permanent() && !mendable { Outcome::Drop(why) } else { Outcome::retry(why) }
}

/// `250 2.0.0 Ok: queued as 4XyZ`.
fn reply_text(reply: &Response) -> String {
    let lines: Vec<&str> = reply.message().collect();
    text::one_line(&format!("{} {}", reply.code(), lines.join(" "))).trim_end().to_owned()
}

/// Host and port, which may have a name; without a host it is this machine.
pub(super) fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let named = || PORTS.iter().find(|(name, _)| *name == port).map(|(_, port)| *port);
    let port = port.parse().ok().filter(|p| *p > 0).or_else(named)?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let fits = !host.contains(':') || host.parse::<IpAddr>().is_ok();
    let host = if host.is_empty() { "localhost" } else { host };
    fits.then(|| (host.to_owned(), port))
}

/// One address, with its name.
fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.trim().parse().map_err(|e| format!("{text:?} is not an address: {e}"))
}

/// At least one.
fn mailboxes(text: &str) -> Result<Mailboxes, String> {
    let found: Mailboxes = text.trim().parse().map_err(|e| format!("{text:?} is not a list of addresses: {e}"))?;
    if found.iter().next().is_none() {
        return Err("there is no address".into());
    }
    Ok(found)
}

fn check_threading(config: &EmailConfig) -> Result<(), (&'static str, &'static str)> {
    if !config.threading.enabled {
        return Ok(());
    }
    let is_set = |name: &str| config.headers.keys().any(|header| header.eq_ignore_ascii_case(name));
    if is_set("References") || is_set("In-Reply-To") {
        return Err(("headers", "References and In-Reply-To are what threading sets: leave one of them out"));
    }
    match config.threading.thread_by_date {
        Some(_) => Ok(()),
        None => Err(("threading.thread_by_date", "must be none or daily")),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The template of the subject, where one is given, and those of the further headers.
type Headers = (Option<String>, Vec<(HeaderName, String)>);

fn headers(config: &EmailConfig) -> Result<Headers, String> {
    let (mut subject, mut all) = (None, Vec::new());
    for (name, template) in &config.headers {
        if name.eq_ignore_ascii_case("subject") && subject.is_none() {
            subject = Some(template.clone());
            continue;
        }
        if config.headers.keys().any(|other| other != name && other.eq_ignore_ascii_case(name)) {
            return Err(format!("{name} is there twice, in capital and in small letters"));
        }
        if OF_THE_FORM.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("{name} follows from how the mail is built: leave it out"));
        }
        let header =
            HeaderName::new_from_ascii(name.clone()).map_err(|_| format!("{name:?} is not a header's name"))?;
        all.push((header, template.clone()));
    }
    Ok((subject, all))
}

#[cfg(test)]
mod tests;
