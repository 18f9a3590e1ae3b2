DELETE FROM schema_floors WHERE version = '20261129000070';
DROP TABLE password_resets;
