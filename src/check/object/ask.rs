//! Questions to an API server: which resource a kind is, and its objects, page by page.

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::judge::{Query, Which};
use crate::{
    check::{ToCluster, found::Found},
    dial::{Answer, Ask, Auth, Trust},
    model::{Failure, Reason},
};

/// Objects a page.
const PAGE: usize = 250;
/// Pages of one list: a check looks at some thousand objects, not at all pods of a large cluster.
const PAGES_MAX: usize = 20;
/// Bytes of a page: 250 objects of 64 kB.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// A cluster's API, as one probe asks it.
pub(super) struct Api {
    cluster: ToCluster,
    found: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Resource {
    name: String,
    kind: String,
    #[serde(default)]
    namespaced: bool,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    preferred_version: GroupVersion,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupVersion {
    group_version: String,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
struct ListMeta {
    #[serde(rename = "continue", default)]
    next: Option<String>,
}

/// What is wanted of a resource, for the words of a refusal.
struct Wanted<'a> {
    group: &'a str,
    plural: &'a str,
    namespace: Option<&'a str>,
    verb: &'a str,
}

impl Api {
    pub(super) fn new(cluster: ToCluster) -> Self {
        Self { cluster, found: 0 }
    }

    /// How many kinds were there that were asked for.
    pub(super) fn kinds_found(&self) -> usize {
        self.found
    }

    /// Returns the objects that are asked for. Of reason `foreign` where the cluster has no such kind.
    pub(super) async fn objects(&mut self, query: &Query, found: &mut Found) -> Result<Vec<Value>, Failure> {
        let version = match &query.which {
            Which::Version(version) => version.clone(),
            Which::Group(group) => self.preferred(group, found).await?,
        };
        let resource = self.resource(&version, &query.kind, found).await?;
        self.found += 1;
        let mut path = root(&version);
        let namespace = query.namespace.as_deref().filter(|_| resource.namespaced);
        path.extend(namespace.iter().flat_map(|namespace| ["namespaces".to_owned(), (*namespace).to_owned()]));
        path.push(resource.name.clone());
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let verb = if query.name.is_some() && (namespace.is_some() || !resource.namespaced) { "get" } else { "list" };
        let wanted = Wanted { group, plural: &resource.name, namespace, verb };
        if let Some(name) = query.name.as_ref().filter(|_| verb == "get") {
            path.push(name.clone());
            let answer = self.get(&path, &[], found).await?;
            if answer.status == 404 {
                self.cluster.kinds.forget(&self.server());
                let whose = namespace.map(|n| format!("{n}/")).unwrap_or_default();
                return Err(Failure::new(Reason::Answer, format!("there is no {} {whose}{name}", query.kind)));
            }
            return Ok(vec![read(&answer, &wanted)?]);
        }
        self.list(&path, query, &wanted, found).await
    }

    async fn list(
        &self,
        path: &[String],
        query: &Query,
        wanted: &Wanted<'_>,
        found: &mut Found,
    ) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut next = String::new();
        for _ in 0..PAGES_MAX {
            let mut parameters = vec![("limit", PAGE.to_string())];
            parameters.extend(query.selector.iter().map(|text| ("labelSelector", text.clone())));
            parameters.extend(query.name.iter().map(|name| ("fieldSelector", format!("metadata.name={name}"))));
            parameters.extend((!next.is_empty()).then(|| ("continue", next.clone())));
            let answer = self.get(path, &parameters, found).await?;
            if answer.status == 404 {
                // It was there: the next probe asks what there is now.
                self.cluster.kinds.forget(&self.server());
            }
            let page: List = read(&answer, wanted)?;
            items.extend(page.items.unwrap_or_default());
            next = page.metadata.next.unwrap_or_default();
            if next.is_empty() {
                return Ok(items);
            }
        }
        let words =
            format!("there are more than {} of {}: narrow it by namespace or selector", PAGE * PAGES_MAX, query.kind);
        Err(Failure::new(Reason::Answer, words))
    }

    /// The version of a group that its API server would take.
    async fn preferred(&self, group: &str, found: &mut Found) -> Result<String, Failure> {
        let server = self.server();
        if let Some(version) = self.cluster.kinds.preferred(&server, group) {
            return Ok(version);
        }
        let answer = self.get(&["apis".to_owned(), group.to_owned()], &[], found).await?;
        if answer.status == 404 {
            return Err(Failure::new(Reason::Foreign, format!("the cluster has no API {group}: is it installed?")));
        }
        let wanted = Wanted { group, plural: "*", namespace: None, verb: "list" };
        let version = read::<Group>(&answer, &wanted)?.preferred_version.group_version;
        self.cluster.kinds.prefers(&server, group, &version);
        Ok(version)
    }

    /// By whom its cluster is known.
    fn server(&self) -> String {
        self.cluster.dialer.server().to_string()
    }

    async fn resource(&self, version: &str, kind: &str, found: &mut Found) -> Result<Resource, Failure> {
        let server = self.server();
        // Below a resource are others of the same kind: deployments/status.
        let of_kind = |all: &[Resource]| all.iter().find(|r| r.kind == kind && !r.name.contains('/')).cloned();
        if let Some(known) = self.cluster.kinds.resources(&server, version).and_then(|all| of_kind(&all)) {
            return Ok(known);
        }
        let answer = self.get(&root(version), &[], found).await?;
        if answer.status == 404 {
            let words = format!("the cluster has no API {version}: is what brings it installed?");
            return Err(Failure::new(Reason::Foreign, words));
        }
        let wanted = Wanted { group: version, plural: "*", namespace: None, verb: "list" };
        let resources = read::<Resources>(&answer, &wanted)?.resources;
        let one = of_kind(&resources);
        self.cluster.kinds.has(&server, version, resources.into());
        one.ok_or_else(|| Failure::new(Reason::Foreign, format!("the cluster has no kind {kind} in {version}")))
    }

    /// Asks one API server after the other; the first that answers counts.
    async fn get(&self, path: &[String], parameters: &[(&str, String)], found: &mut Found) -> Result<Answer, Failure> {
        let mut last = None;
        for (i, server) in self.cluster.servers.iter().enumerate() {
            let Some(url) = url(server, path, parameters) else { continue };
            let mut ask = Ask::get(url, Trust::Cluster, Auth::Cluster);
            (ask.reuse, ask.gzip, ask.max_bytes) = (true, true, PAGE_BYTES_MAX);
            // One that hangs must not take the time of the others.
            let more = self.cluster.servers.len() - i - 1;
            let share = found.line.left() / u32::try_from(more + 1).unwrap_or(u32::MAX);
            let exchange = self.cluster.dialer.exchange(ask, tokio::time::Instant::now() + share).await;
            match found.line.absorb(exchange) {
                Ok(answer) => return Ok(answer),
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.unwrap_or_else(|| Failure::new(Reason::Local, "no API server is known")))
    }
}

/// `/api/v1`, `/apis/apps/v1`.
fn root(version: &str) -> Vec<String> {
    let first = if version.contains('/') { "apis" } else { "api" };
    std::iter::once(first).chain(version.split('/')).map(str::to_owned).collect()
}

fn url(server: &Url, path: &[String], parameters: &[(&str, String)]) -> Option<Url> {
    let mut url = server.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    Some(url)
}

/// What an answer holds, or why it does not.
fn read<T: for<'de> Deserialize<'de>>(answer: &Answer, wanted: &Wanted<'_>) -> Result<T, Failure> {
    let wrong = |words: String| Err(Failure::new(Reason::Answer, words));
    match answer.status {
        200 if answer.cut => {
            wrong(format!("the answer is longer than {} MiB: narrow it by namespace or selector", PAGE_BYTES_MAX >> 20))
        }
        200 => serde_json::from_slice(&answer.body)
            .or_else(|e| wrong(format!("the API server's answer can't be understood (line {})", e.line()))),
        401 => wrong("HTTP 401: the API server does not take our credentials".to_owned()),
        403 => wrong(forbidden(wanted)),
        429 => Err(Failure::new(Reason::Throttled, "HTTP 429: the API server has too much to do")),
        status => Err(Failure::new(Reason::HttpStatus, format!("the API server answered HTTP {status}"))),
    }
}

fn forbidden(wanted: &Wanted<'_>) -> String {
    let Wanted { group, plural, namespace, verb } = wanted;
    let role = match namespace {
        Some(namespace) => format!("a Role in {namespace}, or the ClusterRole"),
        None => "the ClusterRole".to_owned(),
    };
    format!(
        "HTTP 403: we may not {verb} {plural}: add to {role} of our user: \
         {{apiGroups: [{group:?}], resources: [{plural}], verbs: [{verb}]}}"
    )
}
