//! The token that was renewed last, in a file of our own, since the kubeconfig's folder is not ours to write. Blocks.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use super::bearer::TOKEN_MAX;
use crate::model::{Secret, text};

/// Reads it; `None`: none was kept yet.
///
/// # Errors
/// Why it can't be read, in words that name the file.
pub(super) fn read(path: &Path) -> Result<Option<Secret>, String> {
    let wrong = |e: io::Error| format!("the token kept in {} can't be read: {}", path.display(), text::unreadable(&e));
    let file = match fs::File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(wrong)?,
    };
    let mut token = String::new();
    file.take(TOKEN_MAX as u64).read_to_string(&mut token).map_err(wrong)?;
    Ok(Some(Secret::new(token.trim())).filter(|token| !token.reveal().is_empty()))
}

/// Writes it beside and puts it in place, so that a crash leaves the old one or the new one.
///
/// # Errors
/// Why it can't be written, in words that name the file.
pub(super) fn write(path: &Path, token: &Secret) -> Result<(), String> {
    let put = || {
        let dir = path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let fresh = path.with_extension("new");
        // One that a crash left; it may be open to others.
        match fs::remove_file(&fresh) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(token.reveal().as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        fs::File::open(dir)?.sync_all()
    };
    put().map_err(|e| format!("the renewed token can't be kept in {}: {}", path.display(), unwritable(&e)))
}

fn unwritable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "this user may not write it".to_owned(),
        _ => text::unreadable(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_kept_is_ours_alone_and_what_a_crash_left_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens/prod.token");
        assert_eq!(read(&path), Ok(None));
        write(&path, &Secret::new("first")).unwrap();
        let left = path.with_extension("new");
        fs::write(&left, "half of").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, &Secret::new("second")).unwrap();
        assert_eq!(read(&path), Ok(Some(Secret::new("second"))));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(!left.exists());
        fs::write(&path, "\n").unwrap();
        assert_eq!(read(&path), Ok(None));
    }

    #[test]
    fn what_can_t_be_kept_is_said_without_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("tokens"), "a file").unwrap();
        let path = dir.path().join("tokens/prod.token");
        let why = write(&path, &Secret::new("hunter2")).unwrap_err();
        assert!(why.contains("tokens/prod.token") && !why.contains("hunter2") && !why.contains("os error"), "{why}");
        assert!(read(&path).unwrap_err().contains("can't be read"));
    }
}
