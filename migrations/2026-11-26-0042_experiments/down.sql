DROP TABLE experiment_agreements;
DROP TABLE experiment_units;
DROP TABLE experiment_metrics;
DROP TABLE experiment_variants;
