-- What availability needs beside the changes of verdicts: when the watchdog ran, from when until when something was a
-- target, and what was planned. All of it stays as long as the changes do.
CREATE TABLE watches (
    from_us INTEGER PRIMARY KEY,
    to_us   INTEGER NOT NULL -- the last mark: it is written anew every ten seconds
);
CREATE TABLE target_lives (
    cluster  TEXT NOT NULL,
    job      TEXT NOT NULL,
    instance TEXT NOT NULL,
    from_us  INTEGER NOT NULL,
    to_us    INTEGER, -- NULL: it still is a target
    PRIMARY KEY (cluster, job, instance, from_us)
) WITHOUT ROWID;
-- Silences that are marked as maintenance; silences themselves go five days after their end.
CREATE TABLE maintenance (
    id      TEXT PRIMARY KEY,
    to_us   INTEGER NOT NULL,
    silence TEXT NOT NULL -- JSON: model::Silence
) WITHOUT ROWID;

-- Of the time before nothing was kept of when the watchdog ran: it is taken to have run from the first thing that it wrote
-- down to the last.
INSERT INTO watches
SELECT min(from_us), max(to_us) FROM (
    SELECT min(at_us) AS from_us, max(at_us) AS to_us FROM verdict_changes
    UNION ALL SELECT min(first_ms) * 1000, max(last_ms) * 1000 FROM label_sets WHERE first_ms <= last_ms
    UNION ALL SELECT NULL, max(to_ms) * 1000 FROM batches
) HAVING min(from_us) IS NOT NULL;

-- Of a target it is known since when its verdict holds, and when it first changed.
INSERT INTO target_lives
SELECT t.cluster, t.job, t.instance, min(
    coalesce((SELECT min(at_us) FROM verdict_changes c
              WHERE c.cluster = t.cluster AND c.job = t.job AND c.instance = t.instance), 9223372036854775807),
    coalesce(CASE WHEN json_valid(t.verdict)
             THEN CAST(strftime('%s', json_extract(t.verdict, '$.since')) AS INTEGER) * 1000000 END, 9223372036854775807)
), NULL FROM targets t;
DELETE FROM target_lives WHERE from_us = 9223372036854775807;
-- One that is gone went when it last changed, as far as is known.
INSERT OR IGNORE INTO target_lives
SELECT cluster, job, instance, min(at_us), max(at_us) FROM verdict_changes c
WHERE NOT EXISTS (SELECT 1 FROM targets t
                  WHERE t.cluster = c.cluster AND t.job = c.job AND t.instance = c.instance)
GROUP BY cluster, job, instance;

INSERT INTO maintenance
SELECT id, CAST(strftime('%s', json_extract(silence, '$.endsAt')) AS INTEGER) * 1000000, silence FROM silences
WHERE json_valid(silence) AND lower(substr(trim(json_extract(silence, '$.comment')), 1, 11)) = 'maintenance'
  AND strftime('%s', json_extract(silence, '$.endsAt')) IS NOT NULL;
