//! Names, or groups, by role: the highest counts. Pure.

use serde::{Deserialize, Serialize};

use super::caller::Role;

/// Names, or groups, by the role that they have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
    pub fn of<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Option<Role> {
        let has = |list: &[String]| names.clone().any(|name| list.iter().any(|known| known == name));
        self.lists().into_iter().find(|(_, list)| has(list)).map(|(role, _)| role)
    }

    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.lists().iter().all(|(_, list)| list.is_empty())
    }
}
