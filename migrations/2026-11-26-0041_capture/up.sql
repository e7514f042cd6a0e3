-- A Parquet file of captured requests, in the bucket of captures. No foreign key: files of a deployment that is gone still go by age.
CREATE TABLE captured_files (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    deployment_id TEXT NOT NULL,
    key TEXT NOT NULL,
    from_at INTEGER NOT NULL,             -- of its first request
    until_at INTEGER NOT NULL,            -- of its last request
    row_count INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    ids BLOB NOT NULL                     -- 32 bits of the hash of each request id, in order
);
CREATE INDEX captured_files_by_deployment ON captured_files(deployment_id, id);

-- What a prediction should have been, or how good it was.
CREATE TABLE feedback (
    deployment_id TEXT NOT NULL REFERENCES deployments(id) ON DELETE CASCADE,
    request_id TEXT NOT NULL,
    row INTEGER NOT NULL,                 -- of the request; -1: of the whole request, whose rows are not known yet
    truth TEXT NOT NULL,                  -- JSON; null: only a score
    score REAL,
    received_at INTEGER NOT NULL,
    received_from TEXT NOT NULL,
    state TEXT NOT NULL,                  -- waiting, joined, refused
    searched_to INTEGER NOT NULL,         -- the last file in which it was looked for
    predicted TEXT,                       -- JSON
    predicted_at INTEGER,
    revision INTEGER,
    model TEXT,
    version INTEGER,
    refusal TEXT,
    PRIMARY KEY (deployment_id, request_id, row)
) WITHOUT ROWID;
CREATE INDEX feedback_by_state ON feedback(deployment_id, state, predicted_at);

-- A window of live traffic, held against a reference.
CREATE TABLE drift_windows (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    deployment_id TEXT NOT NULL REFERENCES deployments(id) ON DELETE CASCADE,
    from_at INTEGER NOT NULL,
    until_at INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    outcome TEXT NOT NULL,                -- steady, drifted, not_judged
    drifted_count INTEGER,
    compared_count INTEGER,
    reference TEXT NOT NULL,              -- in words
    pipelines TEXT NOT NULL,              -- JSON: names of those that it started
    report BLOB                           -- JSON (DatasetDrift) in zstd
);
CREATE INDEX drift_windows_by_deployment ON drift_windows(deployment_id, until_at);
