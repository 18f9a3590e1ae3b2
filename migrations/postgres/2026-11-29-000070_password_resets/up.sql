-- Mails for a new password. An account has one row; a newer mail takes its place. user_id: for an unknown address, an id made from
-- its keyed hash, so that both are treated alike. A server of the version before mails none.
CREATE TABLE password_resets (
    user_id UUID NOT NULL,
    id UUID NOT NULL,
    secret_hash BYTEA NOT NULL,
    code_hash BYTEA NOT NULL,
    attempts INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    PRIMARY KEY (user_id)
);

INSERT INTO schema_floors (version, works_with) VALUES ('20261129000070', '20261122000004');
