-- A trace that grows is not unpacked in whole any more: what its figures need are columns, each span knows its chunk, and
-- each chunk how large it is unpacked.

ALTER TABLE span_chunks ADD COLUMN unpacked_bytes INTEGER NOT NULL DEFAULT 0;
-- Of older chunks it is guessed, as JSON of spans packs.
UPDATE span_chunks SET unpacked_bytes = 10 * length(data);

-- NULL: one of the trace's chunks, as spans were kept before. No reference: chunks are merged and made anew with their trace.
ALTER TABLE spans ADD COLUMN chunk INTEGER;
-- JSON, as the trace's metadata has it.
ALTER TABLE spans ADD COLUMN token_usage TEXT;

-- Sizes are summed from the index: behind a large blob a column is far away.
DROP INDEX span_chunks_by_trace;
CREATE INDEX span_chunks_by_size ON span_chunks (trace, unpacked_bytes);

-- A session, a user, a tag: found among 100,000 traces without looking at each. Longer values are texts that nobody searches
-- for by equality.
CREATE INDEX trace_tags_by_value ON trace_tags (key, value) WHERE length(value) <= 250;
CREATE INDEX trace_metadata_by_value ON trace_metadata (key, value) WHERE length(value) <= 250;
