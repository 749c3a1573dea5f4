//! What made a cluster, by what it says of itself: its version, its server's name, its nodes' labels and provider. Pure.

use serde_json::Value;

/// Who runs the control plane, and where etcd's certificates are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// As people call it.
    pub name: &'static str,
    /// Somebody else runs the control plane: etcd, scheduler and controller-manager are out of reach.
    pub managed: bool,
    /// What is different there, a sentence; empty: nothing.
    pub note: &'static str,
    /// How a client certificate for etcd is had; `None`: by nobody.
    pub etcd: Option<Etcd>,
    /// How its state is backed up; `None`: not by us.
    pub backup: Option<Backup>,
}

/// How the state of a cluster is backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backup {
    /// By a CronJob on hosts of the control plane, with the client's certificate that lies there.
    CronJob,
    /// By k3s itself, on a server.
    K3s,
    /// By k0s itself, on a controller, which is no node.
    K0s,
}

/// Where the files of etcd are on a control-plane host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Etcd {
    /// The CA's certificate.
    pub ca: &'static str,
    /// Its key, with which a certificate for the watchdog alone is signed; `None`: it does not lie open.
    pub ca_key: Option<&'static str>,
    /// A client's certificate and key that are there already.
    pub client: (&'static str, &'static str),
}

/// <https://kubernetes.io/docs/setup/best-practices/certificates/>
const KUBEADM_ETCD: Etcd = Etcd {
    ca: "/etc/kubernetes/pki/etcd/ca.crt",
    ca_key: Some("/etc/kubernetes/pki/etcd/ca.key"),
    client: ("/etc/kubernetes/pki/etcd/healthcheck-client.crt", "/etc/kubernetes/pki/etcd/healthcheck-client.key"),
};

const fn managed(name: &'static str, note: &'static str) -> Platform {
    Platform { name, managed: true, note, etcd: None, backup: None }
}

const fn own(name: &'static str, note: &'static str, (etcd, backup): (Option<Etcd>, Option<Backup>)) -> Platform {
    Platform { name, managed: false, note, etcd, backup }
}

/// Nothing is known of it.
pub const UNKNOWN: Platform = own("Kubernetes", "", (Some(KUBEADM_ETCD), Some(Backup::CronJob)));

const KUBEADM: Platform = own(
    "kubeadm",
    "kubeadm binds scheduler and controller-manager to 127.0.0.1: their leader leases are watched all the same",
    (Some(KUBEADM_ETCD), Some(Backup::CronJob)),
);
const K3S: Platform = own(
    "k3s",
    "one process is API server, scheduler and controller-manager; with SQLite or an outside database there is no etcd",
    (Some(K3S_ETCD), Some(Backup::K3s)),
);
const K3S_ETCD: Etcd = Etcd {
    ca: "/var/lib/rancher/k3s/server/tls/etcd/server-ca.crt",
    ca_key: Some("/var/lib/rancher/k3s/server/tls/etcd/server-ca.key"),
    client: ("/var/lib/rancher/k3s/server/tls/etcd/client.crt", "/var/lib/rancher/k3s/server/tls/etcd/client.key"),
};
/// Its servers bear no label of etcd.
const K3S_WITHOUT_ETCD: Platform = own(
    "k3s",
    "without etcd: back up SQLite (a copy of /var/lib/rancher/k3s/server, made while k3s is stopped) or the outside database",
    (None, None),
);
/// The labels of k3s' servers: of all, and of those with etcd.
const K3S_SERVER: &str = "node-role.kubernetes.io/control-plane";
const K3S_SERVER_WITH_ETCD: &str = "node-role.kubernetes.io/etcd";
const RKE2: Platform = own(
    "RKE2",
    "nodes join through port 9345, which is not watched by itself: add a check by tcp",
    (Some(RKE2_ETCD), Some(Backup::CronJob)),
);
const RKE2_ETCD: Etcd = Etcd {
    ca: "/var/lib/rancher/rke2/server/tls/etcd/server-ca.crt",
    ca_key: Some("/var/lib/rancher/rke2/server/tls/etcd/server-ca.key"),
    client: ("/var/lib/rancher/rke2/server/tls/etcd/client.crt", "/var/lib/rancher/rke2/server/tls/etcd/client.key"),
};
const K0S: Platform = own(
    "k0s",
    "controllers are no nodes there: without kubelets of theirs, only their API servers are seen",
    (Some(K0S_ETCD), Some(Backup::K0s)),
);
const K0S_ETCD: Etcd = Etcd {
    ca: "/var/lib/k0s/pki/etcd/ca.crt",
    ca_key: Some("/var/lib/k0s/pki/etcd/ca.key"),
    client: ("/var/lib/k0s/pki/apiserver-etcd-client.crt", "/var/lib/k0s/pki/apiserver-etcd-client.key"),
};
const TALOS: Platform = own(
    "Talos",
    "hosts have no shell: etcd's CA comes from the machine configuration (cluster.etcd.ca in controlplane.yaml)",
    (None, None),
);
const OPENSHIFT: Platform =
    own("OpenShift", "etcd's signer lies in the Secret etcd-signer of openshift-etcd", (Some(OPENSHIFT_ETCD), None));
const OPENSHIFT_ETCD: Etcd = Etcd {
    ca: "/etc/kubernetes/static-pod-resources/etcd-certs/configmaps/etcd-all-bundles/server-ca-bundle.crt",
    ca_key: None,
    client: (
        "/etc/kubernetes/static-pod-resources/etcd-certs/secrets/etcd-all-certs/etcd-peer-NODE.crt",
        "/etc/kubernetes/static-pod-resources/etcd-certs/secrets/etcd-all-certs/etcd-peer-NODE.key",
    ),
};

/// By a part of `gitVersion`.
const BY_VERSION: [(&str, Platform); 5] = [
    (
        "-eks-",
        managed(
            "Amazon EKS",
            "its kubeconfig runs `aws`: a service account's token needs no plugin on the watchdog's machine",
        ),
    ),
    (
        "-gke.",
        managed("Google GKE", "its kubeconfig runs gke-gcloud-auth-plugin: a service account's token needs no plugin"),
    ),
    ("+k3s", K3S),
    ("+rke2", RKE2),
    ("+k0s", K0S),
];

/// By the end of the server's name.
const BY_HOST: [(&str, Platform); 6] = [
    (".eks.amazonaws.com", managed("Amazon EKS", "")),
    (".azmk8s.io", managed("Azure AKS", "")),
    (".k8s.ondigitalocean.com", managed("DigitalOcean Kubernetes", "")),
    (".k8s.ovh.net", managed("OVHcloud Managed Kubernetes", "")),
    (".scw.cloud", managed("Scaleway Kapsule", "")),
    (".linodelke.net", managed("Akamai (Linode) LKE", "")),
];

/// By a label or annotation of a node, or the beginning of one.
const BY_MARK: [(&str, Platform); 10] = [
    ("eks.amazonaws.com/", managed("Amazon EKS", "")),
    ("cloud.google.com/gke-", managed("Google GKE", "")),
    ("kubernetes.azure.com/", managed("Azure AKS", "")),
    ("doks.digitalocean.com/", managed("DigitalOcean Kubernetes", "")),
    ("k8s.scaleway.com/", managed("Scaleway Kapsule", "")),
    ("lke.linode.com/", managed("Akamai (Linode) LKE", "")),
    (
        "worker.gardener.cloud/",
        managed("Gardener", "the control plane runs in a seed cluster: watch that one too, if it is yours"),
    ),
    ("vcluster.loft.sh/", managed("vcluster", "its control plane is a pod of a host cluster: watch that one too")),
    ("node.openshift.io/", OPENSHIFT),
    ("kubeadm.alpha.kubernetes.io/", KUBEADM),
];

/// Recognises it. `nodes` are as the API gives them; a few are enough.
pub fn recognise(host: &str, version: &str, nodes: &[Value]) -> Platform {
    let by_version = BY_VERSION.iter().find(|(mark, _)| version.contains(mark));
    let by_host = || BY_HOST.iter().find(|(end, _)| host.ends_with(end));
    let keys = |node: &Value, of: &str| -> Vec<String> {
        node["metadata"][of].as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
    };
    let marks: Vec<String> =
        nodes.iter().flat_map(|node| [keys(node, "labels"), keys(node, "annotations")].concat()).collect();
    let by_mark = || BY_MARK.iter().find(|(start, _)| marks.iter().any(|mark| mark.starts_with(start)));
    let image = |words: &str| {
        nodes.iter().any(|node| node["status"]["nodeInfo"]["osImage"].as_str().is_some_and(|os| os.contains(words)))
    };
    let is_marked = |label: &str| marks.iter().any(|mark| mark == label);
    match by_version.or_else(by_host) {
        // Of servers that are seen none has etcd; of those that are not, nobody knows.
        Some((_, K3S)) if is_marked(K3S_SERVER) && !is_marked(K3S_SERVER_WITH_ETCD) => K3S_WITHOUT_ETCD,
        Some((_, platform)) => *platform,
        None if image("Talos") => TALOS,
        None if image("CoreOS") && marks.iter().any(|mark| mark.contains("openshift.io/")) => OPENSHIFT,
        None => by_mark().map_or(UNKNOWN, |(_, platform)| *platform),
    }
}

impl Etcd {
    /// The commands, on a control-plane host, that make a certificate for the watchdog alone.
    pub fn commands(&self) -> Vec<String> {
        match self.ca_key {
            Some(key) => vec![
                "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=dogwatch -keyout dogwatch-etcd.key -out dogwatch-etcd.csr".into(),
                format!(
                    "printf 'extendedKeyUsage=clientAuth' | openssl x509 -req -days 365 -extfile /dev/stdin -in dogwatch-etcd.csr -CA {} -CAkey {key} -CAcreateserial -out dogwatch-etcd.crt",
                    self.ca
                ),
                format!("cp {} etcd-ca.crt", self.ca),
            ],
            None => vec![
                format!("cp {} etcd-ca.crt", self.ca),
                format!("cp {} dogwatch-etcd.crt", self.client.0),
                format!("cp {} dogwatch-etcd.key", self.client.1),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn clusters_are_known_by_what_they_say_of_themselves() {
        let node = |key: &str| json!({"metadata": {"labels": {key: "x"}}});
        let check = |host: &str, version: &str, nodes: &[Value], expected: &str, is_managed: bool| {
            let found = recognise(host, version, nodes);
            assert_eq!((found.name, found.managed), (expected, is_managed), "{host} {version} {nodes:?}");
        };
        check("ABC.gr7.eu-west-1.eks.amazonaws.com", "v1.31.2-eks-7f9249a", &[], "Amazon EKS", true);
        check("34.1.2.3", "v1.30.5-gke.1014001", &[], "Google GKE", true);
        check("x.hcp.westeurope.azmk8s.io", "v1.30.4", &[], "Azure AKS", true);
        check("10.0.0.1", "v1.30.4", &[node("kubernetes.azure.com/cluster")], "Azure AKS", true);
        check("x.k8s.ondigitalocean.com", "v1.31.1", &[], "DigitalOcean Kubernetes", true);
        check("abc.c1.gra9.k8s.ovh.net", "v1.31.1", &[], "OVHcloud Managed Kubernetes", true);
        check("10.0.0.1", "v1.31.4+k3s1", &[], "k3s", false);
        let etcd_of_k3s = |nodes: &[Value]| recognise("10.0.0.1", "v1.31.4+k3s1", nodes).etcd.is_some();
        assert!(etcd_of_k3s(&[]) && etcd_of_k3s(&[node("x")]), "no server is seen");
        assert!(etcd_of_k3s(&[node(K3S_SERVER), node(K3S_SERVER_WITH_ETCD)]));
        assert!(!etcd_of_k3s(&[node(K3S_SERVER), node("x")]));
        check("10.0.0.1", "v1.31.4+k3s1", &[node(K3S_SERVER)], "k3s", false);
        check("10.0.0.1", "v1.31.4+rke2r1", &[], "RKE2", false);
        check("10.0.0.1", "v1.31.4+k0s", &[], "k0s", false);
        check("10.0.0.1", "v1.37.2", &[json!({"status": {"nodeInfo": {"osImage": "Talos (v1.9.1)"}}})], "Talos", false);
        check("10.0.0.1", "v1.30.4", &[node("node.openshift.io/os_id")], "OpenShift", false);
        check("10.0.0.1", "v1.30.4", &[node("worker.gardener.cloud/pool")], "Gardener", true);
        let kubeadm = json!({"metadata": {"annotations": {"kubeadm.alpha.kubernetes.io/cri-socket": "unix:///x"}}});
        check("10.0.0.1", "v1.37.2", &[kubeadm], "kubeadm", false);
        check("10.0.0.1", "v1.37.2", &[json!({}), json!(7)], "Kubernetes", false);
    }
}
