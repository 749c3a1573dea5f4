//! The life of a group: evaluated on its tick, and, where it only alerts or ticks quickly, at once when a verdict changes.
//!
//! What others record is recorded on their ticks and never between: expressions count on it (`sum_over_time(…[1h]) / 60`).
//! `Ticker` owns a group's state and does one evaluation (it blocks, on a thread that may); `run` is the loop around it. A
//! group that is written anew goes on with the state of the one before (`Life::before`).
//! Groups don't wait for each other. An evaluation that takes longer than the interval skips ticks, and counts them.

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Context, GroupState, GroupStates, Health, RuleState,
    eval::evaluate,
    file::{Group, Kind, Rule},
    heirs::heirs,
    restore,
    step::{Alerting, Phase},
};
use crate::{
    clock::Clock,
    model::{Alert, AlertName, Finding, FindingKey, Firing, Labels, RuleAlert, Said, Sample, Severity, Topic, stale},
    store::Store,
    telemetry::{Metrics, RuleGroupLabels},
    words,
};

/// Verdicts that change together (three API servers) are one reason to look, not three.
const NEWS_SETTLE: Duration = Duration::from_millis(50);

/// However often verdicts change, a group is evaluated no more often than this beside its ticks.
const NEWS_REST: Duration = Duration::from_secs(1);

/// Groups that tick this quickly record states (what fails now), and their alerts are to see a change with the diagnosis, not
/// after it.
const STATES_INTERVAL: Duration = Duration::from_secs(10);

/// The label of a finding that names its group.
const RULE_GROUP: &str = "rule_group";

/// Holds what groups work with. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// To evaluate.
    pub context: Context,
    /// Where recorded series and ALERTS go.
    pub store: Store,
    /// Where the groups show how they stand.
    pub states: GroupStates,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// To dispatch. Level-triggered: what does not fit is said again by the next evaluation.
    pub firing: mpsc::Sender<Firing>,
    /// Rules that can't be evaluated.
    pub failures: RuleFailures,
    /// Counts changes of verdicts.
    pub news: watch::Receiver<u64>,
}

/// Rules that can't be evaluated, as findings of the watchdog itself. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RuleFailures {
    by_group: Arc<Mutex<BTreeMap<Arc<str>, Vec<Finding>>>>,
    told: watch::Sender<Arc<Vec<Finding>>>,
}

impl RuleFailures {
    /// Continues with those of an earlier run, each until its group is evaluated; of groups that are gone nothing is left.
    pub fn restore(findings: Vec<Finding>, groups: &[Group]) -> Self {
        let keys: BTreeSet<Arc<str>> = groups.iter().map(Group::key).collect();
        let mut by_group: BTreeMap<Arc<str>, Vec<Finding>> = BTreeMap::new();
        for finding in findings {
            if let Some(key) = finding.labels.get(RULE_GROUP).and_then(|group| keys.get(group.as_str())) {
                by_group.entry(key.clone()).or_default().push(finding);
            }
        }
        let told = watch::Sender::new(Arc::new(by_group.values().flatten().cloned().collect()));
        Self { by_group: Arc::new(Mutex::new(by_group)), told }
    }

    /// Returns the findings, new after each change.
    pub fn findings(&self) -> watch::Receiver<Arc<Vec<Finding>>> {
        self.told.subscribe()
    }

    /// Forgets a group that is no longer evaluated.
    pub(super) fn forget(&self, group: &str) {
        let mut groups = self.by_group.lock().unwrap_or_else(PoisonError::into_inner);
        if groups.remove(group).is_some_and(|findings| !findings.is_empty()) {
            self.told.send_replace(Arc::new(groups.values().flatten().cloned().collect()));
        }
    }

    fn put(&self, group: &Arc<str>, findings: Vec<Finding>) {
        let mut groups = self.by_group.lock().unwrap_or_else(PoisonError::into_inner);
        if groups.get(group).map_or(findings.is_empty(), |old| *old == findings) {
            return;
        }
        groups.insert(group.clone(), findings);
        self.told.send_replace(Arc::new(groups.values().flatten().cloned().collect()));
    }
}

/// The life of one group.
pub(super) struct Life {
    /// Its rules.
    pub group: Arc<Group>,
    /// How far each of them looks back.
    pub windows: Vec<Duration>,
    /// Where the state comes from of the group that it takes the place of; without it, from an earlier run.
    pub before: Option<oneshot::Receiver<Ticker>>,
    /// Another takes its place, or none: it ends once no evaluation is under way.
    pub leave: CancellationToken,
    /// Where its state goes then.
    pub left: oneshot::Sender<Ticker>,
}

/// Evaluates a group until it has to leave, or everything stops.
pub(super) async fn run(life: Life, mut parts: Parts, stop: CancellationToken) {
    let Life { group, windows, before, leave, left } = life;
    let (interval, at_once) = (group.interval, is_evaluated_at_once(&group));
    let labels = RuleGroupLabels { rule_group: group.key().to_string() };
    let Some(Some(mut ticker)) = stop.run_until_cancelled(begin(group.clone(), windows, before, &parts)).await else {
        return;
    };
    let mut next = parts.clock.mono();
    while !leave.is_cancelled() {
        let evaluated = ticker.blocking(Ticker::evaluate, &parts);
        // Cut off in the middle, the thread goes on and its result is lost: the process ends.
        let Some(Some(done)) = stop.run_until_cancelled(evaluated).await else { return };
        ticker = done;
        let last = parts.clock.mono();
        if next <= last {
            let (slot, missed) = next_tick(&group.key(), interval, parts.clock.wall(), last.duration_since(next));
            parts.metrics.rule_missed.get_or_create(&labels).inc_by(missed);
            next = last + slot;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = leave.cancelled() => {}
            () = tokio::time::sleep_until(next) => {}
            Ok(()) = parts.news.changed(), if at_once => {
                tokio::time::sleep_until((last + NEWS_REST).max(parts.clock.mono() + NEWS_SETTLE)).await;
                parts.news.borrow_and_update();
            }
        }
    }
    // Where nobody takes it, everything ends.
    let _ = left.send(ticker);
}

/// With the state of the group before, or else of an earlier run. `None`: it broke off.
async fn begin(
    group: Arc<Group>,
    windows: Vec<Duration>,
    before: Option<oneshot::Receiver<Ticker>>,
    parts: &Parts,
) -> Option<Ticker> {
    let mut ticker = Ticker::new(group, windows);
    if let Some(before) = before
        && let Ok(before) = before.await
    {
        ticker.inherit(before, parts);
        ticker.show(parts, None, Duration::ZERO);
        return Some(ticker);
    }
    ticker.show(parts, None, Duration::ZERO);
    ticker.blocking(Ticker::restore, parts).await
}

/// A sample more of what a group records would count twice in sums over it, as Prometheus' rules have them.
fn is_evaluated_at_once(group: &Group) -> bool {
    group.interval <= STATES_INTERVAL || group.rules.iter().all(|rule| matches!(rule.kind, Kind::Alerting { .. }))
}

/// How long until a group's next tick, and how many ticks were missed. Ticks lie at multiples of the interval plus an
/// offset that follows from the group's name, so that a hundred groups don't all begin at once (rules/group.go).
fn next_tick(key: &str, interval: Duration, now: Timestamp, late: Duration) -> (Duration, u64) {
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let offset = hasher.finish() % interval_ms;
    let now_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let into = (now_ms + interval_ms - offset) % interval_ms;
    let missed = u64::try_from(late.as_millis()).unwrap_or(u64::MAX) / interval_ms;
    (Duration::from_millis(interval_ms - into), missed)
}

/// The state of one group.
pub(super) struct Ticker {
    group: Arc<Group>,
    source: Arc<str>,
    /// How far each rule looks back.
    windows: Vec<Duration>,
    alerting: Vec<Alerting>,
    health: Vec<Health>,
    /// The series that each rule wrote last.
    written: Vec<BTreeSet<Labels>>,
    /// Since when each rule fails.
    failing: Vec<Option<Timestamp>>,
}

impl Ticker {
    fn new(group: Arc<Group>, windows: Vec<Duration>) -> Self {
        let n = group.rules.len();
        Self {
            source: group.key(),
            group,
            windows,
            alerting: vec![Alerting::default(); n],
            health: vec![Health::default(); n],
            written: vec![BTreeSet::new(); n],
            failing: vec![None; n],
        }
    }

    /// Goes on with what the group knew before it was written anew; the series of rules that are gone end.
    fn inherit(&mut self, mut before: Ticker, parts: &Parts) {
        for (i, heir) in heirs(&before.group.rules, &self.group.rules).into_iter().enumerate() {
            let Some(j) = heir else { continue };
            self.alerting[i] = std::mem::take(&mut before.alerting[j]);
            self.health[i] = std::mem::take(&mut before.health[j]);
            self.written[i] = std::mem::take(&mut before.written[j]);
            self.failing[i] = before.failing[j];
        }
        before.end(parts);
    }

    /// Ends every series that it wrote.
    pub(super) fn end(&mut self, parts: &Parts) {
        let at = parts.clock.wall();
        let series = self.written.iter_mut().flat_map(std::mem::take);
        let ended: Vec<Sample> = series.map(|labels| Sample { labels, at, value: stale() }).collect();
        parts.store.append(&ended);
    }

    /// Does something on a thread that may block. `None`: it broke off.
    async fn blocking(mut self, work: impl FnOnce(&mut Self, &Parts) + Send + 'static, parts: &Parts) -> Option<Self> {
        let parts = parts.clone();
        let done = tokio::task::spawn_blocking(move || {
            work(&mut self, &parts);
            self
        });
        done.await.map_err(|error| tracing::error!(%error, "a rule group broke off and is not evaluated any more")).ok()
    }

    fn restore(&mut self, parts: &Parts) {
        let now = parts.clock.wall();
        for (rule, state) in self.group.rules.iter().zip(&mut self.alerting) {
            if matches!(rule.kind, Kind::Alerting { .. }) {
                match restore::alerts(rule, &parts.context.engine, now) {
                    Ok(alerts) => state.restore(alerts),
                    Err(error) => tracing::warn!(rule = rule.name, error, "its alerts of an earlier run can't be read"),
                }
            }
        }
    }

    fn evaluate(&mut self, parts: &Parts) {
        let begun = Instant::now();
        let at = parts.clock.wall();
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let offset_ms = i64::try_from(self.group.offset.as_millis()).unwrap_or(i64::MAX);
        let labels = RuleGroupLabels { rule_group: self.source.to_string() };
        let group = self.group.clone();
        for (i, rule) in group.rules.iter().enumerate() {
            let rule_begun = Instant::now();
            let result = evaluate(rule, &mut self.alerting[i], &parts.context, at, offset_ms, group.limit);
            parts.metrics.rule_evaluations.get_or_create(&labels).inc();
            let error = match result {
                Ok(samples) => {
                    self.write(i, samples, at, parts);
                    self.failing[i] = None;
                    None
                }
                Err(error) => {
                    parts.metrics.rule_failures.get_or_create(&labels).inc();
                    if self.failing[i].is_none() {
                        tracing::warn!(group = %self.source, rule = rule.name, error, "a rule can't be evaluated");
                    }
                    self.failing[i].get_or_insert(at);
                    Some(error)
                }
            };
            self.health[i] = Health { error, at: Some(at), took: rule_begun.elapsed() };
        }
        let took = begun.elapsed();
        parts.metrics.rule_group_seconds.get_or_create(&labels).set(took.as_secs_f64());
        self.show(parts, Some(at), took);
        parts.failures.put(&self.source, self.failures());
        if parts.firing.try_send(Firing { source: self.source.clone(), at, alerts: self.firing(parts) }).is_err() {
            parts.metrics.drop_at("rule_alerts");
        }
    }

    /// Writes a rule's samples, and the end of what it wrote before.
    fn write(&mut self, i: usize, samples: Vec<Sample>, at: Timestamp, parts: &Parts) {
        let Some(before) = self.written.get_mut(i) else { return };
        let now: BTreeSet<Labels> = samples.iter().map(|s| s.labels.clone()).collect();
        let ended = before.difference(&now).map(|labels| Sample { labels: labels.clone(), at, value: stale() });
        let all: Vec<Sample> = samples.into_iter().chain(ended).collect();
        parts.store.append(&all);
        *before = now;
    }

    fn firing(&self, parts: &Parts) -> Vec<RuleAlert> {
        let rules = self.group.rules.iter().zip(&self.alerting).zip(&self.windows);
        let alerts = rules.flat_map(|((rule, state), looks_back)| {
            state.active().filter(|a| a.phase == Phase::Firing).map(move |active| RuleAlert {
                alert: Alert {
                    labels: active.labels.clone(),
                    annotations: active.annotations.clone(),
                    starts_at: active.active_at,
                    ends_at: None,
                    generator_url: graph(&parts.context.external_url, rule),
                },
                looks_back: *looks_back,
            })
        });
        alerts.collect()
    }

    fn failures(&self) -> Vec<Finding> {
        let rules = self.group.rules.iter().zip(&self.failing).zip(&self.health);
        rules
            .filter_map(|((rule, since), health)| {
                Some(trouble(&self.source, rule, (*since)?, health.error.as_deref()?))
            })
            .collect()
    }

    fn show(&self, parts: &Parts, at: Option<Timestamp>, took: Duration) {
        let rules = self.group.rules.iter().zip(&self.alerting).zip(&self.health);
        let rules = rules.map(|((rule, state), health)| RuleState {
            rule: rule.clone(),
            health: health.clone(),
            active: state.active().cloned().collect(),
        });
        let state = GroupState { group: self.group.clone(), rules: rules.collect(), at, took };
        parts.states.put(self.source.clone(), state);
    }
}

/// A failing rule, told as a finding of the watchdog itself.
fn trouble(group: &str, rule: &Rule, since: Timestamp, error: &str) -> Finding {
    let (file, name) = group.split_once(';').unwrap_or((group, ""));
    let headline = Said::new("rule-failing").with("rule", &rule.name);
    let step = Said::new("step-rule").with("expr", rule.expr.trim());
    Finding {
        evidence: vec![error.to_owned(), format!("{file}, line {}, group {name}", rule.line)],
        still_works: vec!["the diagnosis and all other rules".into()],
        consequences: vec![format!("what {} would tell is not told; alerts of it that fired go on firing", rule.name)],
        labels: [("rule".to_owned(), rule.name.clone()), (RULE_GROUP.to_owned(), group.to_owned())].into(),
        ..words::finding(
            FindingKey {
                cluster: Arc::default(),
                alert: AlertName::RuleFailing,
                subject: format!("{group};{};{}", rule.name, rule.line),
            },
            (Severity::Warning, Topic::Watchdog),
            headline,
            step,
            since,
        )
    }
}

/// Where people see the expression's values: dogwatch's own page has no graph, so the query's JSON it is.
fn graph(external_url: &str, rule: &Rule) -> String {
    let mut url = match url::Url::parse(&format!("{}/api/v1/query", external_url.trim_end_matches('/'))) {
        Ok(url) => url,
        Err(_) => return String::new(),
    };
    url.query_pairs_mut().append_pair("query", rule.expr.trim());
    url.into()
}

#[cfg(test)]
mod tests;
