DROP INDEX run_tags_by_value;
DROP INDEX run_params_by_value;
DROP INDEX metrics_by_value;
ALTER TABLE metrics DROP COLUMN experiment_id;
