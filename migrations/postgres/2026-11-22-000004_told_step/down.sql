ALTER TABLE factors DROP COLUMN told_step;
