-- Every kind of factor, recovery codes, organisations. Columns are added, never changed: a replica of the version before goes on meanwhile.
ALTER TABLE users ADD COLUMN mailbox BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE users ADD COLUMN description TEXT;
ALTER TABLE users ADD COLUMN organisation_id BLOB;
ALTER TABLE users ADD COLUMN organisation_role TEXT;
ALTER TABLE factors ADD COLUMN name TEXT;
ALTER TABLE factors ADD COLUMN target TEXT;
ALTER TABLE factors ADD COLUMN is_primary BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE factors ADD COLUMN credential TEXT;
ALTER TABLE factors ADD COLUMN sign_count INTEGER;
ALTER TABLE factors ADD COLUMN last_used_at INTEGER;
ALTER TABLE challenges ADD COLUMN link_hash BLOB;
ALTER TABLE challenges ADD COLUMN link_expires_at INTEGER;
ALTER TABLE challenges ADD COLUMN ceremony TEXT;
ALTER TABLE challenges ADD COLUMN action TEXT;
ALTER TABLE challenges ADD COLUMN source TEXT;
ALTER TABLE sessions ADD COLUMN proved_at INTEGER;
ALTER TABLE registrations ADD COLUMN link_hash BLOB;
ALTER TABLE registrations ADD COLUMN organisation_name TEXT;

CREATE TABLE credentials (
    credential_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    factor_id BLOB NOT NULL,
    PRIMARY KEY (credential_id)
) WITHOUT ROWID;

CREATE INDEX credentials_user_id ON credentials (user_id);

-- A passkey sign-in without a name belongs to no user until it is finished.
CREATE TABLE ceremonies (
    id BLOB NOT NULL,
    secret_hash BLOB NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX ceremonies_expires_at ON ceremonies (expires_at);

-- One salt for the whole set, so that a try costs one slow hash (P-38). live_at: none until the factor it came with is proved.
CREATE TABLE code_sets (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    salt BLOB NOT NULL,
    factor_id BLOB,
    created_at INTEGER NOT NULL,
    live_at INTEGER,
    ended_at INTEGER,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

CREATE TABLE recovery_codes (
    user_id BLOB NOT NULL,
    set_id BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    code_hash BLOB NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (user_id, set_id, ordinal)
) WITHOUT ROWID;

CREATE TABLE organisations (
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    mfa_enforced BOOLEAN NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX users_organisation_id ON users (organisation_id);
