//! `auth:` of the configuration: who has which role, tokens, and what a proxy in front may say. Made ready before it counts.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    Wrong,
    caller::{Caller, Proof, Role},
    proxy::{Proxies, Vouched},
    tokens::{TokenConfig, Tokens},
};

/// What stands under `auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// Names, or groups, by the role that they have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct ByRole {
    pub none: Vec<String>,
    pub read: Vec<String>,
    pub operate: Vec<String>,
    pub admin: Vec<String>,
}

impl ByRole {
    fn lists(&self) -> [(Role, &[String]); 4] {
        [(Role::Admin, &self.admin), (Role::Operate, &self.operate), (Role::Read, &self.read), (Role::None, &self.none)]
    }

    /// The highest role of any of the names.
    fn of<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Option<Role> {
        let has = |list: &[String]| names.clone().any(|name| list.iter().any(|known| known == name));
        self.lists().into_iter().find(|(_, list)| has(list)).map(|(role, _)| role)
    }

    fn is_empty(&self) -> bool {
        self.lists().iter().all(|(_, list)| list.is_empty())
    }
}

impl AuthConfig {
    /// Files are relative to the one that names them.
    pub fn resolve_paths(&mut self, base: &Path) {
        for file in self.tokens.iter_mut().filter_map(|token| token.hash_file.as_mut()) {
            *file = base.join(&*file);
        }
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
}

impl Auth {
    /// Reads files of hashes.
    ///
    /// # Errors
    /// All that is wrong, each with its path below `auth`.
    pub fn new(config: &AuthConfig) -> Result<Self, Vec<Wrong>> {
        let (user, groups) = (config.proxy_header.as_deref(), config.groups_header.as_deref());
        match (Tokens::new(&config.tokens), Proxies::new(user, groups, &config.trusted_proxies)) {
            (Ok(tokens), Ok(proxies)) => Ok(Self { config: config.clone(), tokens, proxies }),
            (tokens, proxies) => Err(tokens.err().into_iter().chain(proxies.err()).flatten().collect()),
        }
    }

    /// Whether there is a way to log in.
    pub fn asks(&self) -> bool {
        !self.tokens.is_empty() || self.proxies.vouch()
    }

    /// Somebody who has proved their name.
    pub fn person(&self, name: &str, proof: Proof) -> Caller {
        Caller::person(name, proof, self.config.role(name, &[]))
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
