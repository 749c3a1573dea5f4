//! The fake cluster: three API servers, three etcd members, three schedulers and controller-managers, three kubelets.
//!
//! Every component is a TLS server with an address of its own in 127.0.0.0/8, so that what is printed looks like hosts.
//! A component that is killed keeps its port bound but listens no more: connections are refused, as by a machine whose
//! process died, and nobody else can take the port before it is restarted.

mod apiserver;
mod certificates;
mod etcd;
mod exchange;
mod health;
mod server;
#[cfg(test)]
mod tests;
mod world;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use self::{
    certificates::Certificates,
    server::{Place, Server},
    world::{Role, World},
};
use crate::clock::Clock;
use crate::discover::config::{ClusterConfig, ComponentConfig, EtcdConfig, KubeletConfig, RecorderConfig};

/// How many there are of everything.
pub const SIZE: usize = 3;

/// The cluster's name.
pub const NAME: &str = "demo";

/// Probes are this far apart: a newcomer has a minute, a real cluster's default is 10 s.
const INTERVAL: Duration = Duration::from_secs(3);

/// Shorter than the interval, and long enough for an API server without etcd to say so, which takes it two seconds.
const TIMEOUT: Duration = Duration::from_millis(2500);

/// A leader that could not renew its lease exits after about this long (`--leader-elect-renew-deadline`).
const RENEW_DEADLINE: Duration = Duration::from_secs(10);

/// And is started again by its supervisor after about this long, once the API answers.
const RESTART: Duration = Duration::from_secs(2);

/// A running fake cluster; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeCluster {
    world: Arc<World>,
    servers: Arc<Servers>,
    dir: PathBuf,
    _stop: DropGuard,
}

impl FakeCluster {
    /// Starts everything and writes certificates and `kubeconfig` into `dir`. Default ports where they are free.
    ///
    /// # Errors
    /// When no port can be bound or `dir` can't be written.
    pub async fn start(dir: &Path, clock: Clock) -> anyhow::Result<Self> {
        let places: Vec<(Role, Place)> = Role::all()
            .map(|role| Ok((role, Place::find(host(role), role.default_port())?)))
            .collect::<anyhow::Result<_>>()?;
        let certificates = Certificates::make(places.iter().map(|(_, p)| p.address.ip()))?;
        certificates.write(dir).context("the demo's certificates can't be written")?;
        let world = Arc::new(World::new(places.iter().map(|(role, p)| (*role, p.address)), clock));
        write_kubeconfig(dir, world.address(Role::ApiServer(0)))?;
        let servers = places
            .into_iter()
            .map(|(role, place)| {
                let tls = certificates.server_config(role)?;
                Ok(Server::start(role, place, tls, world.clone()))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let servers = Arc::new(Servers(Mutex::new(servers)));
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(keep_leaders(world.clone(), servers.clone())));
        Ok(Self { world, servers, dir: dir.to_owned(), _stop: stop.drop_guard() })
    }

    /// What `clusters:` would say of it.
    pub fn config(&self) -> ClusterConfig {
        let component = |role: fn(usize) -> Role, path: &str| ComponentConfig {
            endpoints: self.urls(role, path),
            interval: Some(INTERVAL),
            timeout: Some(TIMEOUT),
            ..ComponentConfig::default()
        };
        ClusterConfig {
            name: NAME.to_owned(),
            kubeconfig: Some(self.dir.join("kubeconfig")),
            context: None,
            renew_token: false,
            apiserver: ComponentConfig { endpoints: Vec::new(), ..component(Role::ApiServer, "") },
            etcd: EtcdConfig {
                endpoints: self.urls(Role::Etcd, ""),
                interval: Some(INTERVAL),
                timeout: Some(TIMEOUT),
                ca_file: Some(self.dir.join(certificates::ETCD_CA)),
                cert_file: Some(self.dir.join(certificates::ETCD_CLIENT)),
                key_file: Some(self.dir.join(certificates::ETCD_CLIENT_KEY)),
                ..EtcdConfig::default()
            },
            kubelet: KubeletConfig { interval: Some(INTERVAL), timeout: Some(TIMEOUT), ..KubeletConfig::default() },
            scheduler: component(Role::Scheduler, "/healthz"),
            controller_manager: component(Role::ControllerManager, "/healthz"),
            // It has none, and the machine's own, if it runs one, is not part of the play.
            kube_proxy: ComponentConfig { enabled: false, ..ComponentConfig::default() },
            allow_local_addresses: false,
            labels: Default::default(),
            monitoring: None,
            scrape: None,
            discover: None,
            // It has no objects but nodes.
            recorder: RecorderConfig { enabled: false },
            state_metrics: false,
            dry_run: None,
            canary: None,
        }
    }

    /// Has its API servers list these objects at a path, as `/api/v1/services`, whatever selector they are asked with.
    pub fn serve_list(&self, path: &str, items: Vec<serde_json::Value>) {
        self.world.set_list(path, items);
    }

    fn urls(&self, role: fn(usize) -> Role, path: &str) -> Vec<Url> {
        let url = |i| Url::parse(&format!("https://{}{path}", self.world.address(role(i)))).ok();
        (0..SIZE).filter_map(url).collect()
    }

    /// Where the API server with this number (from 0) listens.
    pub fn apiserver(&self, i: usize) -> SocketAddr {
        self.world.address(Role::ApiServer(i % SIZE))
    }

    /// Where the etcd member with this number (from 0) listens.
    pub fn etcd(&self, i: usize) -> SocketAddr {
        self.world.address(Role::Etcd(i % SIZE))
    }

    /// How many targets there are to be found.
    pub fn targets(&self) -> usize {
        Role::all().count()
    }

    /// Kills an etcd member (from 0). With two gone quorum is lost: the API servers hang on every read and fail on
    /// `/livez`; some ten seconds later the leaders of the scheduler and the controller-manager give up.
    pub async fn kill_etcd(&self, i: usize) {
        self.servers.kill(Role::Etcd(i % SIZE)).await;
        self.world.set_etcd(i % SIZE, false);
    }

    /// Brings every etcd member back.
    ///
    /// # Errors
    /// When a member can't listen again.
    pub async fn restart_etcd(&self) -> anyhow::Result<()> {
        for i in 0..SIZE {
            self.servers.restart(Role::Etcd(i)).await?;
            self.world.set_etcd(i, true);
        }
        Ok(())
    }
}

/// Control planes are 127.0.0.2 to .4, nodes 127.0.0.11 to .13.
fn host(role: Role) -> IpAddr {
    let last = match role {
        Role::Kubelet(i) => 11 + i,
        _ => 2 + role.index(),
    };
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, u8::try_from(last).unwrap_or(1)))
}

fn write_kubeconfig(dir: &Path, server: SocketAddr) -> anyhow::Result<()> {
    // Paths are relative to the file. JSON is YAML, and needs no care with quotes.
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {
            "server": format!("https://{server}"),
            "certificate-authority": certificates::CA,
        }}],
        "users": [{"name": "watchdog", "user": {
            "client-certificate": certificates::CLIENT,
            "client-key": certificates::CLIENT_KEY,
        }}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": "watchdog"}}],
        "current-context": NAME,
    });
    let path = dir.join("kubeconfig");
    std::fs::write(&path, serde_json::to_string_pretty(&kubeconfig)?)
        .with_context(|| format!("{} can't be written", path.display()))
}

/// The leaders give up when they can't renew, and are started again when the API is back.
async fn keep_leaders(world: Arc<World>, servers: Arc<Servers>) {
    const LEADERS: [Role; 2] = [Role::Scheduler(0), Role::ControllerManager(0)];
    loop {
        world.quorum_is(false).await;
        if tokio::time::timeout(RENEW_DEADLINE, world.quorum_is(true)).await.is_ok() {
            continue;
        }
        for role in LEADERS {
            servers.kill(role).await;
        }
        world.set_leaders_exited(true);
        world.quorum_is(true).await;
        tokio::time::sleep(RESTART).await;
        for role in LEADERS {
            if let Err(e) = servers.restart(role).await {
                tracing::warn!(error = %e, "a part of the fake cluster can't be started again");
            }
        }
        world.set_leaders_exited(false);
    }
}

#[derive(Debug)]
struct Servers(Mutex<Vec<Server>>);

impl Servers {
    async fn kill(&self, role: Role) {
        for server in self.0.lock().await.iter_mut().filter(|s| s.role() == role) {
            server.kill().await;
        }
    }

    async fn restart(&self, role: Role) -> anyhow::Result<()> {
        self.0.lock().await.iter_mut().filter(|s| s.role() == role).try_for_each(Server::restart)
    }
}
