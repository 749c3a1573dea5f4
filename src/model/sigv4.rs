//! AWS Signature Version 4 of a request, in its headers:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. Pure; the time is an
//! argument.

use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, tz::TimeZone};
use sha2::{Digest, Sha256};
use url::Url;

use super::{Secret, text::hex};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Says who signs, and for which service.
#[derive(Clone, Debug)]
pub struct Signer {
    /// Who asks.
    pub keys: Keys,
    /// Of the service, e.g. `eu-west-1`.
    pub region: String,
    /// `sns`, `sts`.
    pub service: &'static str,
}

/// AWS credentials.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Access key.
    pub id: String,
    /// Secret key.
    pub secret: Secret,
    /// Of credentials that end.
    pub session: Option<Secret>,
}

impl Signer {
    /// Returns the headers that a request needs besides its own. What stands in the query must be sorted and encoded already.
    pub fn headers(
        &self,
        method: &str,
        url: &Url,
        own: &[(String, String)],
        body: &[u8],
        now: Timestamp,
    ) -> Vec<(String, String)> {
        let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = time.get(..8).unwrap_or_default();
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut added = vec![("x-amz-date".to_owned(), time.clone())];
        if let Some(session) = &self.keys.session {
            added.push(("x-amz-security-token".to_owned(), session.reveal().to_owned()));
        }
        let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.trim().to_owned());
        let mut signed: Vec<(String, String)> = own.iter().chain(&added).map(lower).collect();
        signed.push(("host".to_owned(), host));
        signed.sort();
        let names = signed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let (path, query) = (url.path(), url.query().unwrap_or_default());
        let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{}", hex(&Sha256::digest(body)));
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
        let first = format!("AWS4{}", self.keys.secret.reveal()).into_bytes();
        let steps = [day, &self.region, self.service, "aws4_request", &text];
        let signature = hex(&steps.iter().fold(first, |key, step| mac(&key, step.as_bytes())));
        let id = &self.keys.id;
        let header = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        added.push(("authorization".to_owned(), header));
        added
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `post-x-www-form-urlencoded` of AWS' own test suite for signers.
    #[test]
    fn as_awss_test_suite_signs() {
        let signer = Signer {
            keys: Keys {
                id: "AKIDEXAMPLE".into(),
                secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                session: None,
            },
            region: "us-east-1".into(),
            service: "service",
        };
        let url = Url::parse("https://example.amazonaws.com/").unwrap();
        let own = [("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
        let headers = signer.headers("POST", &url, &own, b"Param1=value1", "2015-08-30T12:36:00Z".parse().unwrap());
        assert_eq!(headers[0], ("x-amz-date".to_owned(), "20150830T123600Z".to_owned()));
        assert_eq!(
            headers[1].1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        );
    }

    /// "GET Bucket (List Objects)" of S3's documentation of this signature.
    #[test]
    fn as_s3s_documentation_signs() {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let keys = Keys { id: "AKIAIOSFODNN7EXAMPLE".into(), secret, session: None };
        let signer = Signer { keys, region: "us-east-1".into(), service: "s3" };
        let url = Url::parse("https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J").unwrap();
        let own = [("x-amz-content-sha256".to_owned(), hex(&Sha256::digest(b"")))];
        let headers = signer.headers("GET", &url, &own, b"", "2013-05-24T00:00:00Z".parse().unwrap());
        assert!(
            headers[1].1.ends_with("=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
            "{}",
            headers[1].1
        );
    }
}
