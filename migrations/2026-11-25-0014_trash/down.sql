DROP INDEX logged_models_deleted;
