-- Searches over 100,000 runs: sorted by a metric along an index, and led by a selective param or tag.

-- A run never changes its experiment, so the series may carry it: the index below then answers without looking at the run.
ALTER TABLE metrics ADD COLUMN experiment_id INTEGER NOT NULL DEFAULT 0;
UPDATE metrics SET experiment_id = (SELECT experiment_id FROM runs WHERE runs.id = metrics.run);
CREATE INDEX metrics_by_value ON metrics (key, is_nan, value, run, experiment_id);

-- Longer values are texts that nobody searches for by equality.
CREATE INDEX run_params_by_value ON run_params (key, value) WHERE length(value) <= 250;
CREATE INDEX run_tags_by_value ON run_tags (key, value) WHERE length(value) <= 250;
