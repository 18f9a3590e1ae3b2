DELETE FROM schema_floors WHERE version = '20261130000080';
DROP TABLE held_addresses;
DROP TABLE email_undos;
DROP TABLE email_changes;
