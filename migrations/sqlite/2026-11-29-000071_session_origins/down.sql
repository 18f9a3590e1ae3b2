DELETE FROM schema_floors WHERE version = '20261129000071';
ALTER TABLE sessions DROP COLUMN program;
ALTER TABLE sessions DROP COLUMN source;
