DELETE FROM schema_floors WHERE version = '20261128000060';
ALTER TABLE challenges DROP COLUMN opened_at;
