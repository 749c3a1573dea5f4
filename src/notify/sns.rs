//! Amazon SNS: one message to a topic, a telephone or a mobile application, signed.
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

mod keys;

use sha2::{Digest, Sha256};

use self::keys::Source;
use super::{
    NotifyConfigError, Outcome,
    config::SnsConfig,
    credential::Credential,
    markup::{self, PLAIN},
    message::{Check, Message},
    post::{Call, Reply, Service, Vault},
};
use crate::model::{
    sigv4::{Keys, Signer},
    text,
};

/// The largest message, in bytes.
const MESSAGE_MAX: usize = 256 << 10;

/// The longest message to a telephone, in bytes.
const SMS_MAX: usize = 1_600;

/// Our own text: what a mail of SNS' shows well.
const OWN_TEXT_MAX: usize = 15_000;

/// The longest subject.
const SUBJECT_MAX: usize = 100;

/// Of a topic that keeps order.
const FIFO: &str = ".fifo";

/// A checked entry of `sns_configs:`.
#[derive(Debug)]
pub(super) struct Sns {
    region: String,
    keys: Source,
    config: SnsConfig,
}

impl Sns {
    /// Checks an entry.
    pub fn new(config: &SnsConfig, check: Check<'_>) -> Result<Self, NotifyConfigError> {
        let c = config;
        let targets = [&c.topic_arn, &c.phone_number, &c.target_arn];
        let given = targets.iter().filter(|target| target.as_ref().is_some_and(|text| !text.is_empty())).count();
        if given != 1 {
            return Err(check.error("topic_arn", "SNS needs one of topic_arn, phone_number and target_arn"));
        }
        check.templates([
            ("api_url", &c.api_url),
            ("topic_arn", &c.topic_arn),
            ("phone_number", &c.phone_number),
            ("target_arn", &c.target_arn),
            ("subject", &c.subject),
            ("message", &c.message),
        ])?;
        for (name, text) in &c.attributes {
            check.template("attributes", name)?;
            check.template(&format!("attributes.{name}"), text)?;
        }
        let arn = c.topic_arn.as_ref().or(c.target_arn.as_ref());
        let of_arn = || arn.and_then(|arn| arn.split(':').nth(3)).map(str::to_owned).filter(|r| !r.contains('{'));
        let region = c.sigv4.region.clone().filter(|region| !region.is_empty()).or_else(keys::region).or_else(of_arn);
        let region = region.filter(|region| !region.is_empty());
        let region = region.ok_or_else(|| check.error("sigv4.region", "SNS needs a region, e.g. eu-west-1"))?;
        let keys = Source::new(&c.sigv4).map_err(|(key, why)| check.error(&format!("sigv4{key}"), why))?;
        Ok(Self { region, keys, config: config.clone() })
    }

    /// The request itself; who signs it is not said yet.
    fn publish(&self, m: &Message<'_>) -> Result<Call, String> {
        let c = &self.config;
        let text = |key: &str, template: &Option<String>| m.maybe(key, template.as_ref());
        let topic = text("topic_arn", &c.topic_arn);
        let phone = text("phone_number", &c.phone_number);
        let max = if phone.is_some() { SMS_MAX } else { MESSAGE_MAX };
        let mut whole = m.body("message", c.message.as_ref(), &PLAIN, OWN_TEXT_MAX.min(max / 2));
        if c.message.is_none() && !m.page.link.is_empty() {
            whole.push_str(&format!("\n\n{}", m.page.link));
        }
        let sent = markup::clip_bytes(&whole, max);
        let subject = match c.subject.as_deref() {
            Some("") => String::new(),
            _ => m.title("subject", c.subject.as_ref()),
        };
        let mut fields = vec![("Action".to_owned(), "Publish".to_owned()), ("Version".into(), "2010-03-31".into())];
        let mut add = |name: &str, value: Option<String>| fields.extend(value.map(|value| (name.to_owned(), value)));
        if topic.as_ref().is_some_and(|topic| topic.ends_with(FIFO)) {
            let hash = |of: &str| text::hex(&Sha256::digest(of.as_bytes()));
            add("MessageGroupId", Some(hash(&m.group_key())));
            // The same message twice, after a crash, is one; the next one of the incident is another.
            add("MessageDeduplicationId", Some(hash(&format!("{}/{}", m.key(), m.n.sequence))));
        }
        add("TopicArn", topic);
        add("PhoneNumber", phone);
        add("TargetArn", text("target_arn", &c.target_arn));
        add("Subject", Some(markup::clip(&subject, SUBJECT_MAX).into_owned()).filter(|subject| !subject.is_empty()));
        add("Message", Some(sent.clone().into_owned()));
        let attributes = c.attributes.iter().map(|(name, value)| {
            let name = m.text("attributes", Some(name), || name.clone());
            (name, m.text("attributes", Some(value), String::new))
        });
        let truncated = (sent.len() < whole.len()).then(|| ("truncated".to_owned(), "true".to_owned()));
        for (i, (name, value)) in attributes.chain(truncated).enumerate() {
            let at = format!("MessageAttributes.entry.{}", i + 1);
            add(&format!("{at}.Name"), Some(name));
            add(&format!("{at}.Value.DataType"), Some("String".to_owned()));
            add(&format!("{at}.Value.StringValue"), Some(value));
        }
        let own = text("api_url", &c.api_url);
        let url = own.unwrap_or_else(|| format!("https://sns.{}.{}/", self.region, keys::domain(&self.region)));
        let fields: Vec<(&str, String)> = fields.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        Ok(Call::form(url, &fields))
    }

    fn signed(&self, m: &Message<'_>, keys: Keys) -> Result<Call, String> {
        Ok(self.publish(m)?.signed(Signer { keys, region: self.region.clone(), service: "sns" }))
    }
}

impl Service for Sns {
    fn secrets(&self) -> Vec<&Credential> {
        self.keys.secrets()
    }

    fn remedy(&self) -> &'static str {
        self.keys.remedy()
    }

    fn calls(&self, m: &Message<'_>, vault: &Vault) -> Result<Vec<Call>, String> {
        let keys = self.keys.read(vault)?;
        match self.keys.assume(&self.config.sigv4, &self.region) {
            Some(call) => {
                let signer = Signer { keys, region: self.region.clone(), service: "sts" };
                Ok(vec![call.signed(signer)])
            }
            None => Ok(vec![self.signed(m, keys)?]),
        }
    }

    fn then(&self, m: &Message<'_>, _: &Vault, replies: &[Reply]) -> Result<Vec<Call>, String> {
        match replies {
            [role] if self.config.sigv4.role_arn.is_some() => {
                let keys = keys::of_role(&role.said()).ok_or("the answer of STS holds no credentials")?;
                let (secret, session) = (keys.secret.clone(), keys.session.clone());
                let call = self.signed(m, keys)?.hiding(secret);
                Ok(vec![session.into_iter().fold(call, Call::hiding)])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn preview(&self, m: &Message<'_>, _: &Vault) -> Result<Vec<Call>, String> {
        Ok(vec![self.publish(m)?])
    }

    /// AWS says 400 to what comes too fast, too.
    fn judge(&self, reply: &Reply) -> Outcome {
        let said = reply.said();
        match reply.status.as_u16() {
            200..=299 if said.contains("<SecretAccessKey>") => Outcome::Delivered("credentials of the role".into()),
            200..=299 => reply.delivered("MessageId", keys::tag(&said, "MessageId")),
            400 if said.contains("<Code>Throttl") => reply.again(None),
            404 => reply.again(None),
            _ => reply.judge(),
        }
    }
}
