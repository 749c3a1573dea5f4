//! A string that must never be shown, and words about files that hold one.

use std::{cell::RefCell, io, path::Path};

use serde::{Deserialize, Serialize, Serializer};

use super::text;

/// A password, token or key. `Debug`, `Display` and `Serialize` show `<secret>`; only [`Secret::reveal`] gives the value.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

super::written::written!(Secret, "Secret", {"type": "string"});

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Returns the value itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns all secrets of a value, in the order in which it is written.
    pub fn all_of(value: &impl Serialize) -> Vec<Self> {
        SEEN.set(Some(Vec::new()));
        // What can't be written ends there, for both that are compared.
        _ = serde_json::to_value(value);
        SEEN.take().unwrap_or_default()
    }
}

thread_local! {
    /// Those that were written since somebody asked for all of a value.
    static SEEN: RefCell<Option<Vec<Secret>>> = const { RefCell::new(None) };
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        SEEN.with_borrow_mut(|seen| seen.iter_mut().for_each(|all| all.push(self.clone())));
        s.serialize_str("<secret>")
    }
}

/// Says why a file with a secret can't be read. Where there is no such file its name is not said: who takes `password_file`
/// for `password` has written the secret there.
pub fn unreadable(file: &Path, error: &io::Error) -> String {
    if file.symlink_metadata().is_ok() {
        return format!("{} can't be read: {}", file.display(), text::unreadable(error));
    }
    let below = file.ancestors().skip(1).find(|dir| dir.is_dir()).unwrap_or(Path::new("."));
    let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    format!("there is no such file below {} (what stands in the file goes into the key without _file)", below.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_place_of_a_files_name_is_not_said() {
        let dir = tempfile::tempdir().unwrap();
        let error = io::Error::from_raw_os_error(2);
        let said = unreadable(&dir.path().join("hunter2/and/more"), &error);
        assert!(said.starts_with(&format!("there is no such file below {} ", dir.path().display())), "{said}");
        assert!(!said.contains("hunter2") && !unreadable(Path::new("hunter2"), &error).contains("hunter2"));
        let file = dir.path().join("token");
        std::fs::write(&file, "x").unwrap();
        let said = unreadable(&file, &io::Error::from_raw_os_error(13));
        assert_eq!(said, format!("{} can't be read: this user may not read it", file.display()));
    }
}
