-- Tokens that deployments with OpenAI's protocol took and gave, by minute.
CREATE TABLE token_minutes (
    deployment_id TEXT NOT NULL REFERENCES deployments(id) ON DELETE CASCADE,
    at INTEGER NOT NULL,                  -- start of the minute
    answers INTEGER NOT NULL,
    prompt INTEGER NOT NULL,
    completion INTEGER NOT NULL,
    estimated INTEGER NOT NULL,           -- parts of streams that ended without the server's count
    first_token BLOB NOT NULL,            -- histogram of the time to the first token, of streams
    PRIMARY KEY (deployment_id, at)
) WITHOUT ROWID;

-- The same of the deployment's whole life, by caller.
CREATE TABLE token_callers (
    deployment_id TEXT NOT NULL REFERENCES deployments(id) ON DELETE CASCADE,
    caller TEXT NOT NULL,                 -- the user's name
    answers INTEGER NOT NULL,
    prompt INTEGER NOT NULL,
    completion INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    PRIMARY KEY (deployment_id, caller)
) WITHOUT ROWID;
