DROP TABLE assessments;
DROP TABLE span_chunks;
DROP TABLE spans;
DROP TABLE trace_links;
DROP TABLE trace_metadata;
DROP TABLE trace_tags;
DROP TABLE traces;
