-- size_bytes: of all versions and of parts of open uploads; object_count: current objects. Both are kept in the transaction that
-- changes them. lifecycle, cors, tags: JSON, or nothing.
CREATE TABLE buckets (
  id INTEGER PRIMARY KEY NOT NULL,
  project_id TEXT NOT NULL REFERENCES projects(id),
  name TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL REFERENCES people(id),
  access TEXT NOT NULL CHECK (access IN ('project', 'private')),
  created_at INTEGER NOT NULL,
  versioning TEXT NOT NULL CHECK (versioning IN ('off', 'on', 'suspended')),
  quota_bytes INTEGER,
  lifecycle TEXT,
  cors TEXT,
  tags TEXT,
  size_bytes INTEGER NOT NULL DEFAULT 0,
  object_count INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX buckets_project ON buckets(project_id);
CREATE INDEX buckets_owner ON buckets(owner);

CREATE TABLE bucket_grants (
  bucket INTEGER NOT NULL REFERENCES buckets(id) ON DELETE CASCADE,
  person_id TEXT NOT NULL REFERENCES people(id) ON DELETE CASCADE,
  may_write INTEGER NOT NULL,
  PRIMARY KEY (bucket, person_id)
) WITHOUT ROWID;
CREATE INDEX bucket_grants_person ON bucket_grants(person_id);

-- An upload in parts. Once it is completed its parts are the content of one object, which refers to it.
-- about: JSON as of objects; note: what its beginner wants to find it again by
CREATE TABLE bucket_uploads (
  id INTEGER PRIMARY KEY NOT NULL,
  upload_id TEXT NOT NULL UNIQUE,
  bucket INTEGER NOT NULL REFERENCES buckets(id),
  key TEXT NOT NULL,
  person_id TEXT NOT NULL REFERENCES people(id),
  begun_at INTEGER NOT NULL,
  completed_at INTEGER,
  content_type TEXT,
  about TEXT,
  checksum TEXT,
  whole_checksum INTEGER NOT NULL DEFAULT 0,
  note TEXT
);
CREATE INDEX bucket_uploads_bucket ON bucket_uploads(bucket, completed_at, key, id);
CREATE INDEX bucket_uploads_person ON bucket_uploads(person_id);

-- checksum: base64, of the upload's algorithm
CREATE TABLE bucket_parts (
  upload INTEGER NOT NULL REFERENCES bucket_uploads(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  digest TEXT NOT NULL REFERENCES blobs(digest),
  size_bytes INTEGER NOT NULL,
  md5 TEXT NOT NULL,
  checksum TEXT,
  modified_at INTEGER NOT NULL,
  PRIMARY KEY (upload, number)
) WITHOUT ROWID;
CREATE INDEX bucket_parts_digest ON bucket_parts(digest);

-- shelf 0: what a key holds now. shelf 1: older versions, and all delete markers. seq grows with each version of a key and
-- is its version id in hexadecimal, but for the one version that was written without versioning (is_null).
-- Content: digest, or the parts of a completed upload; neither for a marker.
CREATE TABLE bucket_objects (
  bucket INTEGER NOT NULL REFERENCES buckets(id),
  shelf INTEGER NOT NULL CHECK (shelf IN (0, 1)),
  key TEXT NOT NULL,
  seq INTEGER NOT NULL,
  is_null INTEGER NOT NULL,
  is_marker INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  modified_at INTEGER NOT NULL,
  etag TEXT NOT NULL,
  digest TEXT REFERENCES blobs(digest),
  upload INTEGER REFERENCES bucket_uploads(id),
  content_type TEXT,
  about TEXT,
  PRIMARY KEY (bucket, shelf, key, seq DESC)
) WITHOUT ROWID;
CREATE INDEX bucket_objects_digest ON bucket_objects(digest);
CREATE INDEX bucket_objects_upload ON bucket_objects(upload) WHERE upload IS NOT NULL;
