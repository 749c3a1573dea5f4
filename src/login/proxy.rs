//! What a proxy in front says of who asks: taken from its addresses, and from nobody else.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::Wrong;

/// Where a proxy says from whom it has a request; each adds the address that it was asked from.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Bytes of a name: what is longer is none.
const NAME_MAX: usize = 200;
/// Groups of one person that are looked at.
const GROUPS_MAX: usize = 1_000;

/// Which proxies are trusted, and how they tell who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    trusted: Vec<IpNet>,
    user: Option<HeaderName>,
    groups: Option<HeaderName>,
}

/// Whom a proxy vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The name.
    pub name: String,
    /// The groups that they are in.
    pub groups: Vec<String>,
}

impl Proxies {
    /// Of `proxy_header`, `groups_header` and `trusted_proxies`.
    ///
    /// # Errors
    /// All that is wrong, each with its path below `auth`.
    pub(super) fn new(user: Option<&str>, groups: Option<&str>, networks: &[String]) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let mut trusted = Vec::new();
        for (i, text) in networks.iter().enumerate() {
            let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            match net {
                Some(net) => trusted.push(net),
                None => {
                    let why = "is no network: write 10.0.0.0/8, or an address";
                    wrong.push((format!("trusted_proxies[{i}]"), why.into()));
                }
            }
        }
        if user.is_some() && networks.is_empty() {
            let why = "it counts from nobody: name the proxy's own address in trusted_proxies";
            wrong.push(("proxy_header".into(), why.into()));
        }
        if groups.is_some() && user.is_none() {
            wrong.push(("groups_header".into(), "it needs proxy_header, which says whose groups they are".into()));
        }
        let mut header = |key: &str, text: Option<&str>| {
            let text = text?;
            let name = text.parse::<HeaderName>().ok().filter(|name| *name != http::header::AUTHORIZATION);
            if name.is_none() {
                wrong.push((key.to_owned(), "this can't be the header's name: write X-Forwarded-User".to_owned()));
            }
            name
        };
        let (user, groups) = (header("proxy_header", user), header("groups_header", groups));
        if wrong.is_empty() { Ok(Self { trusted, user, groups }) } else { Err(wrong) }
    }

    /// Whether they tell who asks.
    pub fn vouch(&self) -> bool {
        self.user.is_some()
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// Takes what a request says of who asks out of it; it counts only from a trusted address. A name that is there twice is
    /// none: a proxy that adds to what a client sent is set up wrongly.
    pub fn take(&self, headers: &mut HeaderMap, peer: IpAddr) -> Option<Vouched> {
        let mut values = |name: &Option<HeaderName>| -> Vec<HeaderValue> {
            let Some(name) = name else { return Vec::new() };
            let found = headers.get_all(name).iter().cloned().collect();
            headers.remove(name);
            found
        };
        let (user, groups) = (values(&self.user), values(&self.groups));
        let [user] = &user[..] else { return None };
        let name = std::str::from_utf8(user.as_bytes()).ok()?.trim();
        if !self.is_trusted(peer) || name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
            return None;
        }
        let groups = groups.iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
        let groups = groups.flat_map(|value| value.split(',')).map(str::trim).filter(|group| !group.is_empty());
        Some(Vouched { name: name.to_owned(), groups: groups.take(GROUPS_MAX).map(str::to_owned).collect() })
    }

    /// Where a request comes from: before the proxies that are trusted.
    pub fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let mut client = peer.to_canonical();
        let lists: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|v| v.to_str().ok()).collect();
        for told in lists.iter().rev().flat_map(|list| list.rsplit(',')) {
            if !self.is_trusted(client) {
                break;
            }
            let Ok(before) = told.trim().parse::<IpAddr>() else { break };
            client = before.to_canonical();
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(user: Option<&str>, groups: Option<&str>, networks: &[&str]) -> Result<Proxies, Vec<Wrong>> {
        let networks: Vec<String> = networks.iter().map(|n| (*n).to_owned()).collect();
        Proxies::new(user, groups, &networks)
    }

    fn proxies() -> Proxies {
        new(Some("X-Forwarded-User"), Some("X-Forwarded-Groups"), &["10.0.0.0/8", "::1", "192.0.2.7"]).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_users_header_counts_from_the_proxy_and_is_taken_from_everybody() {
        let check = |peer: &str, pairs: &[(&'static str, &str)], expected: Option<(&str, &[&str])>| {
            let mut headers = headers(pairs);
            let found = proxies().take(&mut headers, peer.parse().unwrap());
            let groups = |(name, groups): (&str, &[&str])| Vouched {
                name: name.into(),
                groups: groups.iter().map(|g| (*g).to_owned()).collect(),
            };
            assert_eq!(found, expected.map(groups), "{peer} {pairs:?}");
            assert!(!headers.contains_key("x-forwarded-user") && !headers.contains_key("x-forwarded-groups"));
        };
        let ada = [("x-forwarded-user", "ada"), ("x-forwarded-groups", "sre, ops,"), ("x-forwarded-groups", "dev")];
        for trusted in ["10.1.2.3", "::1", "192.0.2.7", "::ffff:10.1.2.3"] {
            check(trusted, &ada, Some(("ada", &["sre", "ops", "dev"])));
        }
        for other in ["11.0.0.1", "192.0.2.8", "::2", "127.0.0.1", "0.0.0.0"] {
            check(other, &ada, None);
        }
        check("10.0.0.1", &[("x-forwarded-user", "ada"), ("x-forwarded-user", "root")], None);
        check("10.0.0.1", &[("x-forwarded-groups", "ops")], None);
        check("10.0.0.1", &[("x-forwarded-user", " ")], None);
        check("10.0.0.1", &[("x-forwarded-user", &"x".repeat(201))], None);
        check("10.0.0.1", &[("x-forwarded-user", "josé")], Some(("josé", &[])));
    }

    #[test]
    fn an_address_is_that_of_the_first_who_is_no_proxy_of_ours() {
        let check = |peer: &str, told: &[&str], expected: &str| {
            let pairs: Vec<(&'static str, &str)> = told.iter().map(|t| ("x-forwarded-for", *t)).collect();
            let found = proxies().client(&headers(&pairs), peer.parse().unwrap());
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {told:?}");
        };
        check("10.0.0.1", &["198.51.100.9"], "198.51.100.9");
        check("10.0.0.1", &["6.6.6.6, 198.51.100.9, 10.0.0.2"], "198.51.100.9");
        check("10.0.0.1", &["6.6.6.6", "198.51.100.9"], "198.51.100.9");
        check("10.0.0.1", &["198.51.100.9, unknown"], "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("198.51.100.9", &["10.0.0.1"], "198.51.100.9");
    }

    #[test]
    fn what_can_not_work_is_told() {
        let check = |made: Result<Proxies, Vec<Wrong>>, at: &str, words: &str| {
            let found = made.unwrap_err();
            assert!(found.iter().any(|(place, why)| place == at && why.contains(words)), "{found:?}");
        };
        check(new(Some("X-Forwarded-User"), None, &[]), "proxy_header", "counts from nobody");
        check(new(Some("X Forwarded"), None, &["::1"]), "proxy_header", "can't be the header's name");
        check(new(Some("Authorization"), None, &["::1"]), "proxy_header", "can't be the header's name");
        check(new(Some("X-Forwarded-User"), None, &["::1", "10.0.0.0/33"]), "trusted_proxies[1]", "no network");
        check(new(None, Some("X-Groups"), &[]), "groups_header", "needs proxy_header");
    }
}
