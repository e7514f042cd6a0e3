-- check sums of the blob's blocks (appliance::blobs::BlockChecks); NULL for small ones, and for files from before until a
-- scrub has read them
ALTER TABLE blobs ADD COLUMN block_checks BLOB;

-- content that is not what its name says. No foreign key: this must not keep a blob that nothing else needs
CREATE TABLE damaged_blobs (
  digest TEXT PRIMARY KEY NOT NULL,
  size_bytes INTEGER NOT NULL,
  found_at INTEGER NOT NULL,
  problem TEXT NOT NULL
);

-- the reading of everything that is kept; one row, so that it goes on after a restart
CREATE TABLE scrub (
  id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
  started_at INTEGER NOT NULL,
  finished_at INTEGER,
  -- the last digest that was read
  after TEXT NOT NULL,
  checked_count INTEGER NOT NULL,
  checked_bytes INTEGER NOT NULL,
  damaged_count INTEGER NOT NULL
);
