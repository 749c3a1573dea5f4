//! Signing in at a mail server: PLAIN, LOGIN and CRAM-MD5.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use lettre::transport::smtp::{
    authentication::{Credentials, Mechanism},
    client::AsyncSmtpConnection,
};
use md5::Md5;
use tokio::time::Instant;

use super::step;
use crate::{
    model::text,
    notify::{
        NotifyConfigError, Outcome,
        config::{EmailConfig, GlobalConfig},
        credential::Credential,
        message::Check,
    },
};

/// Says who signs in, and with what.
#[derive(Debug)]
pub(super) struct Auth {
    user: String,
    /// On whose behalf, in PLAIN.
    identity: String,
    password: Option<Credential>,
    /// Of CRAM-MD5.
    secret: Option<Credential>,
}

impl Auth {
    /// From an entry and `global:`; `None`: nobody signs in, since no user is named (as in Alertmanager).
    pub fn new(
        global: &GlobalConfig,
        config: &EmailConfig,
        check: Check<'_>,
    ) -> Result<Option<Self>, NotifyConfigError> {
        let shared = (&global.smtp_auth_password, &global.smtp_auth_password_file);
        let password = check.secret("auth_password", (&config.auth_password, &config.auth_password_file), shared)?;
        let shared = (&global.smtp_auth_secret, &global.smtp_auth_secret_file);
        let secret = check.secret("auth_secret", (&config.auth_secret, &config.auth_secret_file), shared)?;
        let user = config.auth_username.as_ref().or(global.smtp_auth_username.as_ref());
        let Some(user) = user.filter(|user| !user.is_empty()).cloned() else { return Ok(None) };
        if password.is_none() && secret.is_none() {
            let what = "auth_username without auth_password, auth_password_file or auth_secret";
            return Err(check.error("auth_password", what));
        }
        let identity = config.auth_identity.as_ref().or(global.smtp_auth_identity.as_ref());
        Ok(Some(Self { user, identity: identity.cloned().unwrap_or_default(), password, secret }))
    }

    /// Reads the files of its secrets.
    pub async fn check_files(&self) -> Result<(), String> {
        for credential in [&self.password, &self.secret].into_iter().flatten() {
            credential.read().await?;
        }
        Ok(())
    }

    /// Signs in: by CRAM-MD5 where there is a secret and the server knows it, else with the password.
    pub async fn sign_in(&self, connection: &mut AsyncSmtpConnection, deadline: Instant) -> Result<(), Outcome> {
        const WHAT: &str = "signing in";
        if let Some(secret) = &self.secret {
            let secret = secret.read().await.map_err(Outcome::retry)?;
            match step(deadline, WHAT, self.cram_md5(connection, secret.reveal())).await {
                Err(refused) if self.password.is_none() || connection.has_broken() => return Err(refused),
                Err(_) => {}
                Ok(()) => return Ok(()),
            }
        }
        let Some(password) = &self.password else { return Ok(()) };
        let password = password.read().await.map_err(Outcome::retry)?;
        if self.identity.is_empty() {
            let credentials = Credentials::new(self.user.clone(), password.reveal().to_owned());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            return step(deadline, WHAT, connection.auth(&mechanisms, &credentials)).await.map(drop);
        }
        // RFC 4616; lettre has no place for the first part.
        let plain = STANDARD.encode(format!("{}\0{}\0{}", self.identity, self.user, password.reveal()));
        step(deadline, WHAT, connection.command(format!("AUTH PLAIN {plain}\r\n"))).await.map(drop)
    }

    /// RFC 2195: the challenge is signed, the secret itself never sent.
    async fn cram_md5(
        &self,
        connection: &mut AsyncSmtpConnection,
        secret: &str,
    ) -> Result<(), lettre::transport::smtp::Error> {
        let challenge = connection.command("AUTH CRAM-MD5\r\n").await?;
        let challenge = STANDARD.decode(challenge.first_word().unwrap_or_default()).unwrap_or_default();
        let answer = STANDARD.encode(format!("{} {}", self.user, sign(secret, &challenge)));
        connection.command(format!("{answer}\r\n")).await.map(drop)
    }
}

fn sign(secret: &str, challenge: &[u8]) -> String {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(challenge);
    text::hex(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 2195.
    #[test]
    fn challenges_are_signed() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        assert_eq!(sign("tanstaaftanstaaf", challenge), "b913a602c7eda7a495b4e6e7334d3890");
    }
}
