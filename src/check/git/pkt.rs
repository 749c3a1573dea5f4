//! git's pkt-lines (gitprotocol-common): lists of references, and what is asked for. Pure.

/// Lines of one list: more than that is no repository that anybody fetches.
const REFS_MAX: usize = 500_000;
/// What an error says is quoted up to so many characters.
const QUOTED_MAX: usize = 200;

/// What a repository tells of at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Advertised {
    /// Names with the ids of what they stand for.
    pub(super) refs: Vec<(String, String)>,
    pub(super) capabilities: Vec<String>,
    /// It can be asked for more.
    pub(super) is_smart: bool,
}

/// One pkt-line: its content, or `None` for a flush; and what comes after it.
fn next(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let length = std::str::from_utf8(bytes.get(..4)?).ok()?;
    let length = usize::from_str_radix(length, 16).ok()?;
    match length {
        0 => Some((None, bytes.get(4..)?)),
        1..4 => None,
        _ => Some((Some(bytes.get(4..length)?), bytes.get(length..)?)),
    }
}

/// Returns a pkt-line.
pub(super) fn line(content: &[u8]) -> Vec<u8> {
    let mut out = format!("{:04x}", content.len() + 4).into_bytes();
    out.extend_from_slice(content);
    out
}

/// Returns what an error line says.
pub(super) fn error(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(next(bytes)?.0?).into_owned();
    Some(text.strip_prefix("ERR ")?.trim().chars().take(QUOTED_MAX).collect())
}

/// An id, in hexadecimal digits: SHA-1 or SHA-256.
fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Returns whether this can be a reference (git-check-ref-format, in part).
pub(super) fn is_reference(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('/')
        && !text.contains("..")
        && !text.contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c))
}

impl Advertised {
    /// Reads a list up to its flush; `None` where it is none, or not whole yet.
    pub(super) fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut all = Self { is_smart: true, ..Self::default() };
        for _ in 0..REFS_MAX {
            let (content, rest) = next(bytes)?;
            bytes = rest;
            let Some(content) = content else { return Some(all) };
            let text = String::from_utf8_lossy(content);
            let (named, capabilities) = text.split_once('\0').unwrap_or((&text, ""));
            all.capabilities.extend(capabilities.split_whitespace().map(str::to_owned));
            let (id, name) = named.trim_end().split_once(' ')?;
            // An empty repository has capabilities alone.
            if is_id(id) && name != "capabilities^{}" {
                all.refs.push((name.to_owned(), id.to_owned()));
            } else if id != "version" && id != "shallow" && name != "capabilities^{}" {
                return None;
            }
        }
        None
    }

    /// Reads what comes by HTTP: the smart form, or the file that the dumb one serves.
    pub(super) fn read_http(body: &[u8]) -> Option<Self> {
        if let Some((Some(first), rest)) = next(body) {
            let is_service = first.starts_with(b"# service=git-upload-pack");
            let rest = if is_service { next(rest).filter(|(content, _)| content.is_none())?.1 } else { body };
            return Self::read(rest);
        }
        let text = std::str::from_utf8(body).ok()?;
        let refs: Option<Vec<(String, String)>> = text
            .lines()
            .take(REFS_MAX)
            .map(|line| {
                line.split_once('\t').filter(|(id, _)| is_id(id)).map(|(id, name)| (name.to_owned(), id.to_owned()))
            })
            .collect();
        Some(Self { refs: refs?, ..Self::default() })
    }

    /// Returns the id of a reference, by its whole name or as `git` looks for it (gitrevisions).
    pub(super) fn find(&self, name: &str) -> Option<String> {
        let names =
            [name.to_owned(), format!("refs/{name}"), format!("refs/tags/{name}"), format!("refs/heads/{name}")];
        let found = names.iter().find_map(|name| self.refs.iter().find(|(known, _)| known == name));
        // The file of a dumb server has no HEAD: any branch shows that it is there.
        let any = || self.refs.first().filter(|_| name == "HEAD" && !self.is_smart);
        found.or_else(any).map(|(_, id)| id.clone())
    }
}

/// Returns the words that ask for one commit and nothing behind it (gitprotocol-pack).
pub(super) fn wants(id: &str, capabilities: &[String]) -> Vec<u8> {
    let has = |name: &str| capabilities.iter().any(|capability| capability == name);
    let format = capabilities.iter().find(|capability| capability.starts_with("object-format="));
    let mut words = vec![format!("want {id}")];
    words.extend(["no-progress", "ofs-delta", "filter"].into_iter().filter(|name| has(name)).map(str::to_owned));
    words.extend(format.cloned());
    let mut out = line(format!("{}\n", words.join(" ")).as_bytes());
    if has("shallow") {
        out.extend(line(b"deepen 1\n"));
    }
    if has("filter") {
        out.extend(line(b"filter tree:0\n"));
    }
    out.extend_from_slice(b"0000");
    out.extend(line(b"done\n"));
    out
}

/// Returns where a pack begins: after what the server says of its history.
pub(super) fn pack(mut bytes: &[u8]) -> Option<&[u8]> {
    while !bytes.starts_with(b"PACK") {
        bytes = next(bytes)?.1;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn lists_of_references() {
        let mut bytes = line(b"# service=git-upload-pack\n");
        bytes.extend(b"0000");
        bytes.extend(line(format!("{ID} HEAD\0multi_ack shallow filter symref=HEAD:refs/heads/main\n").as_bytes()));
        bytes.extend(line(format!("{ID} refs/heads/main\n").as_bytes()));
        assert_eq!(Advertised::read_http(&bytes), None, "it is not whole");
        bytes.extend(b"0000");
        let read = Advertised::read_http(&bytes).unwrap();
        assert_eq!((read.refs.len(), read.capabilities.len(), read.is_smart), (2, 4, true));
        assert_eq!(read.find("main").as_deref(), Some(ID));
        assert_eq!((read.find("refs/heads/main").is_some(), read.find("other")), (true, None));
        let dumb = Advertised::read_http(format!("{ID}\trefs/heads/main\n").as_bytes()).unwrap();
        assert!(!dumb.is_smart && dumb.find("HEAD").is_some() && dumb.find("v1").is_none());
        let empty = [line(b"0000000000000000000000000000000000000000 capabilities^{}\0a b"), b"0000".to_vec()].concat();
        assert_eq!(Advertised::read(&empty).unwrap().refs, []);
        for odd in [&b"<html>"[..], b"zzzz", b"0001", b"fff0short", b"0009x y\n\x00000"] {
            assert_eq!(Advertised::read_http(odd), None, "{odd:?}");
        }
        assert_eq!(error(&line(b"ERR access denied: /x")).as_deref(), Some("access denied: /x"));
        assert_eq!(error(b"0000"), None);
    }

    #[test]
    fn one_commit_is_asked_for() {
        let all = ["shallow", "filter", "no-progress"].map(str::to_owned);
        let text = String::from_utf8(wants(ID, &all)).unwrap();
        assert_eq!(text, format!("0045want {ID} no-progress filter\n000ddeepen 1\n0012filter tree:0\n00000009done\n"));
        assert!(!String::from_utf8(wants(ID, &[])).unwrap().contains("deepen"));
    }

    #[test]
    fn references_by_name() {
        for fine in ["main", "refs/heads/a-b", "v1.2"] {
            assert!(is_reference(fine), "{fine}");
        }
        for odd in ["", "a b", "a..b", "/x", "a^", "a:b"] {
            assert!(!is_reference(odd), "{odd}");
        }
    }
}
