//! PEM as Go's decoder takes it: text around blocks is passed over, and so is a block that is no Base64. Decides nothing
//! about what is in a block.

use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::model::text;

/// A block between `-----BEGIN label-----` and its end.
pub(super) struct Block {
    /// E.g. `CERTIFICATE`.
    pub(super) label: String,
    /// It has headers (`Proc-Type: 4,ENCRYPTED`).
    pub(super) has_headers: bool,
    /// Its bytes; `None` where it is no Base64.
    pub(super) der: Option<Vec<u8>>,
}

/// Returns all blocks in their order.
pub(super) fn blocks(text: &[u8]) -> Vec<Block> {
    let text = String::from_utf8_lossy(text);
    let mut blocks = Vec::new();
    let mut open: Option<(String, String, bool)> = None;
    for line in text.lines() {
        let line = line.trim_end();
        if let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|l| l.strip_suffix("-----")) {
            // A block that was cut off is followed by another: that one counts.
            open = Some((label.to_owned(), String::new(), false));
        } else if let Some((label, body, has_headers)) = &mut open {
            if let Some(end) = line.strip_prefix("-----END ").and_then(|l| l.strip_suffix("-----")) {
                let der = (end == label).then(|| decode(body)).flatten();
                blocks.push(Block { label: std::mem::take(label), has_headers: *has_headers, der });
                open = None;
            } else if line.contains(':') {
                *has_headers = true;
            } else {
                body.push_str(line);
            }
        }
    }
    blocks
}

/// Base64 in lines of any length, as kubeconfigs have it.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let bare: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(bare).ok()
}

/// Bytes from Base64 in the kubeconfig, else from a file; `None` where neither is given.
pub(super) fn material(data: Option<&str>, file: Option<&Path>, what: &str) -> Result<Option<Vec<u8>>, String> {
    if let Some(data) = data.filter(|d| !d.trim().is_empty()) {
        return decode(data).map(Some).ok_or_else(|| format!("{what}-data is not Base64"));
    }
    let Some(path) = file.filter(|p| !p.as_os_str().is_empty()) else { return Ok(None) };
    std::fs::read(path).map(Some).map_err(|e| format!("{} can't be read: {}", path.display(), text::unreadable(&e)))
}

/// Returns the certificates that can be used, as `x509.CertPool.AppendCertsFromPEM` takes them: what is something else,
/// has headers or can't be parsed is left out.
pub(super) fn certificates(text: &[u8]) -> Vec<CertificateDer<'static>> {
    let certificate = |block: Block| {
        let der = block.der.filter(|_| block.label == "CERTIFICATE" && !block.has_headers)?;
        X509Certificate::from_der(&der).ok()?;
        Some(CertificateDer::from(der))
    };
    blocks(text).into_iter().filter_map(certificate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dial::testing::Authority;

    #[test]
    fn bad_blocks_are_passed_over() {
        fn check(text: &str, usable: usize) {
            assert_eq!(certificates(text.as_bytes()).len(), usable, "{text}");
        }
        let (one, two) = (Authority::new("one").certificate, Authority::new("two").certificate);
        check("", 0);
        check("no PEM at all", 0);
        check(&one, 1);
        check(&one.replace('\n', "\r\n"), 1);
        check(&format!("# the old one\n{one}\nsome words\n{two}"), 2);
        check(&format!("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n{one}"), 1);
        check(&format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{one}"), 1);
        let cut: String = one.lines().take(3).collect::<Vec<_>>().join("\n");
        check(&format!("{cut}\n{two}"), 1);
        check(&one.replace(" CERTIFICATE", " TRUSTED CERTIFICATE"), 0);
        check(&one.replace("E-----\nMII", "E-----\nX-Note: a\n\nMII"), 0);
        check(&one.lines().map(|l| format!("{l}  \n")).collect::<String>(), 1);
    }
}
