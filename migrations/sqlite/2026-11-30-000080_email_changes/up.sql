-- New addresses that wait for their code. An account has one row; a newer request takes its place. code_hash: for a taken address it is
-- random, so that no code is right. A server of the version before changes no address.
CREATE TABLE email_changes (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    address TEXT NOT NULL,
    code_hash BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER,
    PRIMARY KEY (user_id)
) WITHOUT ROWID;

-- Changes of address that a mailed link can undo. ordinal: the place among the user's changes, since ids and times of two may be the same.
-- secret_hash: SHA-256 of the link's secret.
CREATE TABLE email_undos (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    secret_hash BLOB NOT NULL,
    old_address TEXT NOT NULL,
    new_address TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

-- Old addresses that nobody else may take while a change can be undone. A server of the version before does not look here: an address
-- that somebody registers with it meanwhile cannot be restored.
CREATE TABLE held_addresses (
    address TEXT NOT NULL,
    user_id BLOB NOT NULL,
    held_until INTEGER NOT NULL,
    PRIMARY KEY (address)
) WITHOUT ROWID;

INSERT INTO schema_floors (version, works_with) VALUES ('20261130000080', '20261122000004');
