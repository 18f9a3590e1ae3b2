DELETE FROM schema_floors WHERE version = '20261128000031';
DROP TABLE server_state;
