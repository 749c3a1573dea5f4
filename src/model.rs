//! Plain data that every room speaks: targets, observations, verdicts, findings, incidents, notifications.
//!
//! No IO, no clocks, no behaviour beyond construction and display. Every type can be cloned and sent; what is persisted
//! (see `store`) is serde-serialisable and may only grow fields that have defaults.

pub mod alert;
mod at_nodes;
mod audit;
pub mod canary;
pub mod cause;
pub mod check;
pub mod cluster;
mod concern;
pub mod coverage;
pub mod cron;
pub mod duration;
mod ended;
pub mod etcd;
pub mod finding;
mod fleet;
pub mod incident;
mod incident_alert;
mod ingress;
pub mod lease;
pub mod live;
pub mod matcher;
pub mod node;
pub mod null_as_default;
pub mod observation;
pub mod on_calendar;
pub mod one_or_many;
mod own_token;
mod placement;
pub mod re2;
mod recent_change;
pub mod record;
mod recorded;
pub mod restore_drill;
mod said;
pub mod sample;
pub mod sealed;
pub mod secret;
pub mod shown;
pub mod sigv4;
mod situation;
pub mod target;
pub mod text;
pub mod verdict;
mod wall_times;
pub(crate) mod written;

pub use alert::{ALERTNAME, Alert, Firing, Pairs, RUNBOOK_URL, RuleAlert, Silence, SilenceMatcher, fingerprint};
pub use at_nodes::at_nodes;
pub use audit::AuditEntry;
pub use canary::{
    CANARY_FAILURES, CanaryFailure, CanaryForm, CanaryLayer, CanaryPlace, CanaryRun, CanaryStage, CanaryStanding,
    CanaryTime,
};
pub use cause::{AlertName, Cause, Family, Holds, Reach};
pub use check::{AtNodes, CHECKS, CheckFacts, CheckName, CheckTraits, Measure, Quota};
pub use cluster::{
    AwayApi, ClusterSnapshot, EtcdMember, LeaseFact, LeftOut, LeftOuts, MissingEndpoint, NodeCount, Part,
    PendingRequests, ServerLease,
};
pub use concern::Concern;
pub use coverage::Gap;
pub use ended::ended;
pub use etcd::{EtcdAlarm, EtcdFacts, EtcdHash, EtcdLog, EtcdPeer, EtcdReads, EtcdVia};
pub use finding::{Diagnosis, Finding, FindingKey, Severity, Topic};
pub use fleet::{Fleet, FleetMember, FleetRole, FleetTrait};
pub use incident::{
    Acknowledged, Document, Edition, Group, Incident, IncidentNote, Notification, NotificationKind, OutboxEntry,
    findings_of,
};
pub use incident_alert::IncidentAlert;
pub use ingress::{IngressPort, Site};
pub use lease::{CLOCK_OFF_SECONDS, HolderClock, ObservedLease};
pub use live::{FailedProbe, Live, LiveAlert, LiveCluster, LiveState, LiveTarget, References, StoreHealth, Vantage};
pub use matcher::{MatchOp, Matcher};
pub use node::{NodeCondition, NodeFact, Passage, Taint};
pub use observation::{
    ApiServerFacts, CertificateFact, CheckLine, Facts, Failure, KubeletFacts, Observation, Ours, Phases, ReadThrough,
    Reason, TlsFacts, TraceLine,
};
pub use own_token::TokenFact;
pub use placement::{AlarmPart, Loss, Lost, NodeLoad, Placement, Share, Workload};
pub use recent_change::{ChangeKind, ChangeScope, IncidentChange, RecentChange};
pub use record::{Record, TargetRecord};
pub use recorded::{BlockKey, RecordedBlock, RecordedSeen};
pub use restore_drill::{RestoreDrill, RestoreOutcome, RestoreStep};
pub use said::{Part as SaidPart, Said};
pub use sample::{Labels, METRIC_NAME, Sample, is_stale, stale};
pub use secret::Secret;
pub use shown::{AlertContext, DRILL_NOTICE, IdentifiedAlert, RunbookLink, with_external};
pub use situation::{
    AddonFact, AddonRole, BackupFact, CordonedNode, DeadWebhook, DeletedNode, EventFlood, Evictions, FailedPulls,
    FailedStarts, FallenPods, Grown, LaggingEndpoints, NodeProblem, Several, Situation, StartFailure, StuckRollout,
    TerminatingNamespace, Vanished, WaitingClaims, WaitingPods,
};
pub use target::{Job, KubeletVia, ProbeSpec, Target, TargetKey};
pub use verdict::{State, Verdict, VerdictChange};
