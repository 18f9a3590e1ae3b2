DELETE FROM schema_floors WHERE version = '20261128000040';
DROP INDEX notices_due;
CREATE INDEX notices_due ON notices (state, next_try_at);
ALTER TABLE notices DROP COLUMN lane;
