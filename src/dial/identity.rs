//! A client certificate with its key, from PEM, as Go's `tls.X509KeyPair` takes them. Errors say what to do, and never
//! anything of the key.

use std::sync::Arc;

use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};

use super::{algorithms, pem};

/// Returns a chain with its key.
///
/// # Errors
/// When there is none, the key is encrypted or of a kind that we don't know, or they don't belong together.
pub(super) fn certified(certificates: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let chain = pem::blocks(certificates).into_iter().filter(|b| b.label == "CERTIFICATE");
    let chain: Vec<_> = chain.filter_map(|b| Some(CertificateDer::from(b.der?))).collect();
    let leaf = chain.first().ok_or("the certificate is not PEM, or holds no certificate")?;
    let is_key = |b: &pem::Block| b.label == "PRIVATE KEY" || b.label.ends_with(" PRIVATE KEY");
    let block = pem::blocks(key).into_iter().find(is_key).ok_or("there is no PEM key")?;
    if block.label == "ENCRYPTED PRIVATE KEY" || block.has_headers {
        return Err("its key is encrypted, and a watchdog has nobody to ask for the passphrase: store it without \
                    (`openssl pkey -in KEY -out NEW`)"
            .to_owned());
    }
    let der = block.der.ok_or("the key is not PEM")?;
    let der = PrivateKeyDer::try_from(der).map_err(|_| "the key is none that TLS knows")?;
    let key = algorithms::signing_key(der).map_err(|_| match algorithms::lacking(leaf) {
        Some(what) => format!("dogwatch's TLS library does not know {what}; use another kind of key"),
        None => "the key can't be used: it is neither RSA nor ECDSA nor Ed25519".to_owned(),
    })?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(Arc::new(pair)),
        // webpki reads certificates of version 3 alone. A server may take others, and kubectl presents them: so do we.
        Err(_) => match pair.cert.first().and_then(algorithms::public_key) {
            None => Err("the certificate can't be understood".to_owned()),
            Some(own) if pair.key.public_key().is_some_and(|key| *key == *own) => Ok(Arc::new(pair)),
            Some(_) => Err("the key does not belong to the certificate".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of X.509 version 1, as `openssl x509 -req -signkey` makes it, and its key.
    const OLD: &str = "-----BEGIN CERTIFICATE-----
MIIBGDCBvwIUBzogmEn/BBl+52kC+PKpswNGSeswCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMCAXDTI2MTEyODIyNDMyNloYDzIxMDkwMTE3MjI0MzI2WjAOMQww
CgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASb+UrWUZiCC9D4
VMu6MHemRzXY9m5kvfBCVI44vKym/6aUaLB8veLqfYZH6d/6M7jlRXin41HdCCpp
n+smV/82MAoGCCqGSM49BAMCA0gAMEUCIQDR9VsfLP/avEPMg/uzwLVYVrntr+0c
4sbvzOVEcH11SQIgfc7YBOtbMMUrupwOWRbRJEfqbJ/gzE9UXEu4jJbZ8i0=
-----END CERTIFICATE-----
";
    const OLD_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMt7IfvDNyvohkRco
idqMMnKNkRxMnhIzyhmQs+PRvMShRANCAASb+UrWUZiCC9D4VMu6MHemRzXY9m5k
vfBCVI44vKym/6aUaLB8veLqfYZH6d/6M7jlRXin41HdCCppn+smV/82
-----END PRIVATE KEY-----
";

    #[test]
    fn a_certificate_of_version_1_is_presented_as_kubectl_does() {
        let other = crate::dial::testing::Authority::new("ca").issue("you", &[], 2090);
        assert!(certified(OLD.as_bytes(), OLD_KEY.as_bytes()).is_ok());
        let told = certified(OLD.as_bytes(), other.key.as_bytes()).unwrap_err();
        assert_eq!(told, "the key does not belong to the certificate");
    }
}
