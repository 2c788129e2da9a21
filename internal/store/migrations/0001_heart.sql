-- The heart: sources, facts, verdicts as intervals, findings, causes,
-- exceptions, counts and the ledger. Times are microseconds, UTC.

CREATE TABLE source (
  id {{id}},
  name TEXT NOT NULL UNIQUE,
  connector TEXT NOT NULL DEFAULT '',
  every_us BIGINT NOT NULL DEFAULT 0,
  enabled SMALLINT NOT NULL DEFAULT 1,
  from_file SMALLINT NOT NULL DEFAULT 0,
  owner TEXT NOT NULL DEFAULT '',
  settings {{blob}},
  created_at BIGINT NOT NULL,
  first_run BIGINT,
  last_read_at BIGINT,
  last_result TEXT NOT NULL DEFAULT '',
  last_why TEXT NOT NULL DEFAULT '',
  next_read_at BIGINT,
  reading_since BIGINT
);

CREATE TABLE run (
  id {{id}},
  source BIGINT NOT NULL,
  cause TEXT NOT NULL,
  actor TEXT NOT NULL DEFAULT '',
  event_at BIGINT,
  arrived_at BIGINT,
  started_at BIGINT NOT NULL,
  ended_at BIGINT
);
CREATE INDEX run_open ON run (source) WHERE ended_at IS NULL;

CREATE TABLE scope (
  id {{id}},
  source BIGINT NOT NULL,
  name TEXT NOT NULL,
  opened_at BIGINT,
  last_at BIGINT,
  last_result TEXT NOT NULL DEFAULT '',
  last_complete_at BIGINT,
  seen BIGINT NOT NULL DEFAULT 0,
  of_count BIGINT NOT NULL DEFAULT 0,
  forbidden BIGINT NOT NULL DEFAULT 0,
  status BIGINT NOT NULL DEFAULT 0,
  why TEXT NOT NULL DEFAULT '',
  permission TEXT NOT NULL DEFAULT '',
  UNIQUE (source, name)
);

CREATE TABLE scope_kind (
  kind TEXT NOT NULL,
  scope BIGINT NOT NULL,
  PRIMARY KEY (kind, scope)
);

-- One row for as long as a scope's complete readings say the same.
CREATE TABLE receipt (
  id {{id}},
  scope BIGINT NOT NULL,
  result TEXT NOT NULL,
  first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  readings BIGINT NOT NULL,
  seen BIGINT NOT NULL,
  digest {{blob}} NOT NULL,
  ended_at BIGINT,
  leaf BIGINT
);
CREATE UNIQUE INDEX receipt_open ON receipt (scope) WHERE ended_at IS NULL;
CREATE INDEX receipt_scope ON receipt (scope, id);

-- A row with a negative id is the set of a kind, which set checks judge.
CREATE TABLE fact (
  id {{id}},
  kind TEXT NOT NULL,
  fid TEXT NOT NULL,
  source BIGINT NOT NULL,
  scope BIGINT NOT NULL,
  name TEXT NOT NULL,
  owner_set TEXT NOT NULL DEFAULT '',
  owner_said TEXT NOT NULL DEFAULT '',
  origin TEXT NOT NULL DEFAULT '',
  observed_at BIGINT NOT NULL,
  first_seen BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  gone_at BIGINT,
  hash {{blob}} NOT NULL,
  own SMALLINT NOT NULL DEFAULT 0,
  refs SMALLINT NOT NULL DEFAULT 0,
  leaf BIGINT
);
CREATE UNIQUE INDEX fact_key ON fact (kind, fid, source);
CREATE INDEX fact_scope ON fact (scope, id) WHERE gone_at IS NULL;
CREATE INDEX fact_own ON fact (scope, id) WHERE own = 1;

CREATE TABLE fact_data (
  fact {{id}},
  data {{blob}} NOT NULL
);

-- What a fact was before, and what came too late to be judged.
CREATE TABLE fact_version (
  id {{id}},
  fact BIGINT NOT NULL,
  from_at BIGINT NOT NULL,
  to_at BIGINT NOT NULL,
  observed_at BIGINT NOT NULL,
  gone SMALLINT NOT NULL DEFAULT 0,
  late SMALLINT NOT NULL DEFAULT 0,
  hash {{blob}} NOT NULL,
  data {{blob}} NOT NULL,
  leaf BIGINT
);
CREATE INDEX fact_version_fact ON fact_version (fact, from_at);

-- Which facts were read through a name when another was judged.
CREATE TABLE fact_ref (
  to_kind TEXT NOT NULL,
  to_id TEXT NOT NULL,
  fact BIGINT NOT NULL,
  PRIMARY KEY (to_kind, to_id, fact)
);
CREATE INDEX fact_ref_fact ON fact_ref (fact);

CREATE TABLE chk (
  id {{id}},
  name TEXT NOT NULL UNIQUE,
  version BIGINT NOT NULL,
  digest TEXT NOT NULL,
  kind TEXT NOT NULL,
  severity SMALLINT NOT NULL,
  each_fact SMALLINT NOT NULL,
  fresh_us BIGINT NOT NULL,
  owner TEXT NOT NULL DEFAULT '',
  params TEXT NOT NULL DEFAULT '',
  removed_at BIGINT,
  work TEXT NOT NULL DEFAULT '',
  work_from BIGINT NOT NULL DEFAULT 0,
  work_run BIGINT NOT NULL DEFAULT 0,
  work_first SMALLINT NOT NULL DEFAULT 0,
  dirty_at BIGINT,
  judged_at BIGINT,
  judge_us BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE chk_control (
  control TEXT NOT NULL,
  chk BIGINT NOT NULL,
  PRIMARY KEY (control, chk)
);

-- Intervals. The open one has no to_at. own: 0 its scope's clock decides when
-- it is stale, 1 its own observation does, 2 and it is.
CREATE TABLE verdict (
  id {{id}},
  chk BIGINT NOT NULL,
  fact BIGINT NOT NULL,
  scope BIGINT NOT NULL,
  own SMALLINT NOT NULL DEFAULT 0,
  outcome SMALLINT NOT NULL,
  prev SMALLINT,
  known SMALLINT NOT NULL,
  drift SMALLINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL,
  reason TEXT NOT NULL DEFAULT '',
  missing TEXT NOT NULL DEFAULT '',
  since BIGINT NOT NULL,
  from_at BIGINT NOT NULL,
  to_at BIGINT,
  due_at BIGINT,
  stale_at BIGINT,
  finding BIGINT,
  run BIGINT NOT NULL,
  leaf BIGINT
);
CREATE UNIQUE INDEX verdict_open ON verdict (fact, chk) WHERE to_at IS NULL;
CREATE INDEX verdict_bucket ON verdict (chk, scope, own, outcome, fact) WHERE to_at IS NULL;
CREATE INDEX verdict_due ON verdict (due_at) WHERE to_at IS NULL AND due_at IS NOT NULL;
CREATE INDEX verdict_stale ON verdict (stale_at) WHERE to_at IS NULL AND stale_at IS NOT NULL;
CREATE INDEX verdict_past ON verdict (fact, chk, from_at) WHERE to_at IS NOT NULL;
CREATE INDEX verdict_change ON verdict (from_at, id) WHERE prev IS NOT NULL;

-- How many open verdicts there are, now, at each instant, and by day (UTC).
CREATE TABLE tally (
  chk BIGINT NOT NULL,
  scope BIGINT NOT NULL,
  own SMALLINT NOT NULL,
  outcome SMALLINT NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (chk, scope, own, outcome)
);
CREATE TABLE tally_log (
  chk BIGINT NOT NULL,
  scope BIGINT NOT NULL,
  own SMALLINT NOT NULL,
  outcome SMALLINT NOT NULL,
  at BIGINT NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (chk, scope, own, outcome, at)
);
CREATE TABLE tally_day (
  chk BIGINT NOT NULL,
  scope BIGINT NOT NULL,
  own SMALLINT NOT NULL,
  outcome SMALLINT NOT NULL,
  day BIGINT NOT NULL,
  n BIGINT NOT NULL,
  peak BIGINT NOT NULL,
  PRIMARY KEY (chk, scope, own, outcome, day)
);

-- Staleness: of a scope (fact 0) and a limit, of a fact that has a clock of
-- its own, or of a set (scope 0).
CREATE TABLE overlay (
  id {{id}},
  scope BIGINT NOT NULL,
  fact BIGINT NOT NULL,
  fresh_us BIGINT NOT NULL,
  from_at BIGINT NOT NULL,
  to_at BIGINT
);
CREATE UNIQUE INDEX overlay_open ON overlay (scope, fact, fresh_us) WHERE to_at IS NULL;
CREATE INDEX overlay_past ON overlay (scope, fact, fresh_us, from_at) WHERE to_at IS NOT NULL;

-- A set check that is kept as counts: the cell of each member.
CREATE TABLE member (
  chk BIGINT NOT NULL,
  fact BIGINT NOT NULL,
  cell SMALLINT NOT NULL,
  due_at BIGINT,
  PRIMARY KEY (chk, fact)
);
CREATE INDEX member_fact ON member (fact);
CREATE INDEX member_due ON member (chk, due_at) WHERE due_at IS NOT NULL;
CREATE TABLE member_total (
  chk BIGINT NOT NULL,
  cell SMALLINT NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (chk, cell)
);

CREATE TABLE cause (
  id {{id}},
  ext TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  first SMALLINT NOT NULL,
  chk BIGINT NOT NULL,
  source BIGINT NOT NULL,
  owner TEXT NOT NULL,
  severity SMALLINT NOT NULL,
  run BIGINT NOT NULL,
  part BIGINT NOT NULL,
  opened_at BIGINT NOT NULL,
  event_at BIGINT,
  n BIGINT NOT NULL,
  sealed_at BIGINT
);
CREATE UNIQUE INDEX cause_key ON cause (run, kind, first, chk, source, owner, part);

CREATE TABLE finding (
  id {{id}},
  ext TEXT NOT NULL UNIQUE,
  chk BIGINT NOT NULL,
  fact BIGINT NOT NULL,
  scope BIGINT NOT NULL,
  source BIGINT NOT NULL,
  version BIGINT NOT NULL,
  severity SMALLINT NOT NULL,
  owner TEXT NOT NULL,
  message TEXT NOT NULL,
  actor TEXT NOT NULL,
  run BIGINT NOT NULL,
  opened_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  event_at BIGINT,
  closed_at BIGINT,
  closed_why TEXT NOT NULL DEFAULT '',
  closed_run BIGINT,
  alerted_at BIGINT,
  cause BIGINT,
  recovered BIGINT
);
CREATE UNIQUE INDEX finding_pair ON finding (fact, chk) WHERE closed_at IS NULL;
CREATE INDEX finding_open ON finding (severity, id) WHERE closed_at IS NULL;
CREATE INDEX finding_due ON finding (due_at, id) WHERE closed_at IS NULL;
CREATE INDEX finding_closed ON finding (closed_at, id) WHERE closed_at IS NOT NULL;
CREATE INDEX finding_past ON finding (fact, chk, id) WHERE closed_at IS NOT NULL;
CREATE INDEX finding_cause ON finding (cause);
CREATE INDEX finding_recovered ON finding (recovered) WHERE recovered IS NOT NULL;

CREATE TABLE exception (
  id {{id}},
  ext TEXT NOT NULL UNIQUE,
  chk TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT '',
  fid TEXT NOT NULL,
  source TEXT NOT NULL,
  reason TEXT NOT NULL,
  requester TEXT NOT NULL,
  approver TEXT NOT NULL DEFAULT '',
  solo SMALLINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  approved_at BIGINT,
  ends_at BIGINT NOT NULL,
  guard TEXT NOT NULL DEFAULT '',
  guard_ok SMALLINT NOT NULL DEFAULT 1,
  revoked_at BIGINT,
  ended_at BIGINT
);
CREATE INDEX exception_live ON exception (ends_at) WHERE ended_at IS NULL;
CREATE INDEX exception_chk ON exception (chk);

-- When an exception covered its failures.
CREATE TABLE exception_span (
  id {{id}},
  exception BIGINT NOT NULL,
  from_at BIGINT NOT NULL,
  to_at BIGINT
);
CREATE UNIQUE INDEX exception_span_open ON exception_span (exception) WHERE to_at IS NULL;
CREATE INDEX exception_span_past ON exception_span (exception, from_at);

-- How long it took: detect, alert, fix.
CREATE TABLE latency (
  id {{id}},
  kind TEXT NOT NULL,
  source BIGINT NOT NULL,
  at BIGINT NOT NULL,
  us BIGINT NOT NULL
);
CREATE INDEX latency_recent ON latency (source, kind, at);

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE ledger_leaf (
  seq {{id}},
  at BIGINT NOT NULL,
  nonce {{blob}} NOT NULL,
  data {{blob}} NOT NULL
);
CREATE TABLE ledger_hash (
  id {{id}},
  hash {{blob}} NOT NULL
);
CREATE TABLE ledger_head (
  id {{id}},
  size BIGINT NOT NULL
);
INSERT INTO ledger_head (id, size) VALUES (1, 0);
INSERT INTO source (id, name, created_at) VALUES (0, '', 0);
INSERT INTO scope (id, source, name) VALUES (0, 0, '');
