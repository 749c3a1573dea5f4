-- The page of a target lists its states: without this, those of its whole cluster are read.
CREATE INDEX verdict_changes_of_target ON verdict_changes (cluster, job, instance, at_us);
