//! Who asks, how that was proved, and what they may do. Pure.

use serde::{Deserialize, Serialize};

/// What somebody may do; each holds those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Nothing.
    None,
    /// See pages, ask APIs and /metrics.
    Read,
    /// Acknowledge, withdraw, silence, note, post alerts.
    Operate,
    /// Reload, see the configuration and who did what.
    Admin,
}

/// What a token is for; none holds another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// What [`Role::Read`] may.
    Read,
    /// Acknowledge, withdraw, silence, note.
    Write,
    /// Report for every heartbeat, by its name.
    Ping,
    /// Post alerts.
    AlertsIn,
}

/// What an address asks of whoever comes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// Nothing: it is open to all, or what is asked proves itself.
    Nothing,
    /// To see.
    Read,
    /// To change what is told of incidents.
    Operate,
    /// To post alerts.
    AlertsIn,
    /// To change or see how dogwatch itself is set up.
    Admin,
}

impl Need {
    /// What it is called where it is missing.
    pub fn words(self) -> &'static str {
        match self {
            Need::Nothing => "nothing",
            Need::Read => "the role read (a token: the scope read)",
            Need::Operate => "the role operate (a token: the scope write)",
            Need::AlertsIn => "the role operate (a token: the scope alerts-in)",
            Need::Admin => "the role admin",
        }
    }
}

/// How somebody proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// Not at all: nobody is asked to.
    None,
    /// By a password.
    Password,
    /// By a token of the configuration.
    Token,
    /// By the token of a cluster's monitoring.
    Cluster,
    /// By a proxy that is trusted.
    Proxy,
    /// By a certificate.
    Certificate,
    /// At an issuer.
    Oidc,
}

impl Proof {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Proof::None => "none",
            Proof::Password => "password",
            Proof::Token => "token",
            Proof::Cluster => "cluster",
            Proof::Proxy => "proxy",
            Proof::Certificate => "certificate",
            Proof::Oidc => "oidc",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Powers {
    Role(Role),
    Scopes(Vec<Scope>),
}

/// Somebody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name; empty: nobody was asked for one.
    pub name: String,
    /// How they proved it.
    pub proof: Proof,
    /// What tells them apart from others of the same name; empty: nothing does.
    subject: String,
    powers: Powers,
}

impl Caller {
    /// Whoever comes where nobody is asked who they are: they may do everything.
    pub fn anybody() -> Self {
        Self::person(String::new(), Proof::None, Role::Admin)
    }

    /// Somebody who has shown nothing, where that is asked.
    pub fn stranger() -> Self {
        Self { powers: Powers::Role(Role::None), ..Self::anybody() }
    }

    /// Somebody with a role.
    pub fn person(name: impl Into<String>, proof: Proof, role: Role) -> Self {
        Self { name: name.into(), proof, subject: String::new(), powers: Powers::Role(role) }
    }

    /// A program with a token.
    pub fn token(name: impl Into<String>, scopes: Vec<Scope>) -> Self {
        Self { powers: Powers::Scopes(scopes), ..Self::person(name, Proof::Token, Role::None) }
    }

    /// A cluster's monitoring.
    pub fn cluster(name: impl Into<String>) -> Self {
        Self { proof: Proof::Cluster, ..Self::token(name, vec![Scope::AlertsIn]) }
    }

    /// The same, told apart from others of that name by what their issuer knows them by.
    pub fn bound_to(self, subject: &str) -> Self {
        Self { subject: subject.to_owned(), ..self }
    }

    /// Who they are and no other: how they proved it, their name, and what their issuer knows them by.
    pub fn key(&self) -> [&str; 3] {
        [self.proof.as_str(), &self.name, &self.subject]
    }

    /// Whether there is nothing that they may.
    pub fn may_nothing(&self) -> bool {
        self.powers == Powers::Role(Role::None)
    }

    /// Whether they may.
    pub fn may(&self, need: Need) -> bool {
        match (&self.powers, need) {
            (_, Need::Nothing) => true,
            (Powers::Role(role), Need::Read) => *role >= Role::Read,
            (Powers::Role(role), Need::Operate | Need::AlertsIn) => *role >= Role::Operate,
            (Powers::Role(role), Need::Admin) => *role >= Role::Admin,
            (Powers::Scopes(scopes), Need::Read) => scopes.contains(&Scope::Read),
            (Powers::Scopes(scopes), Need::Operate) => scopes.contains(&Scope::Write),
            (Powers::Scopes(scopes), Need::AlertsIn) => scopes.contains(&Scope::AlertsIn),
            (Powers::Scopes(_), Need::Admin) => false,
        }
    }

    /// Whether they may report for a heartbeat by its name. A person presses no such button.
    pub fn may_ping(&self) -> bool {
        matches!(&self.powers, Powers::Scopes(scopes) if scopes.contains(&Scope::Ping))
    }

    /// Whether a browser proves it by itself with every request, so that a page of somebody else's could use it.
    pub fn is_ambient(&self) -> bool {
        matches!(self.proof, Proof::Password | Proof::Proxy | Proof::Certificate | Proof::Oidc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_hold_those_before_them_and_scopes_nothing_but_themselves() {
        const NEEDS: [Need; 5] = [Need::Nothing, Need::Read, Need::Operate, Need::AlertsIn, Need::Admin];
        let check = |caller: &Caller, expected: [bool; 5]| assert_eq!(NEEDS.map(|need| caller.may(need)), expected);
        for (role, expected) in [
            (Role::None, [true, false, false, false, false]),
            (Role::Read, [true, true, false, false, false]),
            (Role::Operate, [true, true, true, true, false]),
            (Role::Admin, [true, true, true, true, true]),
        ] {
            let person = Caller::person("ada", Proof::Password, role);
            check(&person, expected);
            assert!(!person.may_ping() && person.is_ambient());
        }
        for (scope, expected) in [
            (Scope::Read, [true, true, false, false, false]),
            (Scope::Write, [true, false, true, false, false]),
            (Scope::AlertsIn, [true, false, false, true, false]),
            (Scope::Ping, [true, false, false, false, false]),
        ] {
            let token = Caller::token("ci", vec![scope]);
            check(&token, expected);
            assert_eq!(token.may_ping(), scope == Scope::Ping);
            assert!(!token.is_ambient());
        }
        check(&Caller::token("none", Vec::new()), [true, false, false, false, false]);
        check(&Caller::cluster("prod"), [true, false, false, true, false]);
        check(&Caller::stranger(), [true, false, false, false, false]);
        check(&Caller::anybody(), [true; 5]);
    }
}
