//! What is said: one file a subject, each from the same picture. Nothing is judged here; who is told first is decided above.

mod again;
mod agreement;
mod apiserver;
mod between;
mod certificates;
mod components;
mod credentials;
mod etcd;
mod hosts;
mod leaders;
mod network;
mod nodes;
mod objects;
mod pressure;
mod registry;
mod still_works;
mod tokens;
mod unnoticed;

pub(super) use still_works::tell as tell_what_works;

use super::picture::Picture;
use crate::model::Finding;

/// Returns everything that is wrong with a cluster; a cause may point to another consequence still.
pub(super) fn all(p: &Picture<'_>) -> Vec<Finding> {
    let mut all = network::findings(p);
    all.extend(hosts::findings(p));
    all.extend(agreement::findings(p));
    all.extend(etcd::findings(p));
    all.extend(apiserver::findings(p));
    all.extend(between::findings(p));
    all.extend(leaders::findings(p));
    all.extend(nodes::findings(p));
    all.extend(pressure::findings(p));
    all.extend(unnoticed::findings(p));
    all.extend(registry::findings(p));
    all.extend(objects::findings(p));
    pressure::join_evictions(&mut all);
    all.extend(components::findings(p));
    all.extend(again::findings(p));
    all.extend(credentials::findings(p));
    all.extend(certificates::findings(p));
    all.extend(tokens::findings(p));
    all
}
