-- What a release measured of its two variants, so that an experiment goes on after a restart and its page stays.
CREATE TABLE experiment_variants (
    release_id TEXT NOT NULL REFERENCES releases(id) ON DELETE CASCADE,
    candidate INTEGER NOT NULL,           -- 0: the live revision
    requests INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    histogram BLOB NOT NULL,              -- latencies, as of gateway_minutes
    PRIMARY KEY (release_id, candidate)
);

-- What callers reported of the answers.
CREATE TABLE experiment_metrics (
    release_id TEXT NOT NULL REFERENCES releases(id) ON DELETE CASCADE,
    metric TEXT NOT NULL,
    candidate INTEGER NOT NULL,
    count INTEGER NOT NULL,
    sum REAL NOT NULL,
    squares REAL NOT NULL,                -- sum of the squares
    PRIMARY KEY (release_id, metric, candidate)
);

-- Hashes of the keys that an A/B test assigned by, to tell whether they were shared out as planned.
CREATE TABLE experiment_units (
    release_id TEXT NOT NULL REFERENCES releases(id) ON DELETE CASCADE,
    unit INTEGER NOT NULL,
    PRIMARY KEY (release_id, unit)
) WITHOUT ROWID;

-- How a shadow's answers compare with the live ones.
CREATE TABLE experiment_agreements (
    release_id TEXT NOT NULL PRIMARY KEY REFERENCES releases(id) ON DELETE CASCADE,
    equal INTEGER NOT NULL,
    near INTEGER NOT NULL,
    different INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    largest REAL,                         -- difference of two numbers
    examples TEXT NOT NULL                -- JSON, newest first
);
