-- The flight recorder: what a cluster's objects were, as blocks of changes and, now and then, whole pictures.
CREATE TABLE recorded (
    cluster TEXT NOT NULL,
    kind    TEXT NOT NULL, -- as the API names the list: pods
    from_ms INTEGER NOT NULL,
    whole   INTEGER NOT NULL, -- 1: part of a picture as of from_ms; 0: changes from then on
    part    INTEGER NOT NULL,
    to_ms   INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    body    BLOB NOT NULL, -- zlib: lines of [ms, key, merge patch or null]
    PRIMARY KEY (cluster, kind, from_ms, whole, part)
);
-- How much all of it is, without reading any of it.
CREATE INDEX recorded_bytes ON recorded (bytes);
-- When each kind was last seen, or why it is not.
CREATE TABLE recorded_seen (
    cluster TEXT NOT NULL,
    kind    TEXT NOT NULL,
    at_ms   INTEGER,
    why_not TEXT NOT NULL,
    PRIMARY KEY (cluster, kind)
) WITHOUT ROWID;
