-- Alerts that somebody acknowledged or muted: of a finding, or of a cause or a
-- part of it (chk 0: every check; owner '*': every owner). A mute holds for the
-- same check on the same thing also where it fails anew; until_at 0: until it
-- is mended.
CREATE TABLE silence (
  id {{id}},
  ext TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  cause BIGINT NOT NULL DEFAULT 0,
  finding BIGINT NOT NULL DEFAULT 0,
  chk BIGINT NOT NULL DEFAULT 0,
  fact BIGINT NOT NULL DEFAULT 0,
  owner TEXT NOT NULL DEFAULT '*',
  reason TEXT NOT NULL,
  who TEXT NOT NULL,
  via TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  ended_at BIGINT,
  ended_by TEXT NOT NULL DEFAULT '',
  told_at BIGINT
);
CREATE INDEX silence_live ON silence (until_at) WHERE ended_at IS NULL;
CREATE INDEX silence_over ON silence (until_at) WHERE kind = 'mute' AND told_at IS NULL;

-- What alerts do at an instant: repeats, steps of escalations, digests, weekly summaries.
CREATE TABLE alert_due (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  due_at BIGINT NOT NULL,
  cause TEXT NOT NULL DEFAULT '',
  route TEXT NOT NULL DEFAULT '',
  step BIGINT NOT NULL DEFAULT 0,
  channel TEXT NOT NULL DEFAULT '',
  receiver_key TEXT NOT NULL DEFAULT ''
);
CREATE INDEX alert_due_by_time ON alert_due (due_at);
CREATE INDEX alert_due_by_route ON alert_due (route, kind);

ALTER TABLE alert_event ADD COLUMN muted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alert_delivery ADD COLUMN about TEXT NOT NULL DEFAULT '';
ALTER TABLE alert_delivery ADD COLUMN held_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alert_delivery ADD COLUMN digest TEXT NOT NULL DEFAULT '';
UPDATE alert_delivery SET about = cause;
CREATE INDEX alert_delivery_by_about ON alert_delivery (about);
CREATE INDEX alert_delivery_by_receiver ON alert_delivery (channel, receiver_key, created_at);
CREATE INDEX alert_delivery_held ON alert_delivery (channel, receiver_key, held_until) WHERE state = 'held';
CREATE INDEX alert_delivery_by_digest ON alert_delivery (digest) WHERE digest <> '';

-- The key of links in messages, sealed.
CREATE TABLE alert_key (
  name TEXT PRIMARY KEY,
  sealed {{blob}} NOT NULL
);
