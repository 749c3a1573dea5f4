//! The file that `web_config` names: read as the configuration itself is, and tried.

use std::path::{Path, PathBuf};

use super::{
    Config, ConfigError, environment,
    error::Source,
    files::source,
    read,
    tree::{self, Wrong},
};
use crate::login::{Door, config::WebConfig};

/// What stands before every answer, by the file that `web_config` names; without one, nothing.
///
/// # Errors
/// All that is wrong in it and in the certificates that it names, each with its place. What stands there is never shown.
pub fn door(config: &Config) -> Result<Door, Vec<ConfigError>> {
    let Some(path) = &config.web_config else { return Ok(Door::default()) };
    let Some(mut document) = document(path)? else { return Ok(Door::default()) };
    let mut web: WebConfig = read(&mut document)?;
    web.resolve_paths(path.parent().unwrap_or(Path::new("")));
    Door::new(&web).map_err(|wrong| wrong.iter().map(|(at, why)| document.located(&Wrong::new(at, why))).collect())
}

/// Whether it is asked by `https`, as far as the file can be read; certificates are not looked at.
pub fn speaks_tls(config: &Config) -> bool {
    let Some(path) = &config.web_config else { return false };
    let Ok(Some(mut document)) = document(path) else { return false };
    read::<WebConfig>(&mut document).is_ok_and(|web| web.tls().is_some())
}

/// The files that hold secrets, as far as the file can be read: itself, and the key of its certificate.
pub fn secret_files(config: &Config) -> Vec<PathBuf> {
    let Some(path) = &config.web_config else { return Vec::new() };
    let web = document(path).ok().and_then(|document| read::<WebConfig>(&mut document?).ok());
    let key = web.and_then(|mut web| {
        web.resolve_paths(path.parent().unwrap_or(Path::new("")));
        web.tls_server_config?.key_file
    });
    [path.clone()].into_iter().chain(key).collect()
}

/// What a file says; an empty one says nothing.
fn document(path: &Path) -> Result<Option<tree::Document>, Vec<ConfigError>> {
    let text = source(path).map_err(|why| vec![ConfigError::of_file(path, why)])?;
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(None);
    }
    tree::read(&Source { path, text: &text }, &environment).map(Some)
}
