//! Who we are to a cluster: headers and client certificate, from what the kubeconfig's user says, its token file and its
//! exec plugin. Nothing secret is ever in an error.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;
use rustls::sign::CertifiedKey;

use super::{
    bearer::{self, Claims},
    exec::{self, PluginError},
    identity,
    kubeconfig::{AuthProvider, Chosen, User},
    pem,
};
use crate::model::{Secret, text};

/// Credentials, as they are now.
#[derive(Default)]
pub(super) struct Identified {
    /// `Authorization`, and whom we impersonate.
    pub(super) headers: HeaderMap,
    /// The client certificate.
    pub(super) identity: Option<Arc<CertifiedKey>>,
    /// Why the exec plugin gave none.
    pub(super) missing: Option<PluginError>,
    /// When the plugin's credentials end.
    pub(super) expires: Option<Timestamp>,
    /// What the token says of itself, where it is no plugin's and ends.
    pub(super) claims: Option<Claims>,
}

/// Tokens that took the place of the kubeconfig's by being renewed.
#[derive(Default)]
pub(super) struct Renewed {
    /// On disk and in memory.
    pub(super) tokens: Vec<Secret>,
    /// The time, by which they have ended or not.
    pub(super) now: Timestamp,
}

/// Follows everything that the user names.
///
/// # Errors
/// Why a file or value can't be used, in words that name it. A failed plugin is no error.
pub(super) async fn identify(
    chosen: &Chosen,
    renewed: Renewed,
    limit: std::time::Duration,
) -> Result<Identified, String> {
    let user = &chosen.user;
    let mut token = token(user)?;
    let mut found = Identified { identity: of_user(user)?, ..Identified::default() };
    if let Some(provider) = user.auth_provider.as_ref().filter(|_| token.is_none()) {
        token = Some(of_provider(provider)?);
    }
    token = token.map(|configured| bearer::newest(configured, renewed.tokens, renewed.now));
    found.claims = token.as_ref().and_then(Claims::of);
    let basic = user.username.as_ref().filter(|name| !name.is_empty());
    // Static credentials come first, as in client-go.
    if let Some(plugin) = user.exec.as_ref().filter(|_| token.is_none() && basic.is_none()) {
        match exec::run(plugin, &chosen.cluster, limit).await {
            Ok(credential) => {
                found.expires = credential.expires;
                token = credential.token;
                if let Some((certificate, key)) = credential.certificate {
                    match identity::certified(certificate.as_bytes(), key.reveal().as_bytes()) {
                        Ok(identity) => found.identity = Some(identity),
                        Err(why) => found.missing = Some(PluginError::bad_certificate(plugin, &why)),
                    }
                }
            }
            Err(why) => found.missing = Some(why),
        }
    }
    found.headers = headers(user, token.as_ref())?;
    Ok(found)
}

/// The token file wins over `token`, which stands in where the file can't be read: so client-go has it.
fn token(user: &User) -> Result<Option<Secret>, String> {
    let given = user.token.clone().filter(|t| !t.reveal().trim().is_empty());
    let Some(path) = user.token_file.as_ref().filter(|p| !p.as_os_str().is_empty()) else { return Ok(given) };
    let place = path.display();
    match (std::fs::read_to_string(path), given) {
        (Ok(text), given) if text.trim().is_empty() => match given {
            Some(given) => Ok(Some(given)),
            None => Err(format!("the token file {place} is empty")),
        },
        (Ok(text), _) => Ok(Some(Secret::new(text.trim()))),
        (Err(_), Some(given)) => Ok(Some(given)),
        (Err(e), None) => Err(format!("the token file {place} can't be read: {}", text::unreadable(&e))),
    }
}

/// Of the providers that were once inside client-go only `oidc` is left, and its ID token is an ordinary bearer token.
fn of_provider(provider: &AuthProvider) -> Result<Secret, String> {
    let token = provider.config.as_ref().and_then(|c| c.get("id-token")).filter(|t| !t.reveal().is_empty());
    match (provider.name.as_str(), token) {
        ("oidc", Some(token)) => Ok(token.clone()),
        ("oidc", None) => {
            Err("its auth-provider oidc has no id-token: use an exec plugin (kubelogin) instead".to_owned())
        }
        (name, _) => Err(format!(
            "its auth-provider {name:?} is not known (Kubernetes 1.26 removed all but oidc): use an exec plugin instead"
        )),
    }
}

/// `client-certificate(-data)` with `client-key(-data)`; the data comes before the file.
fn of_user(user: &User) -> Result<Option<Arc<CertifiedKey>>, String> {
    let bad = |why: String| format!("its client certificate can't be used: {why}");
    let certificate = pem::material(
        user.client_certificate_data.as_deref(),
        user.client_certificate.as_deref(),
        "client-certificate",
    );
    let key =
        pem::material(user.client_key_data.as_ref().map(Secret::reveal), user.client_key.as_deref(), "client-key");
    match (certificate.map_err(bad)?, key.map_err(bad)?) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => identity::certified(&certificate, &key).map(Some).map_err(bad),
        (Some(_), None) => Err(bad("there is no client-key for it".to_owned())),
        (None, Some(_)) => Err(bad("there is only its client-key".to_owned())),
    }
}

/// `Authorization`, and the headers of impersonation.
fn headers(user: &User, token: Option<&Secret>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let authorization = match (token, user.username.as_ref().filter(|name| !name.is_empty())) {
        (Some(token), _) => Some(format!("Bearer {}", token.reveal().trim())),
        (None, Some(name)) => {
            let password = user.password.as_ref().map_or("", Secret::reveal);
            Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}"))))
        }
        (None, None) => None,
    };
    if let Some(authorization) = authorization {
        let mut value = HeaderValue::try_from(authorization)
            .map_err(|_| "its token has characters that no token has".to_owned())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let Some(name) = user.impersonate.as_deref().filter(|n| !n.is_empty()) else { return Ok(headers) };
    let mut add = |header: &str, value: &str| {
        let bad = |_| "an impersonation header can't be sent".to_owned();
        let header = HeaderName::try_from(header).map_err(|_| bad(()))?;
        headers.append(header, HeaderValue::try_from(value).map_err(|_| bad(()))?);
        Ok::<(), String>(())
    };
    add("impersonate-user", name)?;
    if let Some(uid) = user.as_uid.as_deref().filter(|u| !u.is_empty()) {
        add("impersonate-uid", uid)?;
    }
    for group in user.as_groups.iter().flatten() {
        add("impersonate-group", group)?;
    }
    for (key, values) in user.as_user_extra.iter().flatten() {
        for value in values {
            add(&format!("impersonate-extra-{}", escaped(key)), value)?;
        }
    }
    Ok(headers)
}

/// A key with what a header's name can't hold percent-encoded, as client-go does.
fn escaped(key: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&b);
    key.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
