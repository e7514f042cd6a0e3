-- Traces of LLM applications: what an application did for one request, as spans. What a search looks at is a column or a row;
-- the rest of a span (attributes, events, links) is compressed together with its siblings, since they repeat each other.

CREATE TABLE traces (
  id INTEGER NOT NULL PRIMARY KEY,
  trace_id TEXT NOT NULL UNIQUE,
  experiment_id INTEGER NOT NULL REFERENCES experiments (id),
  started_at INTEGER NOT NULL,
  duration_ms INTEGER,
  state TEXT NOT NULL,
  name TEXT,
  -- The root span's name, for showing a trace that was given none.
  root_name TEXT,
  client_request_id TEXT,
  request_preview TEXT,
  response_preview TEXT,
  span_count INTEGER NOT NULL DEFAULT 0,
  -- Set once the client has told start and duration itself: spans that come later change neither.
  finalized BOOLEAN NOT NULL DEFAULT 0,
  input_tokens INTEGER,
  output_tokens INTEGER,
  total_tokens INTEGER,
  cache_read_tokens INTEGER,
  cache_creation_tokens INTEGER
);
CREATE INDEX traces_by_experiment ON traces (experiment_id, started_at);
CREATE INDEX traces_by_start ON traces (started_at);
CREATE INDEX traces_by_name ON traces (name, started_at) WHERE name IS NOT NULL;
CREATE INDEX traces_by_client_request ON traces (client_request_id) WHERE client_request_id IS NOT NULL;

CREATE TABLE trace_tags (
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (trace, key)
) WITHOUT ROWID;

CREATE TABLE trace_metadata (
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (trace, key)
) WITHOUT ROWID;

-- Runs (kind 0, by id) and prompt versions (kind 1, "name/version") that a trace belongs to.
CREATE TABLE trace_links (
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  kind INTEGER NOT NULL,
  target TEXT NOT NULL,
  PRIMARY KEY (trace, kind, target)
) WITHOUT ROWID;
CREATE INDEX trace_links_by_target ON trace_links (kind, target);

-- Ids are the eight bytes of OpenTelemetry's, as an integer.
CREATE TABLE spans (
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  span_id INTEGER NOT NULL,
  parent_id INTEGER,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  start_ns INTEGER NOT NULL,
  end_ns INTEGER,
  model TEXT,
  provider TEXT,
  input_cost DOUBLE,
  output_cost DOUBLE,
  total_cost DOUBLE,
  PRIMARY KEY (trace, span_id)
) WITHOUT ROWID;
CREATE INDEX spans_by_name ON spans (name);

-- Whole spans, as many as came together: zstd over JSON. A span is in one chunk only.
CREATE TABLE span_chunks (
  id INTEGER NOT NULL PRIMARY KEY,
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  data BLOB NOT NULL
);
CREATE INDEX span_chunks_by_trace ON span_chunks (trace);

CREATE TABLE assessments (
  id INTEGER NOT NULL PRIMARY KEY,
  assessment_id TEXT NOT NULL UNIQUE,
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  -- feedback, expectation or issue.
  kind TEXT NOT NULL,
  -- JSON.
  value TEXT NOT NULL,
  -- JSON object.
  error TEXT,
  source_type TEXT NOT NULL,
  source_id TEXT,
  span_id TEXT,
  rationale TEXT,
  -- JSON object.
  metadata TEXT,
  overrides TEXT,
  valid BOOLEAN NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  -- The figure that the value counts as: a number itself, yes and true as 1, no and false as 0.
  number DOUBLE GENERATED ALWAYS AS (
    CASE json_type(value)
      WHEN 'integer' THEN json_extract(value, '$')
      WHEN 'real' THEN json_extract(value, '$')
      WHEN 'true' THEN 1.0
      WHEN 'false' THEN 0.0
      WHEN 'text' THEN CASE lower(trim(json_extract(value, '$'))) WHEN 'yes' THEN 1.0 WHEN 'no' THEN 0.0 END
    END
  ) VIRTUAL,
  is_number BOOLEAN GENERATED ALWAYS AS (json_type(value) IN ('integer', 'real')) VIRTUAL
);
CREATE INDEX assessments_by_trace ON assessments (trace);
CREATE INDEX assessments_by_name ON assessments (kind, name);
