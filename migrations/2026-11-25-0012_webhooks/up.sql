-- Who is told what. The secret is sealed with the box key: signatures need it in the clear.
CREATE TABLE webhooks (
  id TEXT NOT NULL PRIMARY KEY,
  project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  -- ACTIVE or DISABLED
  status TEXT NOT NULL,
  sealed_secret TEXT,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX webhooks_by_project ON webhooks (project_id, created_at);

-- `event` reads model_version.created; `place` keeps the order in which they were asked for.
CREATE TABLE webhook_events (
  webhook TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  event TEXT NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY (webhook, event)
) WITHOUT ROWID;
CREATE INDEX webhook_events_by_event ON webhook_events (event);

-- One message for one webhook, written in the transaction of what it tells, sent by the background part until it is
-- delivered or given up, and kept as the log.
CREATE TABLE webhook_deliveries (
  id TEXT NOT NULL PRIMARY KEY,
  webhook TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  event TEXT NOT NULL,
  body TEXT NOT NULL,
  is_test INTEGER NOT NULL DEFAULT 0,
  -- due, delivered, failed
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL,
  tried_at INTEGER,
  took_ms INTEGER,
  answer_status INTEGER,
  answer_body TEXT,
  error TEXT
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_at) WHERE state = 'due';
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook, created_at);
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (created_at) WHERE state <> 'due';
