-- Who did what. What is the same in all of its key was written twice.
CREATE TABLE audit (
    at_us   INTEGER NOT NULL,
    who     TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    proof   TEXT NOT NULL,
    address TEXT NOT NULL,
    detail  TEXT NOT NULL,
    PRIMARY KEY (at_us, who, action, subject)
) WITHOUT ROWID;
