-- Times are microseconds UTC, bound by the server, never CURRENT_TIMESTAMP. Ids are UUIDv7.
CREATE TABLE users (
    id BLOB NOT NULL,
    number INTEGER NOT NULL,
    email TEXT NOT NULL,
    first_name TEXT,
    last_name TEXT,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    disabled_at INTEGER,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE TABLE addresses (
    address TEXT NOT NULL,
    user_id BLOB NOT NULL,
    PRIMARY KEY (address)
) WITHOUT ROWID;

-- The integers that some APIs print; drawn here, so that they are unique over all users.
CREATE TABLE user_numbers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BLOB NOT NULL
);

-- A registration has no user yet: user_id is drawn fresh and becomes the user's if the address is proved. No code_hash: the address is known already, and no code fits.
CREATE TABLE registrations (
    user_id BLOB NOT NULL,
    secret_hash BLOB NOT NULL,
    address TEXT NOT NULL,
    first_name TEXT,
    last_name TEXT,
    password_hash TEXT NOT NULL,
    code_hash BLOB,
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER,
    PRIMARY KEY (user_id)
) WITHOUT ROWID;

-- state is closed for good, so it has a CHECK; kinds are not.
CREATE TABLE factors (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    sealed_secret BLOB,
    last_step INTEGER,
    created_at INTEGER NOT NULL,
    enabled_at INTEGER,
    CHECK (state IN ('pending', 'ready', 'on')),
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

-- Survives challenges, resends, switches, re-enrolment and restarts.
CREATE TABLE factor_attempts (
    user_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    failures INTEGER NOT NULL,
    next_try_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, kind)
) WITHOUT ROWID;

CREATE TABLE challenges (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    secret_hash BLOB NOT NULL,
    purpose TEXT NOT NULL,
    kind TEXT NOT NULL,
    factor_id BLOB,
    session_id BLOB,
    code_hash BLOB,
    attempts INTEGER NOT NULL,
    resends INTEGER NOT NULL,
    last_sent_at INTEGER,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

CREATE TABLE sessions (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    acr TEXT NOT NULL,
    amr TEXT NOT NULL,
    auth_time INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

CREATE TABLE refresh_tokens (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    secret_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    replaced_at INTEGER,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

CREATE TABLE api_keys (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    hint TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

CREATE TABLE user_limits (
    user_id BLOB NOT NULL,
    name TEXT NOT NULL,
    used INTEGER NOT NULL,
    window_ends_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, name)
) WITHOUT ROWID;

CREATE TABLE limits (
    subject BLOB NOT NULL,
    name TEXT NOT NULL,
    used INTEGER NOT NULL,
    window_ends_at INTEGER NOT NULL,
    PRIMARY KEY (subject, name)
) WITHOUT ROWID;

CREATE TABLE password_attempts (
    address_hash BLOB NOT NULL,
    source_hash BLOB NOT NULL,
    failures INTEGER NOT NULL,
    next_try_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (address_hash, source_hash)
) WITHOUT ROWID;

CREATE TABLE audit_events (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    event TEXT NOT NULL,
    actor_id BLOB,
    source TEXT,
    detail TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

-- The courier's work list; the letter is sealed, and wiped once sent.
CREATE TABLE notices (
    id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    sealed_letter BLOB,
    tries INTEGER NOT NULL,
    next_try_at INTEGER NOT NULL,
    leased_until INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE TABLE key_canaries (
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (key_id)
) WITHOUT ROWID;

-- The courier asks for what is due.
CREATE INDEX notices_due ON notices (state, next_try_at);
-- Users are listed by their number.
CREATE INDEX users_by_number ON users (number);
