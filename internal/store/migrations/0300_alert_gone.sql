-- Receivers that said that they are gone for good: nothing is sent there until
-- a test arrives or the route is saved again.
CREATE TABLE alert_gone (
  channel TEXT NOT NULL,
  receiver_key TEXT NOT NULL,
  since BIGINT NOT NULL,
  PRIMARY KEY (channel, receiver_key)
);
CREATE INDEX alert_event_by_time ON alert_event (sealed_at);
