-- Every kind of factor, recovery codes, organisations. Columns are added, never changed: a replica of the version before goes on meanwhile.
ALTER TABLE users ADD COLUMN mailbox BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE users ADD COLUMN description TEXT;
ALTER TABLE users ADD COLUMN organisation_id UUID;
ALTER TABLE users ADD COLUMN organisation_role TEXT;
ALTER TABLE factors ADD COLUMN name TEXT;
ALTER TABLE factors ADD COLUMN target TEXT;
ALTER TABLE factors ADD COLUMN is_primary BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE factors ADD COLUMN credential TEXT;
ALTER TABLE factors ADD COLUMN sign_count BIGINT;
ALTER TABLE factors ADD COLUMN last_used_at BIGINT;
ALTER TABLE challenges ADD COLUMN link_hash BYTEA;
ALTER TABLE challenges ADD COLUMN link_expires_at BIGINT;
ALTER TABLE challenges ADD COLUMN ceremony TEXT;
ALTER TABLE challenges ADD COLUMN action TEXT;
ALTER TABLE challenges ADD COLUMN source TEXT;
ALTER TABLE sessions ADD COLUMN proved_at BIGINT;
ALTER TABLE registrations ADD COLUMN link_hash BYTEA;
ALTER TABLE registrations ADD COLUMN organisation_name TEXT;

CREATE TABLE credentials (
    credential_id BYTEA NOT NULL,
    user_id UUID NOT NULL,
    factor_id UUID NOT NULL,
    PRIMARY KEY (credential_id)
);

CREATE INDEX credentials_user_id ON credentials (user_id);

-- A passkey sign-in without a name belongs to no user until it is finished.
CREATE TABLE ceremonies (
    id UUID NOT NULL,
    secret_hash BYTEA NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ceremonies_expires_at ON ceremonies (expires_at);

-- One salt for the whole set, so that a try costs one slow hash (P-38). live_at: none until the factor it came with is proved.
CREATE TABLE code_sets (
    user_id UUID NOT NULL,
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    salt BYTEA NOT NULL,
    factor_id UUID,
    created_at BIGINT NOT NULL,
    live_at BIGINT,
    ended_at BIGINT,
    PRIMARY KEY (user_id, id)
);

CREATE TABLE recovery_codes (
    user_id UUID NOT NULL,
    set_id UUID NOT NULL,
    ordinal INTEGER NOT NULL,
    code_hash BYTEA NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (user_id, set_id, ordinal)
);

CREATE TABLE organisations (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    mfa_enforced BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX users_organisation_id ON users (organisation_id);
