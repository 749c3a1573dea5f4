//! Names of images, and how a registry asks for a token. Pure.

use url::Url;

/// Who is meant by a name without a registry, and where that is.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// An image, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) host: String,
    /// `team/shop`
    pub(super) name: String,
    /// A tag or a digest.
    pub(super) reference: String,
}

impl Image {
    /// Reads a name as a pod has it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let wrong = || "write it like registry.example.org/team/shop:1.2".to_owned();
        let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
        let (host, path) = match rest.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path.to_owned()),
            Some(_) => (DOCKER_HUB, rest.to_owned()),
            None => (DOCKER_HUB, format!("library/{rest}")),
        };
        let (name, tag) = match path.rsplit_once(':') {
            Some((name, tag)) => (name.to_owned(), Some(tag.to_owned())),
            None => (path, None),
        };
        let reference = digest.map(str::to_owned).or(tag).unwrap_or_else(|| "latest".to_owned());
        let is_part = |part: &str| {
            !part.is_empty()
                && part != ".."
                && part != "."
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let is_reference =
            !reference.is_empty() && reference.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b));
        if !name.split('/').all(is_part) || !is_reference {
            return Err(wrong());
        }
        let host = if host == DOCKER_HUB { DOCKER_HUB_HOST } else { host };
        Ok(Self { host: host.to_owned(), name, reference })
    }

    /// Returns where its registry is.
    pub(super) fn registry(&self, plain: bool) -> Result<Url, String> {
        let scheme = if plain { "http" } else { "https" };
        Url::parse(&format!("{scheme}://{}/", self.host)).map_err(|_| "its registry is no host".to_owned())
    }
}

/// `WWW-Authenticate: Bearer realm="…",service="…"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) realm: Url,
    pub(super) service: Option<String>,
}

impl Challenge {
    /// Reads one; `None` where no token is asked for.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        let mut rest = rest.trim();
        while let Some((key, after)) = rest.split_once('=') {
            let (value, next) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            match key.trim_matches([' ', ',']) {
                "realm" => realm = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https")),
                "service" => service = Some(value.to_owned()),
                _ => {}
            }
            rest = next;
        }
        Some(Self { realm: realm?, service })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        let check = |text: &str, expected: &str| {
            let image = Image::read(text).map(|i| format!("{} {} {}", i.host, i.name, i.reference));
            assert_eq!(image.as_deref(), Ok(expected), "{text}");
        };
        check("nginx", "registry-1.docker.io library/nginx latest");
        check("bitnami/redis:7", "registry-1.docker.io bitnami/redis 7");
        check("registry.example.org:5000/a/b/c:1.2", "registry.example.org:5000 a/b/c 1.2");
        check("localhost/shop@sha256:ab", "localhost shop sha256:ab");
        check("quay.io/a/b:1@sha256:ab", "quay.io a/b sha256:ab");
        for odd in ["", "a//b", "r.io/../x", "r.io/a:b c", "r.io/a b"] {
            assert!(Image::read(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn challenges() {
        let read = Challenge::read("Bearer realm=\"https://auth.example.org/token\",service=\"r.io\",scope=\"a:b,c\"")
            .unwrap();
        assert_eq!((read.realm.as_str(), read.service.as_deref()), ("https://auth.example.org/token", Some("r.io")));
        assert_eq!(Challenge::read("Basic realm=\"x\""), None);
        assert_eq!(Challenge::read("Bearer realm=\"file:///etc/passwd\""), None);
        assert_eq!(Challenge::read("Bearer"), None);
    }
}
