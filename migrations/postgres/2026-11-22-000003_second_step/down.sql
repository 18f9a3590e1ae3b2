ALTER TABLE sessions DROP COLUMN second_step_at;
