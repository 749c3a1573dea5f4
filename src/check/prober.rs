//! What each kind of check is to the rest of this room: one trait, and what the one list of the kinds (in `config`) is
//! made into.
//!
//! A new kind is a file with a config struct that implements [`Prober`], a field in `CheckConfig` and a word in the list below
//! it, and, where its answers have something of their own, a line in `condition`'s subjects.

use std::{path::PathBuf, time::Duration};

use futures_util::future::BoxFuture;

use super::{condition::Condition, found::Found};
use crate::{
    dial::{Place, TlsFiles},
    model::Failure,
};

/// What was asked, or why it could not be.
pub(super) type Asking<'a> = BoxFuture<'a, Result<(), Failure>>;
/// What is wrong with a configuration: the key, from the kind's own on (`.url`; empty for all of it), and why.
pub(super) type Problems = Vec<(String, String)>;

/// Where a check asks, as its configuration has it.
pub(super) struct Address<'a> {
    /// The key below the kind's own.
    pub(super) key: &'static str,
    /// What stands there.
    pub(super) text: &'a str,
    /// What that means, or what is wrong with it.
    pub(super) place: Result<Place, String>,
    /// Each node's address may stand there instead.
    pub(super) at_nodes: bool,
}

/// One kind of check: where it asks, what its answer must be, and the asking.
pub(super) trait Prober: Send + Sync {
    /// Returns how much it asks of a host: the less, the plainer, and the plainer explains the other.
    fn layer(&self) -> u8 {
        3
    }

    /// Returns where it asks, as people write it.
    fn at(&self) -> String;

    /// Returns `host:port`, the label `instance`.
    fn instance(&self) -> String {
        match self.address() {
            Some(address) => address.place.map_or_else(|_| address.text.to_owned(), |place| place.to_string()),
            None => self.at(),
        }
    }

    /// Returns the key that says where; `None` where the kind sees to that by itself (a URL, a path).
    fn address(&self) -> Option<Address<'_>> {
        None
    }

    /// Returns the conditions under `expect`.
    fn expect(&self) -> &[Condition];

    /// Returns all that the answer must be, in the order in which a failure is told.
    fn conditions(&self) -> Vec<&Condition> {
        self.expect().iter().collect()
    }

    /// Returns what conditions may be about, beside `time`; and what an answer of this kind is called.
    fn subjects(&self) -> (&'static [&'static str], &'static str);

    /// Returns what else is wrong with it.
    fn problems(&self) -> Problems {
        Vec::new()
    }

    /// Returns its certificates.
    fn tls_files(&mut self) -> Option<&mut TlsFiles> {
        None
    }

    /// Returns the files that it names, beside certificates.
    fn files(&mut self) -> Vec<&mut PathBuf> {
        Vec::new()
    }

    /// Asks at `instance` (`host:port`, a node's) from now on.
    fn move_to(&mut self, _instance: &str) {}

    /// Returns the time between two probes where nothing is said of it; `None`: that of all targets.
    fn usual_interval(&self) -> Option<Duration> {
        None
    }

    /// Returns whether it can be made at nodes.
    fn goes_to_nodes(&self) -> bool {
        self.address().is_some_and(|address| address.at_nodes)
    }

    /// Returns whether it asks with TLS, where it can be made at the NodePort of an ingress controller; `None`: it can't.
    fn ingress_tls(&self) -> Option<bool> {
        None
    }

    /// Asks once; what conditions say of the answer is judged later.
    fn probe<'a>(&'a self, found: &'a mut Found) -> Asking<'a>;
}

/// Takes the list of the kinds: each is a field of `CheckConfig` with that name and type.
macro_rules! kinds {
    ($($kind:ident: $config:ty,)+) => {
        /// The keys of all kinds.
        const KINDS: &[&str] = &[$(stringify!($kind)),+];

        impl CheckConfig {
            /// Returns the kinds that stand in it, each with its key. One, where it is valid.
            fn kinds(&self) -> Vec<(&'static str, &dyn Prober)> {
                let mut all: Vec<(&'static str, &dyn Prober)> = Vec::new();
                $(if let Some(kind) = &self.$kind {
                    let kind: &$config = kind;
                    all.push((stringify!($kind), kind));
                })+
                all
            }

            /// Returns the same, to be changed.
            fn kinds_mut(&mut self) -> Vec<&mut dyn Prober> {
                let mut all: Vec<&mut dyn Prober> = Vec::new();
                $(if let Some(kind) = &mut self.$kind {
                    let kind: &mut $config = kind;
                    all.push(kind);
                })+
                all
            }
        }
    };
}

pub(super) use kinds;
