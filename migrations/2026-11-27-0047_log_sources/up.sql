-- How far each log has been taken into the search. Of an index that is not there any more, rows are of no use: `index_id` tells.
CREATE TABLE log_sources (
    source TEXT NOT NULL PRIMARY KEY,     -- name of the log: of a spool, of a build
    index_id TEXT NOT NULL,
    kind TEXT NOT NULL,                   -- job, deployment, build, drydock
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    part TEXT NOT NULL,
    project_id TEXT NOT NULL,
    next_seq INTEGER NOT NULL,            -- the first line that is not in the index
    finished INTEGER NOT NULL,            -- nothing more will be written
    seen_at INTEGER NOT NULL
) WITHOUT ROWID;
