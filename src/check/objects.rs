//! Lists of objects as stores give them, page by page in XML, and what there is to judge of them. Pure.

use jiff::{Timestamp, fmt::rfc2822};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use super::{condition::Condition, found::Found};
use crate::{
    dial::Answer,
    model::{Failure, Reason},
};

/// The longest page: 5,000 blobs of a kilobyte.
pub(super) const ANSWER_MAX: usize = 8 << 20;
/// What may be judged of objects, and what they are called.
pub(super) const SUBJECTS: (&[&str], &str) =
    (&["age", "size", "shrink", "count", "cert", "version"], "objects of a store");
/// Letters that a signed query leaves as they are (RFC 3986, unreserved).
pub(super) const SAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Pages of one list: a check of backups looks below a prefix, not through a whole store.
const PAGES_MAX: usize = 20;
/// The newest is held against so many before it: a week of daily backups.
const FORERUNNERS: usize = 7;

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) at: Timestamp,
    pub(super) size: u64,
}

/// A part of a list, and where the next one begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) objects: Vec<Object>,
    pub(super) next: Option<String>,
}

/// Returns an answer's text, or why there is none: stores say in XML what is wrong.
pub(super) fn text(answer: &Answer, at: &str) -> Result<String, Failure> {
    let text = String::from_utf8_lossy(&answer.body);
    let code = within(&text, "Code").map(|code| format!(" ({code})")).unwrap_or_default();
    let wrong = |words: String| Err(Failure::new(Reason::HttpStatus, words));
    match answer.status {
        200 if answer.cut => {
            Err(Failure::new(Reason::Body, format!("a page of {at} is longer than {} MiB", ANSWER_MAX >> 20)))
        }
        200 => Ok(text.into_owned()),
        401 | 403 => wrong(format!("HTTP {}{code}: it refuses us: we may not list {at}", answer.status)),
        404 => wrong(format!("HTTP 404{code}: there is no {at}")),
        status => wrong(format!("was {status}{code}, should be 200")),
    }
}

/// What stands in the first element of a name, its references resolved.
fn within(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    Some(unescaped(content))
}

fn unescaped(text: &str) -> String {
    let mut plain = text.to_owned();
    for (escaped, letter) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")]
    {
        plain = plain.replace(escaped, letter);
    }
    plain
}

/// Each element of a name; none of them has another of that name in it.
fn each<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let end = format!("</{name}>");
    text.split(&format!("<{name}>"))
        .skip(1)
        .filter_map(move |rest| rest.split_once(&end).map(|(content, _)| content))
        .collect::<Vec<_>>()
        .into_iter()
}

impl Page {
    /// Reads a page of ListObjectsV2.
    pub(super) fn s3(text: &str) -> Result<Self, Failure> {
        if !text.contains("<ListBucketResult") {
            return Err(Failure::new(Reason::Body, "what it answers is no list of a bucket"));
        }
        let one = |part: &str| {
            let at = within(part, "LastModified")?.parse().ok()?;
            Some(Object { name: within(part, "Key")?, at, size: within(part, "Size")?.parse().ok()? })
        };
        let objects = each(text, "Contents").filter_map(one).collect();
        let goes_on = within(text, "IsTruncated").as_deref() == Some("true");
        Ok(Self { objects, next: within(text, "NextContinuationToken").filter(|_| goes_on) })
    }

    /// Reads a page of List Blobs; `None` where it is none.
    pub(super) fn azure(text: &str) -> Option<Self> {
        text.contains("<EnumerationResults").then_some(())?;
        let one = |part: &str| {
            let at = rfc2822::parse(&within(part, "Last-Modified")?).ok()?.timestamp();
            Some(Object { name: within(part, "Name")?, at, size: within(part, "Content-Length")?.parse().ok()? })
        };
        let objects = each(text, "Blob").filter_map(one).collect();
        Some(Self { objects, next: within(text, "NextMarker").filter(|marker| !marker.is_empty()) })
    }
}

/// A list as far as it was read: of its objects, the newest ones.
#[derive(Debug, Default)]
pub(super) struct Listing {
    newest: Vec<Object>,
    count: usize,
    pages: usize,
    next: Option<String>,
}

impl Listing {
    /// Where the next page begins.
    pub(super) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// Takes a page; false at the end.
    pub(super) fn take(&mut self, page: Page) -> Result<bool, Failure> {
        self.count += page.objects.len();
        self.pages += 1;
        // A "folder" that somebody has made is no backup.
        self.newest.extend(page.objects.into_iter().filter(|object| !object.name.ends_with('/')));
        self.newest.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| b.name.cmp(&a.name)));
        self.newest.truncate(FORERUNNERS + 1);
        self.next = page.next;
        if self.next.is_some() && self.pages == PAGES_MAX {
            let words = format!("there are more than {} objects: name a longer prefix", self.count);
            return Err(Failure::new(Reason::Answer, words));
        }
        Ok(self.next.is_some())
    }

    /// How much smaller the newest is than those before it usually are, in percent; below 0: it is larger.
    fn shrink(&self) -> Option<f64> {
        let (newest, before) = self.newest.split_first()?;
        let mut sizes: Vec<u64> = before.iter().map(|object| object.size).collect();
        sizes.sort_unstable();
        let usual = *sizes.get(sizes.len() / 2)?;
        #[allow(clippy::cast_precision_loss)] // A share; sizes below 2^53 are exact.
        (usual > 0).then(|| 100.0 - 100.0 * newest.size as f64 / usual as f64)
    }

    /// Tells conditions and series of the newest.
    pub(super) fn judge(&self, at: &str, expect: &[Condition], found: &mut Found) -> Result<(), Failure> {
        #[allow(clippy::cast_precision_loss)] // Sizes below 2^53 are exact.
        let (count, size) = (self.count as f64, self.newest.first().map(|object| object.size as f64));
        found.seen.number("count", count);
        found.measure("probe_store_objects", count);
        let Some(newest) = self.newest.first() else {
            let is_asked = expect.iter().any(|condition| condition.about() == "count");
            return if is_asked {
                Ok(())
            } else {
                Err(Failure::new(Reason::Answer, format!("there is nothing below {at}")))
            };
        };
        found.line.note(format_args!(
            "the newest of {} is {:?}, {} bytes of {}",
            self.count, newest.name, newest.size, newest.at
        ));
        found.seen.number("age", Timestamp::now().duration_since(newest.at).as_secs_f64());
        #[allow(clippy::cast_precision_loss)]
        found.measure("probe_store_newest_timestamp_seconds", newest.at.as_second() as f64);
        if let Some(size) = size {
            found.seen.number("size", size);
            found.measure("probe_store_newest_size_bytes", size);
        }
        if let Some(shrink) = self.shrink() {
            found.seen.number("shrink", shrink);
        } else if expect.iter().any(|condition| condition.about() == "shrink") {
            // The first of its kind has no forerunner that it could be smaller than.
            found.seen.number("shrink", 0.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(n: i64, size: u64) -> Object {
        Object { name: format!("b/{n}"), at: Timestamp::from_second(n).unwrap(), size }
    }

    #[test]
    fn pages_of_both_kinds() {
        let text = "<?xml?><ListBucketResult xmlns=\"x\"><IsTruncated>true</IsTruncated><Contents><Key>b/a&amp;b</Key>\
            <LastModified>1970-01-01T00:00:05.000Z</LastModified><Size>7</Size></Contents><Contents><Key>odd</Key></Contents>\
            <NextContinuationToken>t=</NextContinuationToken></ListBucketResult>";
        let page = Page::s3(text).unwrap();
        assert_eq!(page.objects, [Object { name: "b/a&b".into(), ..object(5, 7) }]);
        assert_eq!(page.next.as_deref(), Some("t="));
        assert!(Page::s3("<html>").is_err());
        let text = "<EnumerationResults><Blobs><Blob><Name>b/5</Name><Properties><Last-Modified>Thu, 01 Jan 1970 00:00:05 GMT</Last-Modified>\
            <Content-Length>7</Content-Length></Properties></Blob></Blobs><NextMarker /></EnumerationResults>";
        assert_eq!(Page::azure(text).unwrap(), Page { objects: vec![object(5, 7)], next: None });
        assert_eq!(Page::azure("<html>"), None);
    }

    #[test]
    fn the_newest_against_its_forerunners() {
        let check = |sizes: &[u64], expected: Option<f64>| {
            let mut listing = Listing::default();
            let objects = sizes.iter().zip(1..).map(|(size, n)| object(n, *size)).collect();
            assert!(!listing.take(Page { objects, next: None }).unwrap());
            assert_eq!(listing.shrink(), expected, "{sizes:?}");
        };
        check(&[100, 100, 50], Some(50.0));
        check(&[100, 120, 110, 110], Some(0.0));
        check(&[100, 200], Some(-100.0));
        check(&[100], None);
        check(&[0, 5], None);
        let mut listing = Listing::default();
        for _ in 1..PAGES_MAX {
            assert!(listing.take(Page { objects: vec![object(1, 1)], next: Some("x".into()) }).unwrap());
        }
        assert!(listing.take(Page { objects: vec![], next: Some("x".into()) }).is_err(), "a list without an end");
    }
}
