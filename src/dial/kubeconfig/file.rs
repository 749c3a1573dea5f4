//! What a kubeconfig file says, as client-go's decoder takes it: only the first document, of two equal keys the last,
//! unknown fields not at all. Errors name a place, never what is written there: it may be a secret.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_saphyr::options::DuplicateKeyPolicy;

use crate::model::Secret;

/// Keys and values in one file: hundreds of clusters have some thousands. Each takes some hundred bytes while it is read.
const NODES_MAX: usize = 50_000;

/// A whole file.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::dial) struct File {
    #[serde(rename = "current-context")]
    pub(super) current_context: Option<String>,
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser>>,
    contexts: Option<Vec<NamedContext>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedCluster {
    name: String,
    cluster: Option<Cluster>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedUser {
    name: String,
    user: Option<User>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedContext {
    name: String,
    context: Option<Context>,
}

/// Which cluster with which user.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::dial) struct Context {
    pub(in crate::dial) cluster: Option<String>,
    pub(in crate::dial) user: Option<String>,
}

/// Says how a cluster is reached.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(in crate::dial) struct Cluster {
    pub(in crate::dial) server: Option<String>,
    pub(in crate::dial) insecure_skip_tls_verify: Option<bool>,
    pub(in crate::dial) certificate_authority: Option<PathBuf>,
    pub(in crate::dial) certificate_authority_data: Option<String>,
    pub(in crate::dial) proxy_url: Option<Secret>,
    pub(in crate::dial) tls_server_name: Option<String>,
    pub(in crate::dial) extensions: Option<Vec<Extension>>,
}

/// Something for an exec plugin.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::dial) struct Extension {
    pub(in crate::dial) name: String,
    pub(in crate::dial) extension: serde_json::Value,
}

/// Says who we are.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(in crate::dial) struct User {
    pub(in crate::dial) token: Option<Secret>,
    #[serde(rename = "tokenFile")]
    pub(in crate::dial) token_file: Option<PathBuf>,
    pub(in crate::dial) username: Option<String>,
    pub(in crate::dial) password: Option<Secret>,
    pub(in crate::dial) client_certificate: Option<PathBuf>,
    pub(in crate::dial) client_certificate_data: Option<String>,
    pub(in crate::dial) client_key: Option<PathBuf>,
    pub(in crate::dial) client_key_data: Option<Secret>,
    #[serde(rename = "as")]
    pub(in crate::dial) impersonate: Option<String>,
    pub(in crate::dial) as_uid: Option<String>,
    pub(in crate::dial) as_groups: Option<Vec<String>>,
    pub(in crate::dial) as_user_extra: Option<BTreeMap<String, Vec<String>>>,
    pub(in crate::dial) auth_provider: Option<AuthProvider>,
    pub(in crate::dial) exec: Option<Exec>,
}

/// A provider inside client-go; today only `oidc` is left there.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::dial) struct AuthProvider {
    pub(in crate::dial) name: String,
    pub(in crate::dial) config: Option<BTreeMap<String, Secret>>,
}

/// A program that gives credentials.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::dial) struct Exec {
    pub(in crate::dial) api_version: Option<String>,
    pub(in crate::dial) command: Option<String>,
    pub(in crate::dial) args: Option<Vec<String>>,
    pub(in crate::dial) env: Option<Vec<Variable>>,
    pub(in crate::dial) install_hint: Option<String>,
    pub(in crate::dial) interactive_mode: Option<String>,
    pub(in crate::dial) provide_cluster_info: bool,
}

/// A variable of its environment.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::dial) struct Variable {
    pub(in crate::dial) name: String,
    pub(in crate::dial) value: String,
}

/// Says why a file can't be taken.
pub(super) enum Unreadable {
    /// The operating system, or no text.
    Io(io::Error),
    /// No YAML, or other things than a kubeconfig has: line and column, where known.
    Parse(Option<(u64, u64)>),
}

impl File {
    /// Reads a file; the paths in it are relative to its folder.
    pub(super) fn read(path: &Path) -> Result<Self, Unreadable> {
        let text = decode(std::fs::read(path).map_err(Unreadable::Io)?).map_err(Unreadable::Io)?;
        let mut file = Self::parse(&text)?;
        file.make_absolute(path.parent().unwrap_or(Path::new("")));
        Ok(file)
    }

    fn parse(text: &str) -> Result<Self, Unreadable> {
        let options = serde_saphyr::options! {
            duplicate_keys: DuplicateKeyPolicy::LastWins,
            budget: serde_saphyr::budget! { max_nodes: NODES_MAX },
        };
        match serde_saphyr::from_str_with_options::<Option<Self>>(first_document(text), options) {
            Ok(file) => Ok(file.unwrap_or_default()),
            Err(e) => Err(Unreadable::Parse(e.location().map(|at| (at.line(), at.column())))),
        }
    }

    fn make_absolute(&mut self, folder: &Path) {
        let join = |path: &mut Option<PathBuf>| {
            if let Some(path) = path.as_mut().filter(|p| !p.as_os_str().is_empty()) {
                *path = folder.join(&*path);
            }
        };
        for cluster in self.clusters.iter_mut().flatten().filter_map(|n| n.cluster.as_mut()) {
            join(&mut cluster.certificate_authority);
        }
        for user in self.users.iter_mut().flatten().filter_map(|n| n.user.as_mut()) {
            for path in [&mut user.token_file, &mut user.client_certificate, &mut user.client_key] {
                join(path);
            }
            // A bare name is looked for in PATH.
            let command = user.exec.as_mut().and_then(|e| e.command.as_mut()).filter(|c| c.contains('/'));
            if let Some(command) = command {
                *command = folder.join(&*command).to_string_lossy().into_owned();
            }
        }
    }

    /// Adds what a file further down the list has and this one has not: the first that names a thing decides it wholly.
    pub(super) fn merge(mut self, next: Self) -> Self {
        let said = |context: &Option<String>| context.as_ref().is_some_and(|c| !c.is_empty());
        if !said(&self.current_context) {
            self.current_context = next.current_context;
        }
        append(&mut self.clusters, next.clusters, |n| &n.name);
        append(&mut self.users, next.users, |n| &n.name);
        append(&mut self.contexts, next.contexts, |n| &n.name);
        self
    }

    /// Returns the names of all contexts.
    pub(super) fn contexts(&self) -> Vec<&str> {
        self.contexts.iter().flatten().map(|n| n.name.as_str()).collect()
    }

    /// Returns a context by name.
    pub(super) fn context(&self, name: &str) -> Option<Context> {
        let named = self.contexts.iter().flatten().find(|n| n.name == name)?;
        Some(named.context.clone().unwrap_or_default())
    }

    /// Returns a cluster by name.
    pub(super) fn cluster(&self, name: &str) -> Option<Cluster> {
        let named = self.clusters.iter().flatten().find(|n| n.name == name)?;
        Some(named.cluster.clone().unwrap_or_default())
    }

    /// Returns a user by name.
    pub(super) fn user(&self, name: &str) -> Option<User> {
        let named = self.users.iter().flatten().find(|n| n.name == name)?;
        Some(named.user.clone().unwrap_or_default())
    }
}

fn append<T>(base: &mut Option<Vec<T>>, next: Option<Vec<T>>, name: impl Fn(&T) -> &String) {
    let base = base.get_or_insert_default();
    for item in next.into_iter().flatten() {
        if !base.iter().any(|known| name(known) == name(&item)) {
            base.push(item);
        }
    }
}

/// The text up to the end of its first document, which is all that kubectl reads: at a line's begin `---` and `...` are never a
/// part of a value (YAML 1.2, 9.1.2).
fn first_document(text: &str) -> &str {
    let (mut end, mut has_begun) = (0, false);
    for line in text.split_inclusive('\n') {
        let marker = line.get(..3).filter(|m| ["---", "..."].contains(m));
        let rest =
            marker.and_then(|_| line.get(3..)).filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        let said = rest.unwrap_or(line).trim_start();
        if has_begun && rest.is_some() {
            return text.get(..end).unwrap_or(text);
        }
        has_begun |= !said.is_empty() && !said.starts_with(['#', '%']);
        end += line.len();
    }
    text
}

/// UTF-8, or what a byte order mark says: editors and shells of Windows write UTF-16.
fn decode(bytes: Vec<u8>) -> io::Result<String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).filter_map(|c| Some(unit(c.try_into().ok()?))).collect();
        String::from_utf16(&units).ok()
    };
    let text = match bytes.as_slice() {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes).ok(),
    };
    text.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no text"))
}
