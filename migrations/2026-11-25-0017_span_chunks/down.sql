DROP INDEX trace_metadata_by_value;
DROP INDEX trace_tags_by_value;
DROP INDEX span_chunks_by_size;
CREATE INDEX span_chunks_by_trace ON span_chunks (trace);
ALTER TABLE spans DROP COLUMN token_usage;
ALTER TABLE spans DROP COLUMN chunk;
ALTER TABLE span_chunks DROP COLUMN unpacked_bytes;
