-- The trash lists and empties logged models by the time of their deletion, as it does runs.
CREATE INDEX logged_models_deleted ON logged_models (deleted_at) WHERE deleted_at IS NOT NULL;
