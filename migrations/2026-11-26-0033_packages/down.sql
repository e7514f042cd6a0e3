DROP TABLE package_files;
DROP TABLE packages;
