//! ECDSA that ring lacks and Go knows: keys on P-521, and SHA-512 with P-256 and P-384. RKE2 and some private CAs use them.
//! Pure Rust, and slower than ring: some milliseconds a handshake, for those alone who need it.

use std::{fmt, sync::Arc};

use rustls::{
    SignatureAlgorithm, SignatureScheme,
    pki_types::{
        AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer,
        alg_id,
    },
    sign::{Signer, SigningKey, public_key_to_spki},
};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A curve with a hash.
pub(super) struct Ecdsa {
    curve: Curve,
    hash: Hash,
}

#[derive(Clone, Copy, Debug)]
enum Curve {
    P256,
    P384,
    P521,
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// P-521 as TLS 1.3 has it (`ecdsa_secp521r1_sha512`).
pub(super) static P521_SHA512: Ecdsa = Ecdsa { curve: Curve::P521, hash: Hash::Sha512 };
/// SHA-512 with a shorter curve: certificates, and TLS 1.2, have it.
pub(super) static P384_SHA512: Ecdsa = Ecdsa { curve: Curve::P384, hash: Hash::Sha512 };
/// The same.
pub(super) static P256_SHA512: Ecdsa = Ecdsa { curve: Curve::P256, hash: Hash::Sha512 };
/// P-521 with a shorter hash.
pub(super) static P521_SHA384: Ecdsa = Ecdsa { curve: Curve::P521, hash: Hash::Sha384 };
/// The same.
pub(super) static P521_SHA256: Ecdsa = Ecdsa { curve: Curve::P521, hash: Hash::Sha256 };

impl fmt::Debug for Ecdsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {:?}", self.curve, self.hash)
    }
}

impl Hash {
    fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(message).to_vec(),
            Hash::Sha384 => Sha384::digest(message).to_vec(),
            Hash::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

/// Whether the signature (DER) of a digest is by this key (an uncompressed point).
macro_rules! verifies {
    ($curve:ident, $key:expr, $digest:expr, $signature:expr) => {{
        use $curve::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
        let key = VerifyingKey::from_sec1_bytes($key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der($signature).map_err(|_| InvalidSignature)?;
        key.verify_prehash($digest, &signature).map_err(|_| InvalidSignature)
    }};
}

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let digest = self.hash.of(message);
        match self.curve {
            Curve::P256 => verifies!(p256, public_key, &digest, signature),
            Curve::P384 => verifies!(p384, public_key, &digest, signature),
            Curve::P521 => {
                // FIPS 186-5 takes any hash; the crate wants half a field's length at least, which SHA-256 falls short of
                // by a bit: leading zeros change nothing of the number that it is.
                let mut padded = vec![0; 66_usize.saturating_sub(digest.len())];
                padded.extend_from_slice(&digest);
                verifies!(p521, public_key, &padded, signature)
            }
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self.curve {
            Curve::P256 => alg_id::ECDSA_P256,
            Curve::P384 => alg_id::ECDSA_P384,
            Curve::P521 => alg_id::ECDSA_P521,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.hash {
            Hash::Sha256 => alg_id::ECDSA_SHA256,
            Hash::Sha384 => alg_id::ECDSA_SHA384,
            Hash::Sha512 => alg_id::ECDSA_SHA512,
        }
    }
}

/// A private key on P-521.
#[derive(Clone)]
pub(super) struct P521Key(Arc<p521::ecdsa::SigningKey>);

impl P521Key {
    /// From PKCS #8 or SEC 1; `None`: it is none.
    pub(super) fn from_der(der: &PrivateKeyDer<'_>) -> Option<Self> {
        use p521::{SecretKey, pkcs8::DecodePrivateKey};
        let key = match der {
            PrivateKeyDer::Pkcs8(der) => SecretKey::from_pkcs8_der(der.secret_pkcs8_der()).ok()?,
            PrivateKeyDer::Sec1(der) => SecretKey::from_sec1_der(der.secret_sec1_der()).ok()?,
            _ => return None,
        };
        Some(Self(Arc::new(key.into())))
    }
}

impl fmt::Debug for P521Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key on P-521")
    }
}

impl SigningKey for P521Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.scheme()).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        let point = self.0.verifying_key().to_sec1_point(false);
        Some(public_key_to_spki(&alg_id::ECDSA_P521, point.as_bytes()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for P521Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        use p521::ecdsa::{Signature, signature::hazmat::PrehashSigner};
        let signed: Result<Signature, _> = self.0.sign_prehash(&Sha512::digest(message));
        let signature = signed.map_err(|_| rustls::Error::General("signing with a key on P-521 failed".to_owned()))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP521_SHA512
    }
}
