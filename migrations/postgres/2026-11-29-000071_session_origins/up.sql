-- Where a session was signed in from, and what the program called itself. A server of the version before writes neither.
ALTER TABLE sessions ADD COLUMN source TEXT;
ALTER TABLE sessions ADD COLUMN program TEXT;

INSERT INTO schema_floors (version, works_with) VALUES ('20261129000071', '20261122000004');
