ALTER TABLE refresh_tokens DROP COLUMN repeated_at;
ALTER TABLE refresh_tokens DROP COLUMN replaced_from;
ALTER TABLE refresh_tokens DROP COLUMN successor_id;
