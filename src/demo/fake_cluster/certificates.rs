//! Two certificate authorities, as kubeadm makes them: the cluster's and etcd's; and what they sign. Kubelets,
//! schedulers and controller-managers sign their own serving certificates, as they do by default.

use std::{fs, io::Write as _, net::IpAddr, path::Path, sync::Arc};

use anyhow::Context as _;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

use super::world::Role;

/// The cluster's CA, in the demo's directory.
pub const CA: &str = "ca.crt";
/// The watchdog's client certificate.
pub const CLIENT: &str = "watchdog.crt";
/// Its key.
pub const CLIENT_KEY: &str = "watchdog.key";
/// Etcd's CA.
pub const ETCD_CA: &str = "etcd-ca.crt";
/// The client certificate for etcd.
pub const ETCD_CLIENT: &str = "etcd-client.crt";
/// Its key.
pub const ETCD_CLIENT_KEY: &str = "etcd-client.key";

/// Names that an API server's certificate carries.
const API_NAMES: [&str; 3] = ["kubernetes", "kubernetes.default.svc", "localhost"];

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Everything that is signed at the start.
pub struct Certificates {
    cluster: Authority,
    etcd: Authority,
    client: Pair,
    etcd_client: Pair,
    addresses: Vec<IpAddr>,
}

struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Certificates {
    /// Makes the authorities and the client certificates; serving certificates will carry `addresses`.
    pub fn make(addresses: impl Iterator<Item = IpAddr>) -> anyhow::Result<Self> {
        let cluster = authority("kubernetes")?;
        let etcd = authority("etcd-ca")?;
        Ok(Self {
            client: signed("watchdog", ExtendedKeyUsagePurpose::ClientAuth, &[], &[], Some(&cluster))?,
            etcd_client: signed(
                "kube-etcd-healthcheck-client",
                ExtendedKeyUsagePurpose::ClientAuth,
                &[],
                &[],
                Some(&etcd),
            )?,
            addresses: addresses.collect(),
            cluster,
            etcd,
        })
    }

    /// Writes what a watchdog is given.
    pub fn write(&self, dir: &Path) -> std::io::Result<()> {
        fs::write(dir.join(CA), self.cluster.pem())?;
        fs::write(dir.join(CLIENT), self.client.certificate.pem())?;
        write_key(&dir.join(CLIENT_KEY), &self.client.key)?;
        fs::write(dir.join(ETCD_CA), self.etcd.pem())?;
        fs::write(dir.join(ETCD_CLIENT), self.etcd_client.certificate.pem())?;
        write_key(&dir.join(ETCD_CLIENT_KEY), &self.etcd_client.key)
    }

    /// The TLS of one component, with a serving certificate of its own.
    pub fn server_config(&self, role: Role) -> anyhow::Result<Arc<ServerConfig>> {
        let server = ExtendedKeyUsagePurpose::ServerAuth;
        let (pair, clients, required) = match role {
            Role::ApiServer(_) => {
                let pair = signed("kube-apiserver", server, &API_NAMES, &self.addresses, Some(&self.cluster))?;
                (pair, Some(&self.cluster), false)
            }
            Role::Etcd(i) => {
                let name = format!("etcd-{}", i + 1);
                (signed(&name, server, &[&name], &self.addresses, Some(&self.etcd))?, Some(&self.etcd), true)
            }
            Role::Kubelet(i) => {
                let name = super::apiserver::node_name(i);
                (signed(&name, server, &[&name], &[], None)?, Some(&self.cluster), false)
            }
            Role::Scheduler(_) | Role::ControllerManager(_) => {
                (signed("localhost", server, &["localhost"], &[], None)?, None, false)
            }
        };
        config(pair, clients, required).with_context(|| format!("no TLS for {role:?}"))
    }
}

fn config(pair: Pair, clients: Option<&Authority>, required: bool) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone())?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let chain: Vec<CertificateDer<'static>> = vec![pair.certificate.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.key.serialize_der()));
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn params(name: &str) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    // From yesterday, for clocks that differ, for a year as kubeadm signs.
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day =
        |d: jiff::civil::Date| date_time_ymd(i32::from(d.year()), d.month().unsigned_abs(), d.day().unsigned_abs());
    params.not_before = day(today.saturating_sub(1.day()));
    params.not_after = day(today.saturating_add(364.days()));
    Ok(params)
}

fn authority(name: &str) -> anyhow::Result<Authority> {
    let mut params = params(name)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// A leaf, signed by `by` or by itself.
fn signed(
    name: &str,
    usage: ExtendedKeyUsagePurpose,
    dns: &[&str],
    addresses: &[IpAddr],
    by: Option<&Authority>,
) -> anyhow::Result<Pair> {
    let mut params = params(name)?;
    params.extended_key_usages = vec![usage];
    for name in dns {
        params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
    }
    params.subject_alt_names.extend(addresses.iter().map(|a| SanType::IpAddress(*a)));
    let key = KeyPair::generate()?;
    let certificate = match by {
        Some(authority) => params.signed_by(&key, authority)?,
        None => params.self_signed(&key)?,
    };
    Ok(Pair { certificate, key })
}

/// For the owner's eyes alone, from its first byte on.
fn write_key(path: &Path, key: &KeyPair) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(key.serialize_pem().as_bytes())
}
