//! Pages of other origins that may read what programs ask (`cors` of the configuration). None, unless it says so.

use serde::{Deserialize, Serialize};
use url::Url;

use super::Wrong;

/// What stands under `cors`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// `https://grafana.example.org`: each by itself.
    pub origins: Vec<String>,
}

impl CorsConfig {
    /// The origins as browsers write them.
    ///
    /// # Errors
    /// Each that is none, with its path.
    pub fn read(&self) -> Result<Vec<String>, Vec<Wrong>> {
        let (mut origins, mut wrong) = (Vec::new(), Vec::new());
        for (i, text) in self.origins.iter().enumerate() {
            match Url::parse(text).ok().filter(is_origin) {
                Some(url) => origins.push(url.origin().ascii_serialization()),
                None => {
                    let why = "must be an origin like https://grafana.example.org: scheme and host, no path, no `*`";
                    wrong.push((format!("cors.origins[{i}]"), why.into()));
                }
            }
        }
        if wrong.is_empty() { Ok(origins) } else { Err(wrong) }
    }
}

fn is_origin(url: &Url) -> bool {
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let named = url.host_str().is_some_and(|host| !host.contains('*'));
    matches!(url.scheme(), "http" | "https") && plain && named && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let read = |text: &str| CorsConfig { origins: vec![text.into()] }.read();
        for (text, expected) in [
            ("https://grafana.example.org", "https://grafana.example.org"),
            ("https://Grafana.example.org:443/", "https://grafana.example.org"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ] {
            assert_eq!(read(text).unwrap(), [expected]);
        }
        for wrong in
            ["*", "null", "grafana.example.org", "https://*.example.org", "https://a/b", "https://u@a", "file:///"]
        {
            let found = read(wrong).unwrap_err();
            assert!(found[0].0 == "cors.origins[0]" && found[0].1.contains("https://grafana"), "{wrong}: {found:?}");
        }
    }
}
