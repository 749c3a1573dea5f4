-- Restore drills from their opening to their end, the newest of each name.
CREATE TABLE restore_drills (
    name      TEXT NOT NULL,
    opened_us INTEGER NOT NULL,
    drill     TEXT NOT NULL, -- JSON: model::RestoreDrill
    PRIMARY KEY (name, opened_us)
) WITHOUT ROWID;
