DROP TABLE build_layers;
DROP TABLE builds;
