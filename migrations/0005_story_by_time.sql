-- What is told of the past ends by its age: without these the whole of both tables is read each time.
CREATE INDEX verdict_changes_by_time ON verdict_changes (at_us);
CREATE INDEX deliveries_by_time ON deliveries (at_us);
