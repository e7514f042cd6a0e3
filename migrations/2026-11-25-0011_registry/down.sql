DROP INDEX run_models_by_model;
DROP INDEX model_versions_by_logged_model;
DROP TABLE model_cards;
DROP TABLE alias_moves;
