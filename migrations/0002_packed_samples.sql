-- Label sets by id. That each is there once is seen to in memory, where all of them are anyway: an index of texts would be
-- as large as the texts.
CREATE TABLE label_sets (
    id       INTEGER PRIMARY KEY,
    labels   TEXT NOT NULL,             -- JSON: model::Labels
    first_ms INTEGER NOT NULL DEFAULT 9223372036854775807, -- bounds of what is packed of it
    last_ms  INTEGER NOT NULL DEFAULT -9223372036854775808
);
INSERT INTO label_sets (id, labels) SELECT id, labels FROM series;
DROP TABLE series;

-- Samples as they arrive: a row for the writer's batch, removed when all of it is packed.
CREATE TABLE batches (
    id      INTEGER PRIMARY KEY,
    to_ms   INTEGER NOT NULL, -- its newest sample
    samples BLOB NOT NULL     -- store::batch
);

-- Packed times, shared by every series that has a sample at exactly these. An id is never given twice: whoever remembers a
-- row by it is right for ever.
CREATE TABLE times (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    refs   INTEGER NOT NULL, -- rows of the three tables below that point here
    packed BLOB NOT NULL     -- pack::Times
);

-- Packed samples. id = series << 24 | half hours since 1970 of the window's beginning, so that a series lies together in
-- the order of time and no further index is needed. Windows are 30 minutes, then 4 hours, then a day.
CREATE TABLE spans (
    id     INTEGER PRIMARY KEY,
    length INTEGER NOT NULL, -- last sample, milliseconds after the window's beginning
    times  INTEGER NOT NULL,
    packed BLOB NOT NULL     -- pack::pack_values
);

-- What is left of older samples: 5 minutes in windows of 4 days, an hour in windows of 32 days.
CREATE TABLE spans_5m (
    id     INTEGER PRIMARY KEY,
    length INTEGER NOT NULL,
    times  INTEGER NOT NULL,
    packed BLOB NOT NULL     -- pack::Rolled
);
CREATE TABLE spans_1h (
    id     INTEGER PRIMARY KEY,
    length INTEGER NOT NULL,
    times  INTEGER NOT NULL,
    packed BLOB NOT NULL     -- pack::Rolled
);
