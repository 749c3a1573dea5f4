-- What the list of incidents filters by, read out of the incident itself: it is written in one place. The index holds all of
-- it, so that a list is found without reading incidents, which may be large. What can't be read is NULL and never listed.
ALTER TABLE incidents ADD COLUMN cluster TEXT
    GENERATED ALWAYS AS (CASE WHEN json_valid(incident) THEN json_extract(incident, '$.cluster') END) VIRTUAL;
ALTER TABLE incidents ADD COLUMN severity TEXT
    GENERATED ALWAYS AS (CASE WHEN json_valid(incident) THEN json_extract(incident, '$.severity') END) VIRTUAL;
ALTER TABLE incidents ADD COLUMN started_s INTEGER
    GENERATED ALWAYS AS (CASE WHEN json_valid(incident)
        THEN CAST(strftime('%s', json_extract(incident, '$.started_at')) AS INTEGER) END) VIRTUAL;
CREATE INDEX incidents_listed ON incidents (cluster, severity, resolved_us, started_s);
