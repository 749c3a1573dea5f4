//! Names of cipher suites and curves as Go has them, and what rustls has for them.

use rustls::{CipherSuite, NamedGroup, crypto::CryptoProvider};

/// The suites of TLS 1.3 as Go names them: taken, and always there.
const ALWAYS: [&str; 3] = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// Restricts a provider to what is named; nothing: all.
///
/// # Errors
/// The key, and what there is.
pub(super) fn choose(
    provider: &mut CryptoProvider,
    suites: &[String],
    curves: &[String],
) -> Result<(), (String, String)> {
    if !suites.is_empty() {
        let name = |suite: CipherSuite| suite.as_str().unwrap_or_default();
        let is_13 = |suite: CipherSuite| name(suite).starts_with("TLS13");
        let there: Vec<&str> =
            provider.cipher_suites.iter().map(|s| name(s.suite())).filter(|n| !n.starts_with("TLS13")).collect();
        for (i, suite) in suites.iter().enumerate() {
            if !ALWAYS.contains(&suite.as_str()) && !there.contains(&suite.as_str()) {
                let why = format!("{suite:?} is not spoken here; these are: {}", there.join(", "));
                return Err((format!(".cipher_suites[{i}]"), why));
            }
        }
        provider.cipher_suites.retain(|s| is_13(s.suite()) || suites.iter().any(|wanted| wanted == name(s.suite())));
    }
    if !curves.is_empty() {
        let mut chosen = Vec::new();
        for (i, curve) in curves.iter().enumerate() {
            let group = match curve.as_str() {
                "CurveP256" => NamedGroup::secp256r1,
                "CurveP384" => NamedGroup::secp384r1,
                "X25519" => NamedGroup::X25519,
                _ => {
                    let why = format!("{curve:?} is not spoken here; these are: CurveP256, CurveP384, X25519");
                    return Err((format!(".curve_preferences[{i}]"), why));
                }
            };
            chosen.extend(provider.kx_groups.iter().copied().find(|known| known.name() == group));
        }
        provider.kx_groups = chosen;
    }
    Ok(())
}
