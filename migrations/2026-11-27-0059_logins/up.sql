-- Who came in or tried to, and from where; names that nobody has, too. The oldest go as new ones come.
CREATE TABLE logins (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    at INTEGER NOT NULL,
    username TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('entered', 'wrong', 'code', 'disabled'))
);
CREATE INDEX logins_username ON logins (username, id);

-- A link with which a person sets a password, once. The secret is stored hashed.
CREATE TABLE password_links (
    secret_hash TEXT PRIMARY KEY NOT NULL,
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX password_links_person ON password_links (person_id);
