-- New addresses that wait for their code. An account has one row; a newer request takes its place. code_hash: for a taken address it is
-- random, so that no code is right. A server of the version before changes no address.
CREATE TABLE email_changes (
    user_id UUID NOT NULL,
    id UUID NOT NULL,
    session_id UUID NOT NULL,
    address TEXT NOT NULL,
    code_hash BYTEA NOT NULL,
    attempts INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    PRIMARY KEY (user_id)
);

-- Changes of address that a mailed link can undo. ordinal: the place among the user's changes, since ids and times of two may be the same.
-- secret_hash: SHA-256 of the link's secret.
CREATE TABLE email_undos (
    user_id UUID NOT NULL,
    id UUID NOT NULL,
    ordinal BIGINT NOT NULL,
    secret_hash BYTEA NOT NULL,
    old_address TEXT NOT NULL,
    new_address TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    PRIMARY KEY (user_id, id)
);

-- Old addresses that nobody else may take while a change can be undone. A server of the version before does not look here: an address
-- that somebody registers with it meanwhile cannot be restored.
CREATE TABLE held_addresses (
    address TEXT NOT NULL,
    user_id UUID NOT NULL,
    held_until BIGINT NOT NULL,
    PRIMARY KEY (address)
);

INSERT INTO schema_floors (version, works_with) VALUES ('20261130000080', '20261122000004');
