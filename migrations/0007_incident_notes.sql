-- What people write about incidents: rows of their own, since an incident is written anew with all that happens.
CREATE TABLE incident_notes (
    incident INTEGER NOT NULL,
    at_us    INTEGER NOT NULL,
    author   TEXT NOT NULL,
    note     TEXT NOT NULL,
    PRIMARY KEY (incident, at_us, author)
) WITHOUT ROWID;
