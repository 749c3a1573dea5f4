//! Mail by SMTP up to the recipient: greeting, STARTTLS, login, MAIL FROM and RCPT TO. Never sends: RSET and QUIT follow.

use std::path::PathBuf;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    found::Found,
    options::password,
    prober::{Address, Asking, Prober, Problems},
    wire::Wire,
};
use crate::{
    dial::{Place, TlsFiles},
    model::{Failure, Reason, Secret},
};

/// Where mail servers hear each other.
const USUAL: u16 = 25;

/// `smtp:` of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// `host:port`, or a host where it is port 25; empty at nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// TLS from the beginning (port 465).
    #[serde(default)]
    pub tls: bool,
    /// TLS by STARTTLS.
    #[serde(default)]
    pub starttls: bool,
    /// How we name ourselves.
    #[serde(default = "nobody")]
    pub hello: String,
    /// Who logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// … or the file that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The sender that must be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The recipient that must be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What else must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// Certificates.
    #[serde(default)]
    pub tls_config: TlsFiles,
}

fn nobody() -> String {
    "dogwatch.invalid".to_owned()
}

impl SmtpConfig {
    fn place(&self) -> Result<Place, String> {
        Place::read(&self.address, Some(if self.tls { 465 } else { USUAL }))
    }
}

impl Prober for SmtpConfig {
    fn at(&self) -> String {
        self.address.clone()
    }

    fn address(&self) -> Option<Address<'_>> {
        Some(Address { key: ".address", text: &self.address, place: self.place(), at_nodes: true })
    }

    fn expect(&self) -> &[Condition] {
        &self.expect
    }

    fn subjects(&self) -> (&'static [&'static str], &'static str) {
        (&["banner", "cert", "version"], "a mail server")
    }

    fn problems(&self) -> Problems {
        let mut all = Vec::new();
        let mut say = |key: &str, why: &str| all.push((key.to_owned(), why.to_owned()));
        if self.tls && self.starttls {
            say("", "tls and starttls exclude each other: TLS begins at once, or by a word");
        }
        let words = [(".hello", Some(&self.hello)), (".from", self.from.as_ref()), (".to", self.to.as_ref())];
        for (key, text) in words {
            if text.is_some_and(|t| t.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>')))
            {
                say(key, "write it without spaces and brackets, like dogwatch@example.org");
            }
        }
        if self.to.is_some() && self.from.is_none() {
            say(".to", "a recipient needs a sender: give from, too");
        }
        if self.username.is_some() != (self.password.is_some() || self.password_file.is_some()) {
            say(".username", "username and password (or password_file) belong together");
        }
        if self.password.is_some() && self.password_file.is_some() {
            say(".password", "give password or password_file, not both");
        }
        if self.username.is_some() && !self.tls && !self.starttls {
            say(".username", "a password is not sent without TLS: give starttls: true, or tls: true");
        }
        all
    }

    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        Some(&mut self.tls_config)
    }

    fn files(&mut self) -> Vec<&mut PathBuf> {
        self.password_file.iter_mut().collect()
    }

    fn move_to(&mut self, instance: &str) {
        instance.clone_into(&mut self.address);
    }

    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a> {
        Box::pin(probe(self, found))
    }
}

/// A conversation, with the words about it.
struct Talk<'a> {
    wire: Wire,
    place: Place,
    found: &'a mut Found,
}

impl Talk<'_> {
    /// Says a line, `shown` in the trace, and waits for a reply with this code.
    async fn say(&mut self, line: &str, shown: &str, wanted: u16) -> Result<Vec<String>, Failure> {
        self.wire.send(format!("{line}\r\n").as_bytes()).await?;
        self.hear(shown, wanted).await
    }

    async fn hear(&mut self, shown: &str, wanted: u16) -> Result<Vec<String>, Failure> {
        let (code, lines) = self.wire.reply().await?;
        self.found.line.note(format_args!("{shown}: {code} {}", lines.last().map_or("", String::as_str)));
        self.found.measures.retain(|m| m.name != "probe_smtp_status_code");
        self.found.measure("probe_smtp_status_code", f64::from(code));
        if code == wanted {
            return Ok(lines);
        }
        let said = lines.join(" ");
        let words = match (shown, code) {
            ("AUTH", 534..=538) => format!("{} refuses our credentials: {code} {said}", self.place),
            (_, 400..=499) => {
                format!("{shown} was answered {code} {said:?}, should be {wanted} (it says: try again later)")
            }
            _ => format!("{shown} was answered {code} {said:?}, should be {wanted}"),
        };
        Err(Failure::new(Reason::Answer, words))
    }
}

/// Speaks up to the recipient.
async fn probe(c: &SmtpConfig, found: &mut Found) -> Result<(), Failure> {
    let place = c.place().map_err(|why| Failure::new(Reason::Dns, why))?;
    let wire = Wire::connect(&place, c.tls.then_some(&c.tls_config), found).await?;
    let began = tokio::time::Instant::now();
    let mut talk = Talk { wire, place, found };
    let banner = talk.hear("the greeting", 220).await?.join("\n");
    talk.found.answered = true;
    talk.found.seen.text("banner", banner);
    talk.wire.stage("in the middle of the conversation");
    let hello = format!("EHLO {}", c.hello);
    let mut offers = talk.say(&hello, "EHLO", 250).await?;
    let has = |offers: &[String], word: &str| {
        offers.iter().any(|line| line.split([' ', '=']).next().is_some_and(|first| first.eq_ignore_ascii_case(word)))
    };
    if c.starttls {
        if !has(&offers, "STARTTLS") {
            return Err(Failure::new(Reason::Tls, format!("{} offers no STARTTLS", talk.place)));
        }
        talk.say("STARTTLS", "STARTTLS", 220).await?;
        talk.wire = talk.wire.secure(&c.tls_config, talk.found).await?;
        offers = talk.say(&hello, "EHLO", 250).await?;
    }
    if let Some(user) = &c.username {
        let password = password(c.password.as_ref(), c.password_file.as_ref()).await?.unwrap_or_default();
        login(&mut talk, &offers, user, &password).await?;
    }
    if let Some(from) = &c.from {
        talk.say(&format!("MAIL FROM:<{from}>"), "MAIL FROM", 250).await?;
    }
    if let Some(to) = &c.to {
        talk.say(&format!("RCPT TO:<{to}>"), "RCPT TO", 250).await?;
    }
    talk.found.line.phases().processing = Some(began.elapsed());
    if c.from.is_some() {
        talk.say("RSET", "RSET", 250).await?;
    }
    // All that was asked is answered; how it takes leave is its own affair.
    talk.wire.send(b"QUIT\r\n").await.ok();
    Ok(())
}

/// By PLAIN, or LOGIN where the server has only that (RFC 4954).
async fn login(talk: &mut Talk<'_>, offers: &[String], user: &str, password: &str) -> Result<(), Failure> {
    let methods: Vec<String> = offers
        .iter()
        .filter(|line| line.to_ascii_uppercase().starts_with("AUTH"))
        .flat_map(|line| line.split([' ', '=']).skip(1).map(str::to_ascii_uppercase).collect::<Vec<_>>())
        .collect();
    let has = |method: &str| methods.iter().any(|m| m == method);
    if has("PLAIN") {
        let token = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
        talk.say(&format!("AUTH PLAIN {token}"), "AUTH", 235).await?;
    } else if has("LOGIN") {
        talk.say("AUTH LOGIN", "AUTH", 334).await?;
        talk.say(&BASE64_STANDARD.encode(user), "AUTH", 334).await?;
        talk.say(&BASE64_STANDARD.encode(password), "AUTH", 235).await?;
    } else {
        let words = format!("{} offers no login that we know (PLAIN or LOGIN)", talk.place);
        return Err(Failure::new(Reason::Answer, words));
    }
    Ok(())
}
