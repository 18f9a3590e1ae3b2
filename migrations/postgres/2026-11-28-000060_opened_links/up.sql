-- When the link of a challenge was opened last: it can be opened again while its code is good.
ALTER TABLE challenges ADD COLUMN opened_at BIGINT;

INSERT INTO schema_floors (version, works_with) VALUES ('20261128000060', '20261122000004');
