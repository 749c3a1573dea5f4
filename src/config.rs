//! Placeholder until the config room lands.
use crate::{
    discover::config::ClusterConfig,
    notify::config::*,
    schedule::{Defaults, ScheduleConfig},
    store::StorageConfig,
    vantage::VantageConfig,
};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};
use url::Url;
/// Config.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Config {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    pub external_url: Option<Url>,
    pub external_labels: BTreeMap<String, String>,
    pub defaults: Defaults,
    pub clusters: Vec<ClusterConfig>,
    pub vantage: VantageConfig,
    pub storage: StorageConfig,
    pub schedule: ScheduleConfig,
    pub notifications: NotificationsConfig,
    pub global: GlobalConfig,
    pub route: Option<RouteConfig>,
    pub receivers: Vec<ReceiverConfig>,
}
