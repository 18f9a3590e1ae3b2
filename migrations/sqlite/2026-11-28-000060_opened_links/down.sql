ALTER TABLE challenges DROP COLUMN opened_at;
