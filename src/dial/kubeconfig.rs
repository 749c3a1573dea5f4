//! The kubeconfig as kube reads it: files merged, context found, paths made absolute.

use std::path::{Path, PathBuf};

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::{DialConfig, DialError};

/// A kubeconfig with its context chosen.
pub(super) struct Chosen {
    /// As kube has it; `auth_info.exec` and `token_file` not yet followed.
    pub(super) config: Config,
    /// The context's name.
    pub(super) context: String,
    /// In words, for messages.
    pub(super) place: String,
    /// Every file that it names besides itself.
    pub(super) files: Vec<PathBuf>,
}

/// The kubeconfig's own files: the one configured, else those of `$KUBECONFIG`, else `~/.kube/config`.
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
pub(super) async fn read(config: &DialConfig) -> Result<Chosen, DialError> {
    let place = match (&config.kubeconfig, paths(config).as_slice()) {
        (_, [one]) => one.display().to_string(),
        (_, many) => many.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(":"),
    };
    let read = match &config.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let kubeconfig = read.map_err(|e| words(&e, &place, &[]))?;
    let contexts: Vec<String> = kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
    let context = config.context.clone().or_else(|| kubeconfig.current_context.clone()).filter(|c| !c.is_empty());
    let Some(context) = context else {
        return Err(words(&KubeconfigError::CurrentContextNotSet, &place, &contexts));
    };
    let files = files(&kubeconfig, &context);
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Ok(Chosen { config: config.map_err(|e| words(&e, &place, &contexts))?, context, place, files })
}

/// The files that the context's cluster and user name.
fn files(kubeconfig: &Kubeconfig, context: &str) -> Vec<PathBuf> {
    let chosen = kubeconfig.contexts.iter().find(|c| c.name == context).and_then(|c| c.context.as_ref());
    let cluster = chosen
        .and_then(|c| kubeconfig.clusters.iter().find(|n| n.name == c.cluster))
        .and_then(|n| n.cluster.as_ref())
        .and_then(|c| c.certificate_authority.as_ref());
    let user = chosen
        .and_then(|c| kubeconfig.auth_infos.iter().find(|n| Some(&n.name) == c.user.as_ref()))
        .and_then(|n| n.auth_info.as_ref());
    let of_user = user.into_iter().flat_map(|u| [&u.client_certificate, &u.client_key, &u.token_file]).flatten();
    cluster.into_iter().chain(of_user).map(PathBuf::from).collect()
}

/// kube's errors in our words. YAML errors are told by place only: their text may quote a secret.
fn words(error: &KubeconfigError, place: &str, contexts: &[String]) -> DialError {
    use KubeconfigError as K;
    let known =
        || if contexts.is_empty() { "it has none".to_owned() } else { format!("it has {}", contexts.join(", ")) };
    DialError::new(match error {
        K::FindPath => "no kubeconfig: set `kubeconfig:` for the cluster or $KUBECONFIG".to_owned(),
        K::ReadConfig(e, path) => format!("the kubeconfig {} can't be read: {e}", path.display()),
        K::Parse(e) => match e.location() {
            Some(at) => format!(
                "the kubeconfig {place} can't be understood at line {}, column {}: wrong YAML, or not a kubeconfig",
                at.line(),
                at.column()
            ),
            None => format!("the kubeconfig {place} can't be understood: wrong YAML, or not a kubeconfig"),
        },
        K::CurrentContextNotSet => {
            format!("the kubeconfig {place} names no current-context: choose one with `context:` ({})", known())
        }
        K::LoadContext(name) => format!("the kubeconfig {place} has no context {name:?}: {}", known()),
        K::LoadClusterOfContext(name) => {
            format!("the kubeconfig {place} has no cluster {name:?}, which its context names")
        }
        K::MissingClusterUrl => format!("the kubeconfig {place} gives no `server` for its cluster"),
        other => format!("the kubeconfig {place} can't be used: {other}"),
    })
}

/// What tells that a file has changed: a new time, size or inode (Kubernetes swaps symlinks).
pub(super) type Stamp = Option<(std::time::SystemTime, u64, u64)>;

/// The stamp of a file; `None` where there is no such file.
pub(super) fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}
