DROP TABLE drift_windows;
DROP TABLE feedback;
DROP TABLE captured_files;
