CREATE TABLE access_grant (
	id TEXT PRIMARY KEY,
	usage TEXT NOT NULL,
	hash {{blob}} NOT NULL UNIQUE,
	name TEXT NOT NULL,
	role SMALLINT NOT NULL,
	source TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT
);
CREATE INDEX access_grant_expires ON access_grant (expires_at);
