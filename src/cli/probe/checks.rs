//! Checks of the configuration, and places that are asked ad hoc.

use std::{path::Path, sync::Arc};

use super::*;
use crate::{
    check::{self, Kinds, ToCluster, config::CheckConfig},
    model,
};

/// A target with what it asks.
type Asked = (Target, Arc<CheckConfig>);

/// What was asked of checks.
pub(super) struct Checked {
    pub(super) wanted: Vec<Asked>,
    /// Checks that were not asked for.
    pub(super) others: Vec<String>,
    /// All that was asked for is a check by its name, and none is made at nodes: clusters need not be asked.
    pub(super) is_all: bool,
}

/// Returns what is asked ad hoc, `https://…`, `tcp://host:port`, `ssh://host`, …; `None` where something else is too.
///
/// # Errors
/// What is wrong with one of them.
pub(super) fn ad_hoc(args: &ProbeArgs) -> Option<Result<Vec<CheckConfig>, String>> {
    let is_url = |text: &String| text.contains("://");
    (!args.targets.is_empty() && args.targets.iter().all(is_url))
        .then(|| args.targets.iter().map(|text| CheckConfig::ad_hoc(text)).collect())
}

/// Returns what is asked of the checks.
pub(super) fn wanted(config: &Config, args: &ProbeArgs) -> Checked {
    let all = config.check_targets();
    let is_named = |wanted: &String| all.iter().any(|(t, _)| t.key.job.as_str() == *wanted);
    let by_name = !args.targets.is_empty() && args.targets.iter().all(is_named);
    let called = |(target, _): &Asked| {
        let is_it = |wanted: &String| match is_named(wanted) {
            true => target.key.job.as_str() == *wanted,
            false => is_called(target, wanted),
        };
        args.all || args.targets.iter().any(is_it)
    };
    let (wanted, others): (Vec<_>, Vec<_>) = all.iter().cloned().partition(called);
    let others = others.iter().map(|(t, _)| t.key.to_string()).collect();
    let is_all = by_name && wanted.iter().all(|(_, check)| check.nodes.is_none());
    Checked { wanted, others, is_all }
}

/// The checks that follow from what a cluster serves. Those at nodes are left out: whether NodePorts are open towards this machine,
/// only `run` finds out in time.
pub(super) fn of_sites(config: &Config, cluster: &ClusterConfig, snapshot: &ClusterSnapshot) -> Vec<Asked> {
    let all = config.site_terms(cluster).map(|terms| terms.targets(snapshot)).unwrap_or_default();
    all.into_iter().filter(|(target, _)| !target.guessed).collect()
}

/// Each check at every node, where it is made at nodes.
pub(super) fn at_nodes(wanted: Vec<Asked>, snapshots: &HashMap<&str, ClusterSnapshot>) -> Vec<Asked> {
    let nothing = ClusterSnapshot::default();
    let each = wanted.into_iter().flat_map(|(target, check)| {
        let snapshot = snapshots.get(&*target.key.cluster).unwrap_or(&nothing);
        model::at_nodes(&target, snapshot).into_iter().map(move |target| (target, check.clone())).collect::<Vec<_>>()
    });
    each.collect()
}

/// The way to each cluster whose API a check asks; one without usable credentials is said by the check that lacks it.
async fn ways(wanted: &[Asked], clusters: &[ClusterConfig], data_dir: &Path) -> HashMap<String, ToCluster> {
    let mut ways = HashMap::new();
    for cluster in clusters {
        if !wanted.iter().any(|(_, check)| check.asks_cluster() == Some(cluster.name.as_str())) {
            continue;
        }
        let dial = DialConfig { person_waits: true, ..cluster.dial(data_dir) };
        match told_while_waiting(&cluster.name, Dialer::load(dial, Clock::system())).await {
            Ok(dialer) => {
                let servers = vec![dialer.server()];
                ways.insert(cluster.name.clone(), ToCluster { dialer, servers, kinds: Kinds::default() });
            }
            Err(error) => {
                output::fail(&format!("cluster {}: {error}", cluster.name));
            }
        }
    }
    ways
}

/// Probes all of them.
pub(super) async fn run(wanted: Vec<Asked>, config: &Config) -> Vec<Probed> {
    let ways = ways(&wanted, &config.clusters, &config.data_dir).await;
    let probes = wanted.into_iter().map(|(target, check)| {
        let way = check.asks_cluster().and_then(|name| ways.get(name)).cloned();
        async move { check::probe(&Arc::new(target), &check, way, &Clock::system()).await }
    });
    let nothing = ClusterSnapshot::default();
    at_once(probes).await.into_iter().map(|o| Probed::new(o, &nothing)).collect()
}
