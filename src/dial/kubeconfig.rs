//! The kubeconfig as kubectl takes it: files merged, context found, paths made absolute. Reads the kubeconfig's own files
//! only; what it refers to is read by `access`.

mod file;

use std::path::{Path, PathBuf};

use self::file::Unreadable;
pub(super) use self::file::{AuthProvider, Cluster, Exec, File, User};
use super::{DialConfig, DialError};
use crate::model::text;

/// A kubeconfig with its context chosen.
pub(super) struct Chosen {
    /// How the cluster is reached.
    pub(super) cluster: Cluster,
    /// Who we are.
    pub(super) user: User,
    /// Why there is no user, where the context names none that is known: kubectl goes on without credentials, too.
    pub(super) anonymous: Option<String>,
    /// The context's name.
    pub(super) context: String,
    /// In words, for messages.
    pub(super) place: String,
}

/// Returns the kubeconfig's own files: the one configured, else those of `$KUBECONFIG`, else `~/.kube/config`.
pub(super) fn paths(config: &DialConfig) -> Vec<PathBuf> {
    if let Some(path) = &config.kubeconfig {
        return vec![path.clone()];
    }
    let listed: Vec<PathBuf> = std::env::var_os("KUBECONFIG")
        .map(|list| std::env::split_paths(&list).filter(|p| !p.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    if listed.is_empty() {
        return std::env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect();
    }
    listed
}

/// Reads and chooses.
///
/// # Errors
/// When no file is there, one can't be understood, or the context or its cluster is missing.
pub(super) fn read(config: &DialConfig) -> Result<Chosen, DialError> {
    let paths = paths(config);
    let place = paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(":");
    let file = merged(&paths, &place)?;
    let known = || match file.contexts().as_slice() {
        [] => "it has none".to_owned(),
        names => format!("it has {}", names.join(", ")),
    };
    let bad = |why: String| DialError::new(format!("the kubeconfig {place} {why}"));
    let name = config.context.clone().or_else(|| file.current_context.clone()).filter(|c| !c.is_empty());
    let name =
        name.ok_or_else(|| bad(format!("names no current-context: choose one with `context:` ({})", known())))?;
    let context = file.context(&name).ok_or_else(|| bad(format!("has no context {name:?}: {}", known())))?;
    let cluster = context.cluster.unwrap_or_default();
    let cluster =
        file.cluster(&cluster).ok_or_else(|| bad(format!("has no cluster {cluster:?}, which its context names")))?;
    let named = context.user.filter(|u| !u.is_empty());
    let user = named.as_deref().and_then(|u| file.user(u));
    let anonymous = match (&user, named) {
        (Some(_), _) => None,
        (None, None) => Some(format!("the context {name:?} of the kubeconfig names no user: we have no credentials")),
        (None, Some(user)) => Some(format!(
            "the context {name:?} names the user {user:?}, which the kubeconfig does not have: we have no credentials"
        )),
    };
    Ok(Chosen { cluster, user: user.unwrap_or_default(), anonymous, context: name, place })
}

/// All files of a list in one; those that don't exist are passed over, as long as there is one.
fn merged(paths: &[PathBuf], place: &str) -> Result<File, DialError> {
    let mut whole: Option<File> = None;
    let mut missing = None;
    for path in paths {
        let shown = path.display();
        match File::read(path) {
            Ok(file) => whole = Some(whole.unwrap_or_default().merge(file)),
            Err(Unreadable::Io(e)) if e.kind() == std::io::ErrorKind::NotFound => missing = Some(e),
            Err(Unreadable::Io(e)) => {
                let why = text::unreadable(&e);
                return Err(DialError::new(format!("the kubeconfig {shown} can't be read: {why}")));
            }
            Err(Unreadable::Parse(at)) => {
                let at = at.map(|(line, column)| format!(" at line {line}, column {column}")).unwrap_or_default();
                let words = format!("the kubeconfig {shown} can't be understood{at}: wrong YAML, or not a kubeconfig");
                return Err(DialError::new(words));
            }
        }
    }
    match (whole, missing) {
        (Some(whole), _) => Ok(whole),
        (None, Some(e)) => {
            Err(DialError::new(format!("the kubeconfig {place} can't be read: {}", text::unreadable(&e))))
        }
        (None, None) => Err(DialError::new("no kubeconfig: set `kubeconfig:` for the cluster or $KUBECONFIG")),
    }
}

impl Cluster {
    /// Returns the files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.certificate_authority.iter()
    }
}

impl User {
    /// Returns the files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.client_certificate, &self.client_key, &self.token_file].into_iter().flatten()
    }
}

/// Says what tells that a file has changed: a new time, size or inode (Kubernetes swaps symlinks).
pub(super) type Stamp = Option<(std::time::SystemTime, u64, u64)>;

/// Returns the stamp of a file; `None` where there is no such file.
pub(super) fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

#[cfg(test)]
mod tests;
