-- Alerts from outside (POST /api/v2/alerts): what was taken is told, whatever happens to this process.
CREATE TABLE alerts (
    id    TEXT PRIMARY KEY, -- fingerprint of its labels
    alert TEXT NOT NULL     -- JSON: model::Alert
) WITHOUT ROWID;

CREATE TABLE silences (
    id      TEXT PRIMARY KEY, -- UUID
    silence TEXT NOT NULL     -- JSON: model::Silence
) WITHOUT ROWID;

-- What each heartbeat last reported.
CREATE TABLE heartbeats (
    name  TEXT PRIMARY KEY,
    state TEXT NOT NULL -- JSON: heartbeat
) WITHOUT ROWID;
