CREATE TABLE alert_route (
  name TEXT PRIMARY KEY,
  place BIGINT NOT NULL,
  doc TEXT NOT NULL,
  secrets {{blob}},
  from_file SMALLINT NOT NULL DEFAULT 0,
  changed_at BIGINT NOT NULL
);

CREATE TABLE alert_event (
  cause TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  sealed_at BIGINT NOT NULL,
  delivered_at BIGINT NOT NULL DEFAULT 0,
  letters BIGINT NOT NULL DEFAULT 0,
  doc TEXT NOT NULL
);

CREATE TABLE alert_delivery (
  id TEXT PRIMARY KEY,
  cause TEXT NOT NULL,
  kind TEXT NOT NULL,
  route TEXT NOT NULL,
  channel TEXT NOT NULL,
  receiver_key TEXT NOT NULL,
  receiver TEXT NOT NULL,
  lang TEXT NOT NULL,
  detail TEXT NOT NULL,
  checks TEXT NOT NULL,
  parts TEXT NOT NULL,
  things BIGINT NOT NULL,
  source TEXT NOT NULL,
  owner TEXT NOT NULL,
  severity SMALLINT NOT NULL,
  subject TEXT NOT NULL,
  message_id TEXT NOT NULL,
  thread TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  tried_from BIGINT NOT NULL,
  next_at BIGINT NOT NULL DEFAULT 0,
  sent_at BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX alert_delivery_by_cause ON alert_delivery (cause);
CREATE INDEX alert_delivery_by_time ON alert_delivery (created_at, id);
CREATE INDEX alert_delivery_by_state ON alert_delivery (state, created_at);
