-- Codes, notices and text messages wait in lanes of their own: none waits for another. What a server of
-- before queues meanwhile is taken for a code, the lane that waits least.
ALTER TABLE notices ADD COLUMN lane TEXT NOT NULL DEFAULT 'mail_codes';
DROP INDEX notices_due;
-- The courier asks each lane for what is due.
CREATE INDEX notices_due ON notices (state, lane, next_try_at);

INSERT INTO schema_floors (version, works_with) VALUES ('20261128000040', '20261122000004');
