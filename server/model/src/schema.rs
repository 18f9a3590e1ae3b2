//! The tables, as diesel knows them: one set, with types valid on SQLite and PostgreSQL.

#![expect(
    missing_docs,
    reason = "the macro makes an item of each column; the structs of `model` say what they mean"
)]

use diesel::sql_types::SqlType;

/// A UUID column: `uuid` in PostgreSQL, a 16-byte blob in SQLite.
#[derive(SqlType, diesel::query_builder::QueryId, Debug, Clone, Copy)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951))]
#[diesel(sqlite_type(name = "Binary"))]
pub struct IdSql;

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// People with an account.
    users (id) {
        id -> IdSql,
        number -> BigInt,
        email -> Text,
        first_name -> Nullable<Text>,
        last_name -> Nullable<Text>,
        role -> Text,
        password_hash -> Text,
        created_at -> BigInt,
        disabled_at -> Nullable<BigInt>,
        mailbox -> Bool,
        description -> Nullable<Text>,
        organisation_id -> Nullable<IdSql>,
        organisation_role -> Nullable<Text>,
        password_changes -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Which user an address belongs to: a look-up across users, so a table of its own.
    addresses (address) {
        address -> Text,
        user_id -> IdSql,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Which user an integer number belongs to: a look-up across users, so a table of its own.
    user_numbers (number) {
        number -> BigInt,
        user_id -> IdSql,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Registrations under way; the id becomes the user's if the address is proved.
    registrations (user_id) {
        user_id -> IdSql,
        secret_hash -> Binary,
        address -> Text,
        first_name -> Nullable<Text>,
        last_name -> Nullable<Text>,
        password_hash -> Text,
        code_hash -> Nullable<Binary>,
        attempts -> Integer,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
        link_hash -> Nullable<Binary>,
        organisation_name -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// A user's factors, proved or not.
    factors (user_id, id) {
        user_id -> IdSql,
        id -> IdSql,
        kind -> Text,
        state -> Text,
        sealed_secret -> Nullable<Binary>,
        last_step -> Nullable<BigInt>,
        created_at -> BigInt,
        enabled_at -> Nullable<BigInt>,
        name -> Nullable<Text>,
        target -> Nullable<Text>,
        is_primary -> Bool,
        credential -> Nullable<Text>,
        sign_count -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        told_step -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Wrong codes since the last right one, for each kind of factor of a user.
    factor_attempts (user_id, kind) {
        user_id -> IdSql,
        kind -> Text,
        failures -> Integer,
        next_try_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Flows that wait for a code.
    challenges (user_id, id) {
        user_id -> IdSql,
        id -> IdSql,
        secret_hash -> Binary,
        purpose -> Text,
        kind -> Text,
        factor_id -> Nullable<IdSql>,
        session_id -> Nullable<IdSql>,
        code_hash -> Nullable<Binary>,
        attempts -> Integer,
        resends -> Integer,
        last_sent_at -> Nullable<BigInt>,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
        link_hash -> Nullable<Binary>,
        link_expires_at -> Nullable<BigInt>,
        ceremony -> Nullable<Text>,
        action -> Nullable<Text>,
        source -> Nullable<Text>,
        opened_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Signed-in sessions.
    sessions (user_id, id) {
        user_id -> IdSql,
        id -> IdSql,
        acr -> Text,
        amr -> Text,
        auth_time -> BigInt,
        created_at -> BigInt,
        last_used_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        proved_at -> Nullable<BigInt>,
        second_step_at -> Nullable<BigInt>,
        source -> Nullable<Text>,
        program -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Refresh tokens of sessions, each good for one exchange.
    refresh_tokens (user_id, id) {
        user_id -> IdSql,
        id -> IdSql,
        session_id -> IdSql,
        secret_hash -> Binary,
        created_at -> BigInt,
        replaced_at -> Nullable<BigInt>,
        successor_id -> Nullable<IdSql>,
        replaced_from -> Nullable<Text>,
        repeated_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// API keys of administrators.
    api_keys (user_id, id) {
        user_id -> IdSql,
        id -> IdSql,
        name -> Text,
        scopes -> Text,
        hint -> Text,
        secret_hash -> Binary,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Fixed-window counters of a user.
    user_limits (user_id, name) {
        user_id -> IdSql,
        name -> Text,
        used -> Integer,
        window_ends_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    /// Fixed-window counters of what belongs to no user, keyed by a keyed hash.
    limits (subject, name) {
        subject -> Binary,
        name -> Text,
        used -> Integer,
        window_ends_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    /// Wrong passwords since the last right one, for each address as typed and source.
    password_attempts (address_hash, source_hash) {
        address_hash -> Binary,
        source_hash -> Binary,
        failures -> Integer,
        next_try_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// What happened to whom, appended only.
    audit_events (user_id, id) {
        user_id -> IdSql,
        id -> IdSql,
        event -> Text,
        actor_id -> Nullable<IdSql>,
        source -> Nullable<Text>,
        detail -> Nullable<Text>,
        at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// The courier's queue.
    notices (id) {
        id -> IdSql,
        user_id -> IdSql,
        kind -> Text,
        state -> Text,
        sealed_letter -> Nullable<Binary>,
        tries -> Integer,
        next_try_at -> BigInt,
        leased_until -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        lane -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    /// One sealed known value for each sealing key: a wrong key ring is noticed at the start.
    key_canaries (key_id) {
        key_id -> Text,
        sealed -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Which user a passkey's credential id belongs to: a look-up across users, so a table of its own.
    credentials (credential_id) {
        credential_id -> Binary,
        user_id -> IdSql,
        factor_id -> IdSql,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Passkey sign-ins under way that named no user.
    ceremonies (id) {
        id -> IdSql,
        secret_hash -> Binary,
        state -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Sets of recovery codes and of scratch codes.
    code_sets (user_id, id) {
        user_id -> IdSql,
        id -> IdSql,
        kind -> Text,
        salt -> Binary,
        factor_id -> Nullable<IdSql>,
        created_at -> BigInt,
        live_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// The codes of a set, each good once.
    recovery_codes (user_id, set_id, ordinal) {
        user_id -> IdSql,
        set_id -> IdSql,
        ordinal -> Integer,
        code_hash -> Binary,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Mails for a new password.
    password_resets (user_id) {
        user_id -> IdSql,
        id -> IdSql,
        secret_hash -> Binary,
        code_hash -> Binary,
        attempts -> Integer,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// New addresses that wait for their code.
    email_changes (user_id) {
        user_id -> IdSql,
        id -> IdSql,
        session_id -> IdSql,
        address -> Text,
        code_hash -> Binary,
        attempts -> Integer,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Changes of address that can be undone.
    email_undos (user_id, id) {
        user_id -> IdSql,
        id -> IdSql,
        ordinal -> BigInt,
        secret_hash -> Binary,
        old_address -> Text,
        new_address -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Which user an address is kept for while a change can be undone: a look-up across users, so a table of its own.
    held_addresses (address) {
        address -> Text,
        user_id -> IdSql,
        held_until -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::IdSql;
    /// Organisations, as far as they demand a second factor of their members.
    organisations (id) {
        id -> IdSql,
        name -> Text,
        mfa_enforced -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    /// With which servers the schema after a migration still works.
    schema_floors (version) {
        version -> Text,
        works_with -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    /// One row about the database itself: which one it is, and whether it went back.
    server_state (one) {
        one -> BigInt,
        database_id -> Text,
        epoch -> BigInt,
        sequence -> BigInt,
        told -> Bool,
        seen_at -> Nullable<BigInt>,
        hold_until -> Nullable<BigInt>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(challenges, users);
diesel::allow_tables_to_appear_in_same_query!(held_addresses, users);
diesel::allow_tables_to_appear_in_same_query!(sessions, users);
