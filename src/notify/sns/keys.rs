//! AWS credentials: from the configuration, the environment or the shared credentials file; and of a role, by STS.
//!
//! Those that only a machine of Amazon's gets (instance metadata, containers, web identity) are not looked for.

use std::{env, path::PathBuf};

use crate::{
    model::{Secret, sigv4::Keys},
    notify::{
        config::SigV4Config,
        credential::Credential,
        post::{Call, Vault},
    },
};

/// Says where credentials are.
#[derive(Debug)]
pub(super) enum Source {
    /// Here, or in the environment.
    Given { id: String, secret: Credential, session: Option<Credential> },
    /// In a section of the shared credentials file.
    File { path: Credential, profile: String },
}

impl Source {
    /// Checks what is configured.
    ///
    /// # Errors
    /// The key, and why.
    pub fn new(config: &SigV4Config) -> Result<Self, (&'static str, &'static str)> {
        let c = config;
        let id = c.access_key.clone().filter(|id| !id.is_empty());
        let secret = c.secret_key.clone().filter(|secret| !secret.reveal().is_empty());
        if c.role_arn.is_none() {
            let needs_role = [
                (".external_id", c.external_id.is_some()),
                (".session_name", c.session_name.is_some()),
                (".tags", !c.tags.is_empty()),
            ];
            if let Some((key, _)) = needs_role.iter().find(|(_, given)| *given) {
                return Err((key, "is for a role, which role_arn names"));
            }
        }
        match (id, secret) {
            (Some(id), Some(secret)) => Ok(Self::Given { id, secret: Credential::Inline(secret), session: None }),
            (None, None) => Ok(Self::around(c.profile.as_ref())),
            _ => Err((".access_key", "access_key and secret_key go together")),
        }
    }

    fn around(profile: Option<&String>) -> Self {
        let named = profile.cloned().filter(|name| !name.is_empty());
        let inline = |name| variable(name).map(|value| Credential::Inline(Secret::new(value)));
        if named.is_none()
            && let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), inline("AWS_SECRET_ACCESS_KEY"))
        {
            return Self::Given { id, secret, session: inline("AWS_SESSION_TOKEN") };
        }
        let home = || PathBuf::from(variable("HOME").unwrap_or_default()).join(".aws/credentials");
        let path = variable("AWS_SHARED_CREDENTIALS_FILE").map_or_else(home, PathBuf::from);
        let profile = named.or_else(|| variable("AWS_PROFILE")).unwrap_or_else(|| "default".to_owned());
        Self::File { path: Credential::File(path), profile }
    }

    /// Returns what must be read.
    pub fn secrets(&self) -> Vec<&Credential> {
        match self {
            Self::Given { secret, session, .. } => std::iter::once(secret).chain(session).collect(),
            Self::File { path, .. } => vec![path],
        }
    }

    /// Returns where else they could be.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Given { .. } => "",
            Self::File { .. } => {
                "; write access_key and secret_key below sigv4, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write \
                 this file: credentials that Amazon gives to its own machines and containers are not looked for"
            }
        }
    }

    /// Returns the credentials, as they were read.
    ///
    /// # Errors
    /// When the file has no such section; in words that do not hold it.
    pub fn read(&self, vault: &Vault) -> Result<Keys, String> {
        match self {
            Self::Given { id, secret, session } => Ok(Keys {
                id: id.clone(),
                secret: Secret::new(vault.get(secret)),
                session: session.as_ref().map(|session| Secret::new(vault.get(session))),
            }),
            Self::File { path, profile } => section(vault.get(path), profile)
                .ok_or_else(|| format!("the AWS credentials file has no access key for the profile {profile:?}")),
        }
    }

    /// Returns the request for a role, where one is to be taken on.
    pub fn assume(&self, config: &SigV4Config, region: &str) -> Option<Call> {
        /// As long as STS gives by default, in seconds.
        const LASTS: &str = "3600";
        let role = config.role_arn.clone().filter(|role| !role.is_empty())?;
        let session = config.session_name.clone().unwrap_or_else(|| "dogwatch".to_owned());
        let mut fields = vec![
            ("Action".to_owned(), "AssumeRole".to_owned()),
            ("Version".into(), "2011-06-15".into()),
            ("RoleArn".into(), role),
            ("RoleSessionName".into(), session),
            ("DurationSeconds".into(), LASTS.into()),
        ];
        fields.extend(config.external_id.clone().map(|id| ("ExternalId".to_owned(), id)));
        for (i, (name, value)) in config.tags.iter().enumerate() {
            fields.push((format!("Tags.member.{}.Key", i + 1), name.clone()));
            fields.push((format!("Tags.member.{}.Value", i + 1), value.clone()));
        }
        let fields: Vec<(&str, String)> = fields.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        let host = if config.use_fips_sts_endpoint { "sts-fips" } else { "sts" };
        // As AWS' own tools have it; for tests and private endpoints.
        let own = variable("AWS_ENDPOINT_URL_STS");
        let url = own.unwrap_or_else(|| format!("https://{host}.{region}.{}/", domain(region)));
        Some(Call::form(url, &fields))
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the environment's region.
pub(super) fn region() -> Option<String> {
    variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"))
}

/// Returns where a region's endpoints are.
pub(super) fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// Returns a role's credentials, from the answer of STS.
pub(super) fn of_role(answer: &str) -> Option<Keys> {
    Some(Keys {
        id: tag(answer, "AccessKeyId")?.to_owned(),
        secret: Secret::new(tag(answer, "SecretAccessKey")?),
        session: Some(Secret::new(tag(answer, "SessionToken")?)),
    })
}

/// Returns the text of the first element of a name; AWS' answers are flat enough for that.
pub(super) fn tag<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    Some(after.split_once(&format!("</{name}>"))?.0.trim())
}

/// A section of the shared credentials file.
fn section(text: &str, profile: &str) -> Option<Keys> {
    let header = format!("[{profile}]");
    let lines = text.lines().map(str::trim).skip_while(|line| **line != header).skip(1);
    let (mut id, mut secret, mut session) = (None, None, None);
    for line in lines.take_while(|line| !line.starts_with('[')) {
        let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else { continue };
        match key {
            "aws_access_key_id" => id = Some(value.to_owned()),
            "aws_secret_access_key" => secret = Some(Secret::new(value)),
            "aws_session_token" => session = Some(Secret::new(value)),
            _ => {}
        }
    }
    Some(Keys { id: id?, secret: secret?, session })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_the_credentials_file() {
        let text = "[default]\naws_access_key_id = A\naws_secret_access_key=S\n\n[ops]\n# x\naws_access_key_id=B\naws_secret_access_key = T\naws_session_token = U\n[half]\naws_access_key_id=C\n";
        let check = |profile: &str, expected: Option<(&str, &str, Option<&str>)>| {
            let keys = section(text, profile);
            let found =
                keys.as_ref().map(|k| (k.id.as_str(), k.secret.reveal(), k.session.as_ref().map(Secret::reveal)));
            assert_eq!(found, expected, "{profile}");
        };
        check("default", Some(("A", "S", None)));
        check("ops", Some(("B", "T", Some("U"))));
        check("half", None);
        check("none", None);
    }

    #[test]
    fn answers_of_sts() {
        let answer = "<AssumeRoleResponse><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken></Credentials></AssumeRoleResponse>";
        let keys = of_role(answer).unwrap();
        assert_eq!((keys.id.as_str(), keys.secret.reveal(), keys.session.unwrap().reveal()), ("A", "S", "T"));
        assert!(of_role("<ErrorResponse/>").is_none());
    }
}
