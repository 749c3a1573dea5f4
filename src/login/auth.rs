//! `auth:` of the configuration: who has which role, tokens, and what a proxy in front may say. Made ready before it counts.

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Wrong,
    by_role::ByRole,
    caller::{Caller, Proof, Role},
    oidc::{Oidc, config::OidcConfig},
    proxy::{Proxies, Vouched},
    sessions::Session,
    tokens::{TokenConfig, Tokens},
};

/// What stands under `auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Of whom neither `users` nor `roles` tell. Without it: admin while both are empty, else read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_role: Option<Role>,
    /// Names by role.
    pub users: ByRole,
    /// Groups by role.
    pub roles: ByRole,
    /// Programs that log in by a token.
    pub tokens: Vec<TokenConfig>,
    /// In this header a trusted proxy says who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_header: Option<String>,
    /// In this one, in which groups they are, with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups_header: Option<String>,
    /// Networks and addresses of proxies that are believed.
    pub trusted_proxies: Vec<String>,
    /// Where people log in by a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcConfig>,
}

impl AuthConfig {
    /// Files are relative to the one that names them.
    pub fn resolve_paths(&mut self, base: &Path) {
        for file in self.tokens.iter_mut().filter_map(|token| token.hash_file.as_mut()) {
            *file = base.join(&*file);
        }
        if let Some(oidc) = &mut self.oidc {
            oidc.resolve_paths(base);
        }
    }

    /// Reads the files that logins need.
    ///
    /// # Errors
    /// Why one can't be read, with its path below `auth`.
    pub async fn check_files(&self) -> Result<(), Wrong> {
        let Some(oidc) = self.oidc.as_ref().and_then(|oidc| Oidc::new(oidc).ok()) else { return Ok(()) };
        oidc.check_files().await.map_err(|why| ("oidc".to_owned(), why))
    }

    /// The role of somebody with this name, in these groups. Who is named has that role, whatever their groups say.
    fn role(&self, name: &str, groups: &[String]) -> Role {
        let otherwise = if self.users.is_empty() && self.roles.is_empty() { Role::Admin } else { Role::Read };
        self.users
            .of(std::iter::once(name))
            .or_else(|| self.roles.of(groups.iter().map(String::as_str)))
            .unwrap_or(self.default_role.unwrap_or(otherwise))
    }
}

/// The same, ready. Cheap to clone where there are few tokens.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    config: AuthConfig,
    /// Programs.
    pub tokens: Tokens,
    /// Proxies in front.
    pub proxies: Proxies,
    /// Where people log in by a page.
    pub oidc: Option<Arc<Oidc>>,
}

impl Auth {
    /// Reads files of hashes.
    ///
    /// # Errors
    /// All that is wrong, each with its path below `auth`.
    pub fn new(config: &AuthConfig) -> Result<Self, Vec<Wrong>> {
        let (user, groups) = (config.proxy_header.as_deref(), config.groups_header.as_deref());
        let below = |wrong: Vec<Wrong>| wrong.into_iter().map(|(at, why)| (format!("oidc.{at}"), why)).collect();
        let oidc = config.oidc.as_ref().map(|oidc| Oidc::new(oidc).map(Arc::new)).transpose().map_err(below);
        match (Tokens::new(&config.tokens), Proxies::new(user, groups, &config.trusted_proxies), oidc) {
            (Ok(tokens), Ok(proxies), Ok(oidc)) => Ok(Self { config: config.clone(), tokens, proxies, oidc }),
            (tokens, proxies, oidc) => {
                let wrong: [Option<Vec<Wrong>>; 3] = [tokens.err(), proxies.err(), oidc.err()];
                Err(wrong.into_iter().flatten().flatten().collect())
            }
        }
    }

    /// Whether there is a way to log in.
    pub fn asks(&self) -> bool {
        !self.tokens.is_empty() || self.knows_people()
    }

    /// Whether people log in elsewhere, and are known here by that.
    pub fn knows_people(&self) -> bool {
        self.proxies.vouch() || self.oidc.is_some()
    }

    /// Somebody who has proved their name.
    pub fn person(&self, name: &str, proof: Proof) -> Caller {
        Caller::person(name, proof, self.config.role(name, &[]))
    }

    /// Somebody who logged in at the issuer that is asked now; what their groups may is as it is configured now.
    pub fn of_session(&self, session: &Session) -> Option<Caller> {
        let oidc = self.oidc.as_ref().filter(|oidc| oidc.issuer() == session.issuer)?;
        let identity = &session.identity;
        let caller = Caller::person(&identity.name, Proof::Oidc, oidc.role(&identity.groups));
        Some(caller.bound_to(&identity.subject))
    }

    /// Somebody for whom a proxy vouches.
    pub fn vouched(&self, who: Vouched) -> Caller {
        let role = self.config.role(&who.name, &who.groups);
        Caller::person(who.name, Proof::Proxy, role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_before_groups_and_those_before_the_default() {
        let config = |text: &str| serde_json::from_str::<AuthConfig>(text).unwrap();
        let check = |config: &AuthConfig, name: &str, groups: &[&str], expected: Role| {
            let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
            assert_eq!(config.role(name, &groups), expected, "{name} {groups:?}");
        };
        let nobody_named = config("{}");
        check(&nobody_named, "ada", &["sre"], Role::Admin);
        let named = config(
            r#"{"users": {"admin": ["ada"], "none": ["mallory"]}, "roles": {"operate": ["sre"], "read": ["all"], "admin": ["root"]}}"#,
        );
        check(&named, "ada", &["all"], Role::Admin);
        check(&named, "mallory", &["root"], Role::None);
        check(&named, "bob", &["all", "sre"], Role::Operate);
        check(&named, "sre", &[], Role::Read);
        check(&named, "bob", &["ada"], Role::Read);
        let strict = AuthConfig { default_role: Some(Role::None), ..named };
        check(&strict, "bob", &["other"], Role::None);
        assert!(serde_json::from_str::<AuthConfig>(r#"{"users": {"root": []}}"#).is_err());
    }
}
