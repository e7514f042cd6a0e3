-- What was asked for with a token that is good for less than its person goes on with no more. Without a row: all that the person may.
CREATE TABLE limits (
    kind TEXT NOT NULL,                   -- job, build, pipeline_run, schedule, trigger, deployment
    id TEXT NOT NULL,
    project TEXT,                         -- the one that it is good in alone; no foreign key: one that is gone opens nothing
    role TEXT,                            -- the most that it may do
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
