-- Mails for a new password. An account has one row; a newer mail takes its place. user_id: for an unknown address, an id made from
-- its keyed hash, so that both are treated alike. A server of the version before mails none.
CREATE TABLE password_resets (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    secret_hash BLOB NOT NULL,
    code_hash BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER,
    PRIMARY KEY (user_id)
) WITHOUT ROWID;

INSERT INTO schema_floors (version, works_with) VALUES ('20261129000070', '20261122000004');
