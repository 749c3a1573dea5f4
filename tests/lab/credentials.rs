//! What the watchdog holds of the cluster is wrong: its CA, its certificate. Nothing of the cluster is accused.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    cluster::{Lab, output},
    outage::over,
    watch::{QUICK, Setup, Watch},
};

/// A kubeconfig of the lab with files of its own, so that they can be replaced as a person would.
struct Kubeconfig {
    dir: TempDir,
}

impl Kubeconfig {
    fn new(lab: &Lab, ca: &str, certificate: &str) -> Self {
        let kubeconfig = Self { dir: TempDir::with_prefix("dogwatch-lab-").unwrap() };
        kubeconfig.put(&lab.pki(ca), "ca.crt");
        kubeconfig.put(&lab.pki(&format!("{certificate}.crt")), "user.crt");
        kubeconfig.put(&lab.pki(&format!("{certificate}.key")), "user.key");
        let text = "{apiVersion: v1, kind: Config, current-context: lab,
            clusters: [{name: lab, cluster: {server: \"https://10.99.0.1:6443\", certificate-authority: ca.crt}}],
            users: [{name: user, user: {client-certificate: user.crt, client-key: user.key}}],
            contexts: [{name: lab, context: {cluster: lab, user: user}}]}";
        fs::write(kubeconfig.path(), text).unwrap();
        kubeconfig
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("kubeconfig")
    }

    fn put(&self, from: &Path, name: &str) {
        fs::copy(from, self.dir.path().join(name)).unwrap();
    }
}

/// Starts with a bad kubeconfig, asserts what is told, mends the files, and asserts that it is over.
fn wrong_from_the_start(lab: &Lab, kubeconfig: &Kubeconfig, alert: &str, says: &[&str], mend: impl FnOnce()) {
    let watch = Watch::start(lab, Setup::Configured(&kubeconfig.path()));
    let told = watch.wait_told(1, QUICK * 3);
    assert_eq!(told.len(), 2, "one message by each way, not {told:#?}");
    assert_eq!(told.iter().map(|m| m.alert.as_str()).max(), Some(alert), "{told:#?}");
    for part in says {
        assert!(told.iter().all(|m| m.says.contains(part)), "{part:?} is not in {told:#?}");
    }
    assert_eq!(watch.count("kube-apiserver", "up"), 0, "what can't be asked is not called healthy");
    mend();
    // No signal, no restart: files that change are noticed.
    watch.wait_until_all_up();
    over(&watch);
    watch.stop();
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn another_ca_is_no_outage() {
    let lab = Lab::take();
    let kubeconfig = Kubeconfig::new(&lab, "other-ca.crt", "watchdog");
    let mend = || kubeconfig.put(&lab.pki("ca.crt"), "ca.crt");
    wrong_from_the_start(&lab, &kubeconfig, "CertificateUntrusted", &["not signed by the CA in our kubeconfig"], mend);
}

#[test]
#[ignore = "needs the lab: tests/run lab"]
fn an_expired_client_certificate_is_told_as_ours() {
    let lab = Lab::take();
    let kubeconfig = Kubeconfig::new(&lab, "ca.crt", "expired");
    let end = output(
        std::process::Command::new("openssl")
            .args(["x509", "-noout", "-enddate", "-dateopt", "iso_8601"])
            .arg("-in")
            .arg(lab.pki("expired.crt")),
    );
    let day = end.trim_start_matches("notAfter=").split(' ').next().unwrap();
    let says = format!("the client certificate in the kubeconfig expired on {day}");
    let mend = || {
        kubeconfig.put(&lab.pki("watchdog.crt"), "user.crt");
        kubeconfig.put(&lab.pki("watchdog.key"), "user.key");
    };
    wrong_from_the_start(&lab, &kubeconfig, "CredentialsRefused", &["our credentials are refused by", &says], mend);
}
