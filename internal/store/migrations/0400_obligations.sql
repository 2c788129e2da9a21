-- What passes until an instant, in the order of the instants.
CREATE INDEX verdict_lean ON verdict (chk, due_at, id) WHERE to_at IS NULL AND due_at IS NOT NULL AND outcome = 1;
