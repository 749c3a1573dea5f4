//! What people ask of the record, answered from the file: the same for the command line and the API.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::past;
use crate::{
    inventory::{
        checklist,
        compare::{self, Difference},
        kinds::{self, EVENTS, KINDS, Kind},
        object::{Objects, Selector},
        places::{self, Place},
        tables::VIEWS,
    },
    model::{RecordedSeen, text},
    store::{Store, StoreError},
};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The cluster.
    pub cluster: String,
    /// A view, a kind, `diff`, `where` or `export`; `None`: a summary.
    pub what: Option<String>,
    /// Of `where`: what is looked for; of `diff`: only this kind.
    pub word: Option<String>,
    /// The moment.
    pub at: Timestamp,
    /// Of `diff`: the moment before.
    pub since: Timestamp,
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only with these labels.
    pub selector: Selector,
}

/// How much there is of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// The kind.
    pub kind: &'static str,
    /// Objects.
    pub objects: usize,
    /// How its recording stands.
    pub seen: RecordedSeen,
}

/// What was found.
#[derive(Clone, Debug)]
pub enum Found {
    /// How much of everything.
    Summary(Vec<Count>),
    /// The objects of a view, with those that its table looks up.
    Objects(&'static str, Objects),
    /// What is different.
    Differences(Vec<Difference>),
    /// Where it runs.
    Places(Vec<Place>),
    /// What a rebuild needs.
    Checklist(Value),
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The cluster.
    pub cluster: String,
    /// The moment.
    pub at: Timestamp,
    /// When the API last told of anything.
    pub last_seen: Timestamp,
    /// What of it is not there, or older than the rest, in words.
    pub remarks: Vec<String>,
    /// What was found.
    pub found: Found,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The cluster, or what is asked of it, is not recorded: in words.
    #[error("{0}")]
    Unknown(String),
    /// It can't be asked like that: in words.
    #[error("{0}")]
    Wrong(String),
    /// The file can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Kinds tell within so many seconds of each other where all is well.
const TOGETHER_S: i64 = 300;

/// Answers.
///
/// # Errors
/// When nothing of it is recorded, it can't be asked like that, or the file can't be read.
pub async fn answer(store: &Store, question: Question) -> Result<Answer, Unanswered> {
    let seen = seen(store, &question.cluster).await?;
    let last_seen = seen.iter().filter_map(|s| s.at).max().unwrap_or(question.at);
    let mut asking = Asking { store, question: &question, seen: &seen, last_seen, remarks: Vec::new() };
    let found = match (question.what.as_deref(), question.word.as_deref()) {
        (None, _) => asking.summary().await?,
        (Some("diff"), kind) => asking.differences(kind).await?,
        (Some("where"), Some(word)) => asking.places(word).await?,
        (Some("where"), None) => {
            return Err(Unanswered::Wrong("where is what? Give pod/NAME, node/NAME, an IP or an image".into()));
        }
        (Some("export"), None) => asking.checklist().await?,
        (Some(what), None) => asking.view(what).await?,
        (Some(what), Some(word)) => {
            return Err(Unanswered::Wrong(format!("{what} takes nothing else, but {word:?} was given")));
        }
    };
    let remarks = asking.remarks;
    Ok(Answer { cluster: question.cluster, at: question.at, last_seen, remarks, found })
}

/// How the recording stands; an error where there is none.
async fn seen(store: &Store, cluster: &str) -> Result<Vec<RecordedSeen>, Unanswered> {
    let all = store.recorded_seen(None).await?;
    let found: Vec<RecordedSeen> = all.iter().filter(|s| s.cluster == cluster).cloned().collect();
    if found.iter().any(|s| s.at.is_some()) {
        return Ok(found);
    }
    let refused = found.iter().find(|s| s.kind == "pods" && !s.why_not.is_empty());
    let mut known: Vec<&str> = all.iter().filter(|s| s.at.is_some()).map(|s| s.cluster.as_str()).collect();
    known.dedup();
    Err(Unanswered::Unknown(match (refused, known.as_slice()) {
        (Some(refused), _) => format!("nothing was recorded of {cluster}: {} (docs/recorder.md)", refused.why_not),
        (None, []) => {
            "nothing is recorded yet: a watchdog that runs writes it down, unless `recorder:` is turned off".to_owned()
        }
        (None, known) => format!("nothing is recorded of {cluster:?}, but of {}", text::any_of(known)),
    }))
}

/// The view behind a word, and the kinds that are read for it.
fn view(what: &str) -> Option<(&'static str, Vec<&'static Kind>)> {
    let kind = kinds::find(what);
    let name = kind.map_or(what, |kind| kind.name);
    match VIEWS.iter().find(|(view, _)| *view == name) {
        Some((view, names)) => Some((view, names.iter().filter_map(|name| kinds::find(name)).collect())),
        None => kind.map(|kind| (kind.name, vec![kind])),
    }
}

fn unknown(what: &str) -> Unanswered {
    let views = VIEWS.iter().map(|(view, _)| *view);
    let all = views.chain(["diff", "where", "export"]).chain(KINDS.iter().map(|k| k.name));
    let near = all.map(|name| (strsim::jaro_winkler(name, what), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = near.filter(|(score, _)| *score > 0.8).map(|(_, name)| format!("; did you mean {name}?"));
    Unanswered::Unknown(format!("{what:?} is not recorded{}", hint.unwrap_or_else(|| " (docs/recorder.md)".into())))
}

/// `2026-11-23 14:02:11 UTC`
fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

struct Asking<'a> {
    store: &'a Store,
    question: &'a Question,
    seen: &'a [RecordedSeen],
    last_seen: Timestamp,
    remarks: Vec<String>,
}

impl Asking<'_> {
    /// Says what of some kinds is not there, or older than the rest.
    fn remark(&mut self, kinds: &[&'static Kind]) {
        for kind in kinds {
            let name = kind.name;
            let remark = match self.seen.iter().find(|s| s.kind == name) {
                None => format!("{name} were never asked for"),
                Some(RecordedSeen { at: Some(at), why_not, .. })
                    if !why_not.is_empty() || self.last_seen.as_second() - at.as_second() > TOGETHER_S =>
                {
                    let why = if why_not.is_empty() { String::new() } else { format!(": {why_not}") };
                    format!("{name} were last seen {}{why}", stamp(*at))
                }
                Some(RecordedSeen { at: None, why_not, .. }) if !why_not.contains("does not have it") => {
                    format!("{name} are not recorded: {why_not}")
                }
                Some(_) => continue,
            };
            self.remarks.push(remark);
        }
    }

    fn is_wanted(&self, namespace: &str) -> bool {
        self.question.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
    }

    /// The same of a `namespace/name`.
    fn is_key_wanted(&self, key: &str) -> bool {
        self.is_wanted(key.split_once('/').map_or("", |(namespace, _)| namespace))
    }

    async fn objects(&self, kinds: &[&'static Kind]) -> Result<Objects, StoreError> {
        past::objects(self.store, &self.question.cluster, kinds, self.question.at).await
    }

    async fn summary(&self) -> Result<Found, StoreError> {
        let mut counts = Vec::new();
        for kind in KINDS.iter() {
            let Some(seen) = self.seen.iter().find(|s| s.kind == kind.name) else { continue };
            let picture = past::picture(self.store, &self.question.cluster, kind, self.question.at).await?;
            counts.push(Count { kind: kind.name, objects: picture.objects.len(), seen: seen.clone() });
        }
        Ok(Found::Summary(counts))
    }

    async fn view(&mut self, what: &str) -> Result<Found, Unanswered> {
        let (view, kinds) = view(what).ok_or_else(|| unknown(what))?;
        self.remark(&kinds);
        let mut objects = self.objects(&kinds).await?;
        for (kind, all) in objects.iter_mut().filter(|(kind, _)| is_shown(view, kind)) {
            let has_namespace = *kind != "nodes" && all.iter().any(|o| !o.namespace.is_empty());
            all.retain(|o| (!has_namespace || self.is_wanted(&o.namespace)) && self.question.selector.admits(o));
        }
        Ok(Found::Objects(view, objects))
    }

    async fn differences(&mut self, what: Option<&str>) -> Result<Found, Unanswered> {
        let mut kinds: Vec<&'static Kind> = match what {
            Some(what) => view(what).ok_or_else(|| unknown(what))?.1,
            None => KINDS.iter().collect(),
        };
        kinds.retain(|kind| !kind.is_event());
        let Question { cluster, at, since, .. } = self.question;
        let is_before = !self.was_recorded().await?;
        let mut found = Vec::new();
        for kind in kinds {
            // Either there was none, or nobody looked: what came with the first look is no news.
            if is_before && self.store.recorded(cluster, kind.name, *since).await?.is_empty() {
                continue;
            }
            let before = past::picture(self.store, cluster, kind, *since).await?;
            let after = past::picture(self.store, cluster, kind, *at).await?;
            found.extend(compare::between(kind, &before, &after));
        }
        if is_before {
            self.remarks.push(format!(
                "the cluster was not recorded yet at {}: kinds without a past are left out",
                stamp(*since)
            ));
        }
        found.retain(|d| self.is_key_wanted(&d.key));
        Ok(Found::Differences(found))
    }

    /// Whether anything was recorded at the moment before: namespaces, which every cluster has, or nodes.
    async fn was_recorded(&self) -> Result<bool, StoreError> {
        let Question { cluster, since, .. } = self.question;
        for kind in ["namespaces", "nodes"] {
            if !self.store.recorded(cluster, kind, *since).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn places(&mut self, word: &str) -> Result<Found, StoreError> {
        let kinds: Vec<&'static Kind> = places::KINDS.iter().filter_map(|name| kinds::find(name)).collect();
        self.remark(&kinds);
        let mut found = places::find(word, &self.objects(&kinds).await?);
        found.retain(|p| self.is_key_wanted(&p.pod));
        Ok(Found::Places(found))
    }

    async fn checklist(&mut self) -> Result<Found, StoreError> {
        let kinds: Vec<&'static Kind> = KINDS.iter().filter(|kind| kind.name != EVENTS).collect();
        self.remark(&kinds);
        let mut objects = self.objects(&kinds).await?;
        for all in objects.values_mut() {
            all.retain(|o| o.namespace.is_empty() || self.is_wanted(&o.namespace));
        }
        Ok(Found::Checklist(checklist::of(&objects)))
    }
}

/// Whether a kind is what a view shows, and not only looked up or counted by it.
fn is_shown(view: &str, kind: &str) -> bool {
    kind == view || !matches!(kind, "pods" | "endpointslices")
}

impl Answer {
    /// Returns the line that says how old the picture is.
    pub fn headline(&self, now: Timestamp, is_past: bool) -> String {
        let Self { cluster, at, last_seen, .. } = self;
        let ago = |then: Timestamp| text::between(then.min(now), now);
        let seen = format!("last seen {} ago ({})", ago(*last_seen), stamp(*last_seen));
        match is_past {
            false => format!("{cluster} as {seen}"),
            true if at > last_seen => format!("{cluster} at {}, after it was {seen}", stamp(*at)),
            true => format!("{cluster} at {}, {} ago", stamp(*at), ago(*at)),
        }
    }

    /// Returns it for machines.
    pub fn document(&self) -> Value {
        let mut document = json!({
            "cluster": self.cluster,
            "at": self.at,
            "last_seen": self.last_seen,
            "remarks": self.remarks,
        });
        let (name, found) = match &self.found {
            Found::Summary(counts) => {
                let kinds = counts.iter().map(|Count { kind, objects, seen }| {
                    json!({"resource": kind, "objects": objects, "last_seen": seen.at, "not_recorded": seen.why_not})
                });
                ("kinds", kinds.collect())
            }
            Found::Objects(view, objects) => {
                let shown = objects.iter().filter(|(kind, _)| is_shown(view, kind)).flat_map(|(_, all)| all);
                ("objects", json!(shown.collect::<Vec<_>>()))
            }
            Found::Differences(all) => ("differences", json!(all)),
            Found::Places(all) => ("pods", json!(all)),
            Found::Checklist(list) => ("checklist", list.clone()),
        };
        if let Some(document) = document.as_object_mut() {
            document.insert(name.into(), found);
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_finds_its_view_or_kind() {
        let name = |what| view(what).map(|(view, _)| view);
        assert_eq!(name("workloads"), Some("workloads"));
        assert_eq!(name("pod"), Some("pods"));
        assert_eq!(name("Deployment"), Some("deployments"));
        assert_eq!(name("svc"), Some("services"));
        assert_eq!(name("secrets"), None);
        assert!(unknown("podz").to_string().contains("did you mean pods"));
    }

    #[test]
    fn the_first_line_says_how_old_the_picture_is() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let answer = |second| Answer {
            cluster: "prod".into(),
            at: at(second),
            last_seen: at(1_000),
            remarks: Vec::new(),
            found: Found::Places(Vec::new()),
        };
        let says = |second, is_past| answer(second).headline(at(1_000 + 14 * 60), is_past);
        assert!(says(1_000 + 14 * 60, false).starts_with("prod as last seen 14"), "{}", says(1_840, false));
        assert!(says(500, true).starts_with("prod at 1970-01-01 00:08:20 UTC"));
        assert!(says(1_500, true).contains("after it was last seen"));
    }
}
