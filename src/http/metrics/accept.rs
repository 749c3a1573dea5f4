//! Which format a scraper wants, by its `Accept` header.

use super::Format;

/// Returns the format that the header prefers; text where it says nothing that we know. OpenMetrics must be named:
/// `*/*` from a browser or curl gets text, as everybody expects.
pub fn negotiate(accept: &str) -> Format {
    let mut open_metrics = 0.0;
    let mut text = 0.0;
    for item in accept.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut q, mut version) = (1.0, None);
        for parameter in parts {
            match parameter.split_once('=').map(|(k, v)| (k.trim(), v.trim().trim_matches('"'))) {
                // A weight that can't be read is as if it were not there.
                Some(("q", v)) => q = v.parse().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(1.0),
                Some(("version", v)) => version = Some(v),
                _ => {}
            }
        }
        match media.as_str() {
            "application/openmetrics-text" if matches!(version, None | Some("1.0.0" | "0.0.1")) => {
                open_metrics = f32::max(open_metrics, q);
            }
            "text/plain" if matches!(version, None | Some("0.0.4")) => text = f32::max(text, q),
            _ => {}
        }
    }
    if open_metrics > 0.0 && open_metrics >= text { Format::OpenMetrics } else { Format::Text }
}
