-- Several processes on one database. Times in until_at are the database's
-- clock; on the embedded database, which has one server, these stay empty.

-- Processes that serve, for as long as they say so.
CREATE TABLE replica (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  until_at BIGINT NOT NULL
);

-- The one that collects. epoch rises each time that the lease changes hands.
CREATE TABLE lease (
  one SMALLINT PRIMARY KEY,
  holder TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  until_at BIGINT NOT NULL
);
INSERT INTO lease (one, holder, epoch, until_at) VALUES (1, '', 0, 0);

-- Which process ran the monitor's last transaction: another one that comes next
-- looks at what it holds in memory again.
CREATE TABLE heart_turn (
  one SMALLINT PRIMARY KEY,
  writer TEXT NOT NULL
);
INSERT INTO heart_turn (one, writer) VALUES (1, '');

-- What the holder of the lease is to do, asked for at another replica.
CREATE TABLE errand (
  id TEXT PRIMARY KEY,
  source TEXT NOT NULL,
  body TEXT NOT NULL,
  at BIGINT NOT NULL
);

-- Readings under way, and what they saw while another replica read the same scope.
CREATE TABLE reading (
  scope BIGINT NOT NULL,
  run BIGINT NOT NULL,
  PRIMARY KEY (scope, run)
);
CREATE INDEX reading_run ON reading (run);
CREATE TABLE reading_seen (
  scope BIGINT NOT NULL,
  fact BIGINT NOT NULL,
  run BIGINT NOT NULL,
  PRIMARY KEY (scope, fact, run)
);

ALTER TABLE run ADD COLUMN replica TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
