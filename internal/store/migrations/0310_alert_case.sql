-- What a channel noted about an incident or a ticket that it opened, such as
-- the ticket's number. Its key is the id of the delivery that opened it.
CREATE TABLE alert_case (
  key TEXT PRIMARY KEY,
  note TEXT NOT NULL,
  noted_at BIGINT NOT NULL
);
