//! People who log in at an issuer (OpenID Connect 1.0, the code flow with PKCE): where their browser is sent, and who they are
//! when it comes back.
//!
//! Nothing is asked of an issuer before somebody logs in, so that one that is down stops no start and nobody who is logged in.
//! No token of the issuer is kept. What an issuer says goes into the log; pages tell only that it can't be used.

pub mod config;
mod exchange;
mod terms;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, Client, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    SubjectIdentifier, TokenResponse as _, UserInfoClaims, UserInfoError,
    core::{CoreAuthenticationFlow, CoreClientAuthMethod, CoreGenderClaim, CoreProviderMetadata},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{sync::Semaphore, time::Instant};

use self::{
    config::OidcConfig,
    exchange::{Exchange, because},
    terms::{Others, OurClient, SIGNATURES, Tokens},
};
use super::{
    Wrong,
    begun::{Begun, Used},
    caller::Role,
};

/// What an issuer says of itself is asked for anew after this; it changes its keys seldom.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// One that could not be reached is not asked again within this: whoever comes to the page makes us ask.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Logins that are looked at with the issuer at a time.
const AT_ONCE: usize = 4;
/// The whole of one may take this; `http` answers within 10 s.
const LOGIN_WITHIN: Duration = Duration::from_secs(9);
/// Of that, to learn what the issuer says of itself.
const DISCOVERY_WITHIN: Duration = Duration::from_secs(4);
/// Groups of one person that are kept …
const GROUPS_MAX: usize = 500;
/// … and bytes of the name of one, and of a person's.
const NAME_MAX: usize = 200;

/// Who somebody is, as an issuer says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What the issuer knows them by, for ever.
    pub subject: String,
    /// What people know them by.
    pub name: String,
    /// The groups that they are in.
    pub groups: Vec<String>,
}

/// Why nobody is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Too many log in at once.
    Busy,
    /// The issuer does not answer, or not as one; why, for the log.
    Unreachable(String),
    /// What came of it is not to be believed; why, for the log.
    Refused(String),
}

/// An issuer, as it was last heard of.
#[derive(Debug)]
struct Heard {
    at: Instant,
    said: Result<Arc<CoreProviderMetadata>, String>,
}

/// An issuer, ready to be asked.
#[derive(Debug)]
pub struct Oidc {
    config: OidcConfig,
    issuer: IssuerUrl,
    exchange: Exchange,
    heard: tokio::sync::Mutex<Option<Heard>>,
    turns: Semaphore,
    used: Used,
}

impl Oidc {
    /// Made of a configuration; asks nothing yet.
    ///
    /// # Errors
    /// All that is wrong, each with its path below `auth.oidc`.
    pub(super) fn new(config: &OidcConfig) -> Result<Self, Vec<Wrong>> {
        let wrong = config.problems();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let one = |at: &str, why: String| vec![(at.to_owned(), why)];
        let issuer = IssuerUrl::new(config.issuer.clone()).map_err(|e| one("issuer", format!("is no URL: {e}")))?;
        let exchange = Exchange::new(config).map_err(|(at, why)| one(&at, why))?;
        let (heard, turns) = (tokio::sync::Mutex::default(), Semaphore::new(AT_ONCE));
        Ok(Self { config: config.clone(), issuer, exchange, heard, turns, used: Used::default() })
    }

    /// The issuer, as people know it: its host.
    pub fn host(&self) -> &str {
        self.issuer.url().host_str().unwrap_or_default()
    }

    /// The issuer's own name.
    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// How long somebody stays logged in.
    pub fn session(&self) -> Duration {
        self.config.session
    }

    /// The role of somebody in these groups.
    pub fn role(&self, groups: &[String]) -> Role {
        self.config.roles.of(groups.iter().map(String::as_str)).unwrap_or(self.config.default_role)
    }

    /// Reads the files that it needs.
    ///
    /// # Errors
    /// Why one can't be read.
    pub async fn check_files(&self) -> Result<(), String> {
        self.exchange.check_files().await
    }

    /// Asks what the issuer says of itself.
    ///
    /// # Errors
    /// Why it can't be had.
    pub async fn reach(&self) -> Result<(), String> {
        self.provider(KNOWN_FOR).await.map(drop)
    }

    /// Where a browser is sent to log in, and comes back to `redirect`.
    ///
    /// # Errors
    /// When the issuer can't be asked where that is.
    pub async fn address(&self, begun: &Begun, redirect: &str) -> Result<String, Trouble> {
        let provider = self.provider(KNOWN_FOR).await.map_err(Trouble::Unreachable)?;
        let client = self.client(&provider, redirect).await?;
        let refused = Trouble::Refused;
        let (state, nonce) = (begun.state().map_err(refused)?, begun.nonce().map_err(refused)?);
        let verifier = PkceCodeVerifier::new(begun.verifier().map_err(refused)?);
        let mut ask = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || CsrfToken::new(state), || Nonce::new(nonce))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        // Some refuse a scope that they do not know.
        let known = provider.scopes_supported();
        for scope in self.config.scopes.iter().filter(|scope| *scope != "openid") {
            if known.is_none_or(|known| known.iter().any(|k| k.as_str() == scope)) {
                ask = ask.add_scope(Scope::new(scope.clone()));
            }
        }
        Ok(ask.url().0.to_string())
    }

    /// Who came back with a code. A login ends well once.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn who(
        &self,
        begun: &Begun,
        code: &str,
        redirect: &str,
        now: jiff::Timestamp,
    ) -> Result<Identity, Trouble> {
        let Ok(_turn) = self.turns.try_acquire() else { return Err(Trouble::Busy) };
        let late = || Trouble::Unreachable(format!("no login could be made within {} s", LOGIN_WITHIN.as_secs()));
        let identity =
            tokio::time::timeout(LOGIN_WITHIN, self.ask_who(begun, code, redirect)).await.map_err(|_| late())??;
        match self.used.first(begun, now) {
            true => Ok(identity),
            false => Err(Trouble::Refused("this login was used before".into())),
        }
    }

    async fn ask_who(&self, begun: &Begun, code: &str, redirect: &str) -> Result<Identity, Trouble> {
        let provider = self.provider(KNOWN_FOR).await.map_err(Trouble::Unreachable)?;
        let client = self.client(&provider, redirect).await?;
        let verifier = PkceCodeVerifier::new(begun.verifier().map_err(Trouble::Refused)?);
        let asking = self.exchange.asking().await.map_err(Trouble::Refused)?;
        let request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|e| Trouble::Unreachable(format!("the issuer names no token endpoint: {e}")))?;
        let tokens = match request.set_pkce_verifier(verifier).request_async(&asking).await {
            Ok(tokens) => tokens,
            Err(RequestTokenError::Request(e)) => return Err(Trouble::Unreachable(e.to_string())),
            Err(e) => return Err(Trouble::Refused(self.exchange.without_secret(&because(&e)).await)),
        };
        let mut said = self.verified(&tokens, begun, provider, redirect).await?;
        if said.groups.is_none() && client.user_info_url().is_some() {
            let subject = SubjectIdentifier::new(said.subject.clone());
            let request = client.user_info(tokens.access_token().clone(), Some(subject));
            let request = request.map_err(|e| Trouble::Unreachable(because(&e)))?;
            let more: UserInfoClaims<Others, CoreGenderClaim> = match request.request_async(&asking).await {
                Ok(more) => more,
                Err(UserInfoError::Request(e)) => return Err(Trouble::Unreachable(e.to_string())),
                Err(e) => return Err(Trouble::Refused(because(&e))),
            };
            said.groups = groups(&more.additional_claims().0, &self.config.groups_claim);
            let name = more.preferred_username().map(|n| n.as_str()).or(more.email().map(|e| e.as_str()));
            said.name = said.name.or(name.map(str::to_owned));
        }
        self.identity(said)
    }

    /// What an ID token says, once its signature, issuer, audience, time and nonce have been found right. Keys that we do not
    /// know yet are asked for once: the issuer may have new ones.
    async fn verified(
        &self,
        tokens: &Tokens,
        begun: &Begun,
        provider: Arc<CoreProviderMetadata>,
        redirect: &str,
    ) -> Result<Said, Trouble> {
        let token = tokens.id_token().ok_or_else(|| Trouble::Refused("the issuer sent no ID token".into()))?;
        let nonce = Nonce::new(begun.nonce().map_err(Trouble::Refused)?);
        let read = |client: &OurClient| {
            let verifier = client.id_token_verifier().set_allowed_algs(SIGNATURES);
            token.claims(&verifier, &nonce).map(|claims| Said {
                subject: claims.subject().to_string(),
                name: claims
                    .preferred_username()
                    .map(|n| n.to_string())
                    .or_else(|| claims.email().map(|e| e.to_string())),
                groups: groups(&claims.additional_claims().0, &self.config.groups_claim),
            })
        };
        match read(&self.client(&provider, redirect).await?) {
            Ok(said) => Ok(said),
            Err(ClaimsVerificationError::SignatureVerification(_)) => {
                let newer = self.provider(RETRY_AFTER).await.map_err(Trouble::Unreachable)?;
                read(&self.client(&newer, redirect).await?).map_err(|e| Trouble::Refused(because(&e)))
            }
            Err(e) => Err(Trouble::Refused(because(&e))),
        }
    }

    /// Who that is, in few enough bytes to be kept; groups that have a role here come first.
    fn identity(&self, said: Said) -> Result<Identity, Trouble> {
        let fits = |text: &String| !text.is_empty() && text.len() <= NAME_MAX && !text.chars().any(char::is_control);
        if !fits(&said.subject) {
            return Err(Trouble::Refused(format!("the subject has more than {NAME_MAX} bytes, or none, or odd ones")));
        }
        let name = said.name.filter(fits).unwrap_or_else(|| said.subject.clone());
        let (mut known, mut others) = (Vec::new(), Vec::new());
        for group in said.groups.unwrap_or_default().into_iter().filter(fits) {
            let has_role = self.config.roles.of(std::iter::once(group.as_str())).is_some();
            if has_role { known.push(group) } else { others.push(group) }
        }
        let groups = known.into_iter().chain(others).take(GROUPS_MAX).collect();
        Ok(Identity { subject: said.subject, name, groups })
    }

    /// What the issuer says of itself, no older than that where it can be reached.
    async fn provider(&self, known_for: Duration) -> Result<Arc<CoreProviderMetadata>, String> {
        // Who comes meanwhile waits for the same answer.
        let mut heard = self.heard.lock().await;
        if let Some(last) = &*heard {
            let age = last.at.elapsed();
            if age < known_for.min(if last.said.is_ok() { KNOWN_FOR } else { RETRY_AFTER }) {
                return last.said.clone();
            }
        }
        let said = self.discover().await;
        *heard = Some(Heard { at: Instant::now(), said: said.clone() });
        said
    }

    async fn discover(&self) -> Result<Arc<CoreProviderMetadata>, String> {
        let asking = self.exchange.asking().await?;
        let asked = CoreProviderMetadata::discover_async(self.issuer.clone(), &asking);
        match tokio::time::timeout(DISCOVERY_WITHIN, asked).await {
            Ok(Ok(provider)) => Ok(Arc::new(provider)),
            Ok(Err(e)) => Err(because(&e)),
            Err(_) => Err(format!("{} did not answer within {} s", self.host(), DISCOVERY_WITHIN.as_secs())),
        }
    }

    async fn client(&self, provider: &CoreProviderMetadata, redirect: &str) -> Result<OurClient, Trouble> {
        let secret = self.exchange.secret().await.map_err(Trouble::Refused)?;
        let secret = secret.map(|secret| ClientSecret::new(secret.reveal().to_owned()));
        let redirect = RedirectUrl::new(redirect.to_owned());
        let redirect = redirect.map_err(|e| Trouble::Refused(format!("external_url can't be come back to: {e}")))?;
        let id = ClientId::new(self.config.client_id.clone());
        let client = Client::from_provider_metadata(provider.clone(), id, secret).set_redirect_uri(redirect);
        let ways = provider.token_endpoint_auth_methods_supported();
        let has = |way| ways.is_some_and(|ways| ways.contains(&way));
        let in_body = has(CoreClientAuthMethod::ClientSecretPost) && !has(CoreClientAuthMethod::ClientSecretBasic);
        Ok(client.set_auth_type(if in_body { AuthType::RequestBody } else { AuthType::BasicAuth }))
    }
}

/// What was read of somebody.
struct Said {
    subject: String,
    name: Option<String>,
    /// `None`: nothing is said of groups.
    groups: Option<Vec<String>>,
}

/// The groups in a claim: a list of names, or one name.
fn groups(claims: &BTreeMap<String, Value>, claim: &str) -> Option<Vec<String>> {
    match claims.get(claim)? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => Some(many.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn oidc(more: Value) -> Oidc {
        let mut config = json!({"issuer": "https://login.example.org", "client_id": "dogwatch",
            "roles": {"operate": ["sre"], "admin": ["ops"], "none": ["guests"]}});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Oidc::new(&serde_json::from_value(config).unwrap()).unwrap()
    }

    #[test]
    fn groups_have_roles_and_who_is_in_none_of_them_has_none() {
        let check = |oidc: &Oidc, in_groups: &[&str], expected: Role| {
            let names: Vec<String> = in_groups.iter().map(|g| (*g).to_owned()).collect();
            assert_eq!(oidc.role(&names), expected, "{in_groups:?}");
        };
        let strict = oidc(json!({}));
        check(&strict, &["sre"], Role::Operate);
        check(&strict, &["sre", "ops", "guests"], Role::Admin);
        for none in [&["guests"][..], &["SRE"], &["sre "], &[]] {
            check(&strict, none, Role::None);
        }
        let open = oidc(json!({"default_role": "read"}));
        check(&open, &[], Role::Read);
        check(&open, &["guests"], Role::None);
    }

    #[test]
    fn what_an_issuer_says_of_somebody_is_kept_within_bounds() {
        let oidc = oidc(json!({}));
        let said = |subject: &str, name: Option<&str>, groups: Vec<String>| {
            oidc.identity(Said { subject: subject.into(), name: name.map(str::to_owned), groups: Some(groups) })
        };
        let many: Vec<String> = (0..2_000).map(|i| format!("g{i}")).chain(["sre".into(), "x".repeat(201)]).collect();
        let identity = said("7", Some("ada"), many).unwrap();
        assert_eq!((identity.groups.len(), &*identity.groups[0]), (GROUPS_MAX, "sre"), "what counts is kept");
        assert_eq!((&*identity.name, oidc.role(&identity.groups)), ("ada", Role::Operate));
        for name in [None, Some(""), Some("a\nb"), Some(&*"x".repeat(201))] {
            assert_eq!(said("7", name, vec![]).unwrap().name, "7");
        }
        for subject in ["", "a\u{0}", &"x".repeat(201)] {
            assert!(matches!(said(subject, None, vec![]), Err(Trouble::Refused(_))), "{subject}");
        }
        let claims = |value: Value| BTreeMap::from([("groups".to_owned(), value)]);
        assert_eq!(groups(&claims(json!("sre")), "groups"), Some(vec!["sre".into()]));
        assert_eq!(groups(&claims(json!(["sre", 7, null])), "groups"), Some(vec!["sre".into()]));
        assert_eq!((groups(&claims(json!(7)), "groups"), groups(&claims(json!([])), "roles")), (None, None));
    }
}
