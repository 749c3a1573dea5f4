-- Facts about this file itself: origin (random at birth), last_incident_id.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Targets with their last verdict, so that a restart knows both.
CREATE TABLE targets (
    cluster  TEXT NOT NULL,
    job      TEXT NOT NULL,
    instance TEXT NOT NULL,
    target   TEXT NOT NULL, -- JSON: model::Target
    verdict  TEXT NOT NULL, -- JSON: model::Verdict
    PRIMARY KEY (cluster, job, instance)
) WITHOUT ROWID;

CREATE TABLE verdict_changes (
    cluster    TEXT NOT NULL,
    at_us      INTEGER NOT NULL,
    job        TEXT NOT NULL,
    instance   TEXT NOT NULL,
    from_state TEXT NOT NULL,
    change     TEXT NOT NULL, -- JSON: model::VerdictChange
    PRIMARY KEY (cluster, at_us, job, instance, from_state)
) WITHOUT ROWID;

-- What discovery last knew of each cluster.
CREATE TABLE snapshots (
    cluster  TEXT PRIMARY KEY,
    snapshot TEXT NOT NULL -- JSON: model::ClusterSnapshot
) WITHOUT ROWID;

-- Label sets, each once.
CREATE TABLE series (
    id     INTEGER PRIMARY KEY,
    labels TEXT NOT NULL UNIQUE -- JSON: model::Labels
);

CREATE TABLE samples (
    series INTEGER NOT NULL,
    at_ms  INTEGER NOT NULL,
    value  REAL NOT NULL,
    PRIMARY KEY (series, at_ms)
) WITHOUT ROWID;

CREATE TABLE incidents (
    id          INTEGER PRIMARY KEY,
    resolved_us INTEGER, -- NULL: open
    incident    TEXT NOT NULL -- JSON: model::Incident
);
CREATE INDEX incidents_resolved ON incidents (resolved_us);

-- Messages on their way; written with their incident in one transaction.
CREATE TABLE outbox (
    id    TEXT PRIMARY KEY,
    at_us INTEGER NOT NULL,
    entry TEXT NOT NULL -- JSON: model::OutboxEntry
) WITHOUT ROWID;

-- Every delivery attempt with the receiver's own words.
CREATE TABLE deliveries (
    incident INTEGER NOT NULL,
    at_us    INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    receiver TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    answer   TEXT NOT NULL,
    took_us  INTEGER NOT NULL,
    PRIMARY KEY (incident, at_us, sequence, receiver)
) WITHOUT ROWID;
