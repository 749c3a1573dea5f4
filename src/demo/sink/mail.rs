//! A received message, and as much of MIME as it takes to read its text part aloud.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A message as it was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    raw: String,
}

/// How deep parts may lie in parts.
const DEPTH_MAX: usize = 4;

impl Mail {
    /// `raw` is the message with headers and body.
    pub fn new(from: String, to: Vec<String>, raw: String) -> Self {
        Self { from, to, raw: raw.replace("\r\n", "\n") }
    }

    /// A header, unfolded and decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        Part::of(&self.raw).header(name).map(|v| decode_words(&v))
    }

    /// The subject, or nothing.
    pub fn subject(&self) -> String {
        self.header("Subject").unwrap_or_default()
    }

    /// The text part, decoded; nothing where there is none.
    pub fn text(&self) -> String {
        Part::of(&self.raw).text(DEPTH_MAX).unwrap_or_default()
    }
}

struct Part<'a> {
    head: &'a str,
    body: &'a str,
}

impl<'a> Part<'a> {
    fn of(raw: &'a str) -> Self {
        let (head, body) = match raw.strip_prefix('\n') {
            Some(body) => ("", body),
            None => raw.split_once("\n\n").unwrap_or((raw, "")),
        };
        Self { head, body }
    }

    fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().skip_while(|line| {
            !line.split_once(':').is_some_and(|(k, _)| k.eq_ignore_ascii_case(name) && !k.starts_with([' ', '\t']))
        });
        let (_, first) = lines.next()?.split_once(':')?;
        let folded = lines.take_while(|l| l.starts_with([' ', '\t'])).map(str::trim);
        Some([first.trim()].into_iter().chain(folded).collect::<Vec<_>>().join(" ").trim().to_owned())
    }

    fn text(&self, depth: usize) -> Option<String> {
        let kind = self.header("Content-Type").unwrap_or_else(|| "text/plain".to_owned());
        let lower = kind.to_ascii_lowercase();
        if lower.starts_with("multipart/") {
            let boundary = parameter(&kind, "boundary")?;
            let mut parts = parts(self.body, &boundary);
            return parts.find_map(|raw| Part::of(raw).text(depth.checked_sub(1)?));
        }
        lower.starts_with("text/plain").then(|| {
            let encoding = self.header("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase();
            let bytes = match encoding.as_str() {
                "quoted-printable" => quoted_printable(self.body),
                "base64" => base64(self.body),
                _ => return self.body.to_owned(),
            };
            String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
        })
    }
}

fn parameter(value: &str, name: &str) -> Option<String> {
    let mut parameters = value.split(';').skip(1).filter_map(|p| p.trim().split_once('='));
    parameters.find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim_matches('"').to_owned())
}

/// What lies between the lines `--boundary`.
fn parts<'a>(body: &'a str, boundary: &str) -> impl Iterator<Item = &'a str> {
    let delimiter = format!("--{boundary}");
    let mut pieces: Vec<&str> = Vec::new();
    let mut begin = None;
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        if line.trim_end().strip_suffix("--").unwrap_or(line.trim_end()) == delimiter {
            pieces.extend(begin.map(|b| &body[b..at]));
            begin = Some(at + line.len());
        }
        at += line.len();
    }
    pieces.into_iter()
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |i: usize| after.get(i).and_then(|b| char::from(*b).to_digit(16));
        rest = match (first, after) {
            (b'=', [b'\n', more @ ..]) => more,
            (b'=', _) => match (digit(0), digit(1)) {
                (Some(high), Some(low)) => {
                    out.push((high * 16 + low) as u8);
                    &after[2..]
                }
                _ => {
                    out.push(b'=');
                    after
                }
            },
            _ => {
                out.push(*first);
                after
            }
        };
    }
    out
}

/// What is no base64 reads as nothing.
fn base64(text: &str) -> Vec<u8> {
    let packed: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(packed).unwrap_or_default()
}

/// Decodes the words of RFC 2047: `=?utf-8?b?…?=` and `=?utf-8?q?…?=`; spaces between two of them count for nothing.
fn decode_words(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(at) = rest.find("=?") {
        let Some((bytes, next)) = encoded_word(&rest[at..]) else { break };
        if !(after_word && rest[..at].trim().is_empty()) {
            out.push_str(&rest[..at]);
        }
        out.push_str(&String::from_utf8_lossy(&bytes));
        rest = next;
        after_word = true;
    }
    out.push_str(rest);
    out
}

fn encoded_word(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut fields = text.strip_prefix("=?")?.splitn(3, '?');
    let (_charset, encoding, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let (encoded, rest) = rest.split_once("?=")?;
    match encoding {
        "b" | "B" => Some((base64(encoded), rest)),
        "q" | "Q" => Some((quoted_printable(&encoded.replace('_', " ")), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(raw: &str) -> Mail {
        Mail::new(String::new(), Vec::new(), raw.replace('\n', "\r\n"))
    }

    #[test]
    fn text_is_found_and_decoded_in_whatever_part_it_lies() {
        let check = |raw: &str, expected: &str| assert_eq!(mail(raw).text().trim_end(), expected, "{raw}");
        check("Subject: x\n\nplain\nlines", "plain\nlines");
        check("\nno headers", "no headers");
        check("Content-Transfer-Encoding: base64\n\nZXRjZCBoYXMgbG9z\ndCBxdW9ydW0=\n", "etcd has lost quorum");
        check(
            "Content-Transfer-Encoding: quoted-printable\n\na long=\n line, =C3=A4, 1 =3D 1, odd =ZZ",
            "a long line, ä, 1 = 1, odd =ZZ",
        );
        check(
            "Content-Type: multipart/alternative;\n boundary=\"b 1\"\n\npreamble\n--b 1\nContent-Type: text/plain; charset=utf-8\n\nwords\n--b 1\nContent-Type: text/html\n\n<p>words\n--b 1--\n",
            "words",
        );
        check(
            "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\ninner\n--i--\n--o--\n",
            "inner",
        );
        check("Content-Type: text/html\n\n<p>", "");
        check("Content-Type: multipart/mixed\n\nno boundary", "");
    }

    #[test]
    fn headers_are_unfolded_and_decoded() {
        let m = mail(
            "subject: [prod] etcd has lost\n quorum: 2 of 3\nX: =?utf-8?b?w6Q=?=\n =?utf-8?Q?_=C3=B6?= =?x\n\nbody\nY: no",
        );
        assert_eq!(m.subject(), "[prod] etcd has lost quorum: 2 of 3");
        assert_eq!(m.header("X").as_deref(), Some("ä ö =?x"));
        assert_eq!(m.header("Y"), None);
        assert_eq!(mail("").subject(), "");
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(raw in "(?s)([A-Za-z-]{0,12}: ?[=?a-z;\"/]{0,20}\n){0,4}\n?.{0,200}") {
            let m = Mail::new(String::new(), Vec::new(), raw);
            let _ = (m.subject(), m.text());
        }
    }
}
