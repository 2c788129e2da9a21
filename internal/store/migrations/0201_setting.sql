CREATE TABLE setting (
	area TEXT NOT NULL,
	name TEXT NOT NULL,
	body {{blob}} NOT NULL,
	changed_at BIGINT NOT NULL,
	PRIMARY KEY (area, name)
);
CREATE TABLE setting_version (
	one SMALLINT PRIMARY KEY,
	version BIGINT NOT NULL
);
INSERT INTO setting_version (one, version) VALUES (1, 1);
