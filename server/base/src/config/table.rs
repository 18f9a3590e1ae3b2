//! The table of all settings: name, kind with its bounds, default and meaning, each written once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;

use ipnet::IpNet;
use lettre::message::Mailbox;
use phonenumber::country;

use crate::config::SettingsError;
use crate::config::kinds::{
    Choice, Database, DatabaseUrl, Domain, Filter, Kind, Label, Listen, LogFormat, Networks,
    Origin, Origins, PasskeyOrigins, Place, SWITCH, Sender, SigningAlgorithm, Smtp, Whole,
    origin_host,
};
use crate::config::sms::{Account, Base, Countries, Hook, Originator, TwilioSender, Visible};
use crate::config::sources::Found;
use crate::model::Secret;
use crate::model::policy::Policy;

/// The prefix of all our environment variables.
pub(super) const PREFIX: &str = "COUNTERSIGN_";

/// The only setting that is not in the file: the path of the file.
pub(super) const CONFIG: &str = "config";

/// Returns the environment variable of a setting.
pub(super) fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

/// One setting, as shown in help and `server/OPERATING.md`.
#[derive(Clone, Debug)]
pub struct Row {
    /// The key in the file. Flag and environment variable follow from it.
    pub name: &'static str,
    /// The default; empty if there is none.
    pub default: String,
    /// The allowed values.
    pub allowed: String,
    /// What the setting is for.
    pub help: &'static str,
}

impl Row {
    /// Returns the flag, without its dashes.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Returns the environment variable.
    pub fn variable(&self) -> String {
        variable(self.name)
    }

    /// Returns the default, or `none`.
    pub fn default_shown(&self) -> &str {
        if self.default.is_empty() {
            "none"
        } else {
            &self.default
        }
    }
}

fn processors() -> u32 {
    thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1))
}

/// Reads one setting. A fixed default is parsed like any other text; a derived one is computed.
macro_rules! read {
    ($found:ident, $name:ident, $kind:expr, $shown:literal) => {
        $found.value(stringify!($name), &$kind, $shown)?
    };
    ($found:ident, $name:ident, $kind:expr, $shown:literal, $derived:expr) => {
        match $found.given(stringify!($name), &$kind)? {
            Some(value) => value,
            None => $derived,
        }
    };
}

/// Declares the settings. Each line yields a field, a flag, an environment variable, a key of the
/// file, a default with bounds, and a row of help.
macro_rules! settings {
    (
        $($(#[doc = $help:literal])+ $name:ident: $type:ty = $kind:expr, $shown:literal $(=> $derived:expr)?;)+
        policy { $($(#[doc = $limit_help:literal])+ $limit:ident = $limit_kind:expr;)+ }
    ) => {
        /// All settings, checked.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $($(#[doc = $help])+ pub $name: $type,)+
            /// Limits and lifetimes.
            pub policy: Policy,
            /// Whether this is the sandbox: no setting, only `countersign sandbox` says so.
            pub sandbox: bool,
        }

        impl Settings {
            pub(super) fn read(found: &Found) -> Result<Self, SettingsError> {
                $(let $name = read!(found, $name, $kind, $shown $(, $derived)?);)+
                let limits = Policy::default();
                let policy = Policy {
                    $($limit: found.value(stringify!($limit), &$limit_kind, &limits.$limit.to_string())?,)+
                };
                Ok(Self { $($name,)+ policy, sandbox: false })
            }
        }

        /// Returns all settings, in order.
        pub fn rows() -> Vec<Row> {
            let limits = Policy::default();
            vec![
                Row {
                    name: CONFIG,
                    default: String::new(),
                    allowed: Place.allowed(),
                    help: "A settings file (TOML); the first column of this table names its keys.",
                },
                $(Row {
                    name: stringify!($name),
                    default: $shown.to_owned(),
                    allowed: $kind.allowed(),
                    help: concat!($($help),+).trim_ascii(),
                },)+
                $(Row {
                    name: stringify!($limit),
                    default: limits.$limit.to_string(),
                    allowed: $limit_kind.allowed(),
                    help: concat!($($limit_help),+).trim_ascii(),
                },)+
            ]
        }
    };
}

settings! {
    /// Where to listen. Without TLS: for anything but this machine, put a TLS proxy in front.
    listen: SocketAddr = Listen, "127.0.0.1:8080";
    /// The address that clients know this server by: issuer and audience of its tokens.
    public_url: String = Origin, "http://localhost: and the port of listen" => format!("http://localhost:{}", listen.port());
    /// The folder of the database, the keys and the outbox; made with mode 0700.
    data_dir: PathBuf = Place, "./data";
    /// The database.
    database_url: DatabaseUrl = Database, "sqlite:countersign.db in data_dir" => DatabaseUrl::Sqlite(data_dir.join("countersign.db"));
    /// The key ring; made with mode 0600, the same for all replicas.
    key_file: PathBuf = Place, "keys.json in data_dir" => data_dir.join("keys.json");
    /// The mail server; without one, mail is written to the folder outbox in data_dir.
    smtp_url: Option<Secret<String>> = Smtp, "";
    /// Whom mail comes from.
    mail_from: Mailbox = Sender, "Countersign <no-reply@localhost>";
    /// Countries whose numbers may be sent text messages; none turns SMS codes off.
    sms_countries: Vec<country::Id> = Countries, "";
    /// The Twilio account that text messages are sent by. Without it and a webhook they are written to the outbox.
    twilio_account_sid: Option<String> = Account, "";
    /// Its auth token.
    twilio_auth_token: Option<Secret<String>> = Visible(8), "";
    /// Who text messages come from.
    twilio_from: Option<TwilioSender> = Originator, "";
    /// Where Twilio's API is.
    twilio_url: String = Base, "https://api.twilio.com";
    /// The webhook that text messages are handed to, instead of Twilio.
    sms_webhook_url: Option<Secret<String>> = Hook, "";
    /// The secret that signs what the webhook gets; after whsec_ it is read as base64.
    sms_webhook_secret: Option<Secret<String>> = Visible(32), "";
    /// The name of this service in authenticator apps, mails and text messages.
    issuer_name: String = Label, "Countersign";
    /// The domain that passkeys are bound to; changing it makes all of them useless.
    passkey_rp_id: String = Domain, "the host of public_url" => origin_host(&public_url).to_owned();
    /// Pages beside public_url, on this domain or below it, and Android apps (by the SHA-256 of their certificate, in base64url), where passkeys may be used.
    passkey_origins: Vec<String> = PasskeyOrigins, "";
    /// Whether passkeys are offered. They need https, but for this machine. Turned off, nobody can use the one they have.
    passkeys: bool = SWITCH, "true";
    /// Whether a passkey that was bound to its device may become one that can be synchronised, and back.
    passkey_backup_may_change: bool = SWITCH, "true";
    /// Pages of other origins that may call the APIs from a browser; pages of public_url always may.
    cors_origins: Vec<String> = Origins, "";
    /// Whether a registration by `POST /user/register` tells that an address is taken, as that API's page does; else no answer ever tells.
    registration_tells_taken: bool = SWITCH, "false";
    /// Reverse proxies: only what they say in X-Forwarded-For counts.
    trusted_proxies: Vec<IpNet> = Networks, "";
    /// Whether the pages are served for signing in, registering, the account and a forgotten password. Those behind mailed links always are.
    pages: bool = SWITCH, "true";
    /// Whether Swagger UI is served.
    swagger_ui: bool = SWITCH, "true";
    /// Whether Swagger UI keeps the authorization over reloads; turn it off in production.
    swagger_persist_authorization: bool = SWITCH, "true";
    /// How log lines look.
    log_format: LogFormat = Choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]), "text";
    /// Which log lines are written.
    log_filter: String = Filter, "info,actix_server=warn";
    /// Whether `/readyz` answers 503 when mails or text messages do not leave, or their queue is full; otherwise it says `degraded`, and 200.
    ready_needs_courier: bool = SWITCH, "false";
    /// What new signing keys are for; keys that exist stay what they are.
    signing_algorithm: SigningAlgorithm = Choice(&[("EdDSA", SigningAlgorithm::EdDsa), ("ES256", SigningAlgorithm::Es256)]), "EdDSA";
    /// Days after which the log asks for `keys rotate`.
    signing_key_days: u32 = Whole(1, 3650), "90";
    /// Memory of one password hash in KiB; below 47104 with 2 iterations at least.
    argon2_memory_kib: u32 = Whole(19_456, 1_048_576), "19456";
    /// Passes over the memory of a password hash.
    argon2_iterations: u32 = Whole(1, 20), "2";
    /// Lanes of a password hash; more than one makes it no faster here.
    argon2_parallelism: u32 = Whole(1, 16), "1";
    /// Password hashes at once, each on a thread with its own memory.
    hash_slots: u32 = Whole(1, 64), "half the processors, at least 1" => (processors() / 2).clamp(1, 64);
    /// Password hashes waiting at most; past it the answer is 503.
    hash_queue: u32 = Whole(1, 1024), "4 times hash_slots" => 4 * hash_slots;
    /// Threads that answer HTTP.
    http_threads: u32 = Whole(1, 256), "the processors" => processors().clamp(1, 256);
    /// Connections at once at most; past it, the one that has sent nothing for longest is closed.
    http_connections: u32 = Whole(16, 1_000_000), "2048";
    /// Reading threads on SQLite (one more writes), connections on PostgreSQL.
    database_threads: u32 = Whole(1, 64), "4";
    /// Database jobs waiting at most; past it the answer is 503.
    database_queue: u32 = Whole(16, 65_536), "4096";
    /// Seconds to wait for the database; past it the answer is 503.
    database_timeout_seconds: u32 = Whole(1, 5), "3";
    /// Whether prepared statements are kept on PostgreSQL. Set it to off behind a pooler in transaction mode, as PgBouncer's.
    database_statement_cache: bool = Choice(&[("on", true), ("off", false)]), "on";
    /// The longest request body in bytes; past it the answer is 413.
    body_limit_bytes: u32 = Whole(4096, 65_536), "16384";
    /// Seconds a client has to send the head of a request, and to begin its body, which then comes with 500 bytes a second at least.
    header_timeout_seconds: u32 = Whole(1, 60), "5";
    /// Seconds a request may take.
    request_timeout_seconds: u32 = Whole(1, 120), "15";
    /// Seconds an idle connection is kept.
    keep_alive_seconds: u32 = Whole(1, 600), "60";
    /// Seconds to wait for the mail server.
    smtp_timeout_seconds: u32 = Whole(1, 60), "10";
    /// Seconds to wait for Twilio or the webhook.
    sms_timeout_seconds: u32 = Whole(1, 30), "5";
    /// Seconds that running requests have to end when the server is told to stop.
    shutdown_timeout_seconds: u32 = Whole(1, 300), "30";

    policy {
        /// Fewest characters of a new password; 8 only where everybody has a second factor.
        password_min = Whole(8, 64);
        /// Most characters of a new password.
        password_max = Whole(64, 256);
        /// Digits of a code by mail or text message.
        code_digits = Whole(6, 10);
        /// Tries per challenge or registration.
        tries_per_challenge = Whole(3, 10);
        /// Seconds a mailed code lives.
        mail_code_seconds = Whole(60, 600);
        /// Seconds a mailed link lives, and a challenge that mailed one.
        magic_link_seconds = Whole(300, 900);
        /// Seconds a code sent as a text message lives.
        sms_code_seconds = Whole(60, 600);
        /// Wrong codes since the last right one after which waits start.
        soft_limit = Whole(5, 20);
        /// Seconds of the first wait; it doubles with each further wrong code.
        wait_first_seconds = Whole(10, 600);
        /// Seconds of the longest wait.
        wait_max_seconds = Whole(60, 86_400);
        /// Wrong codes since the last right one that stop the factor.
        hard_limit = Whole(10, 100);
        /// Live challenges per account; the oldest dies.
        challenges_per_account = Whole(1, 10);
        /// Wrong passwords per address and source before waits start.
        password_free_tries = Whole(3, 20);
        /// Seconds of the longest wait after wrong passwords; the first is one second.
        password_wait_max_seconds = Whole(60, 3600);
        /// Seconds a challenge lives.
        challenge_seconds = Whole(300, 900);
        /// Whether the TOTP code after the current one is accepted as well.
        totp_accept_next_step = SWITCH;
        /// Seconds before the first resend; they double with each.
        resend_cooldown_seconds = Whole(30, 300);
        /// Resends per challenge.
        resends_per_challenge = Whole(0, 5);
        /// Code mails per account and hour.
        code_mails_per_hour = Whole(1, 60);
        /// Code mails per account and day.
        code_mails_per_day = Whole(1, 240);
        /// Notices per account and hour.
        notices_per_hour = Whole(1, 60);
        /// Notices per account and day.
        notices_per_day = Whole(1, 240);
        /// Registration mails per address and hour.
        registration_mails_per_hour = Whole(1, 20);
        /// Mail-causing calls per source (/24 or /56) and hour; registrations, set-ups and the rest each, and as many wrong codes for new passwords.
        mail_calls_per_source = Whole(1, 100_000);
        /// Sign-ins by passkey alone that a source (/24 or /56) may begin per hour.
        passkey_sign_ins_per_source = Whole(10, 1_000_000);
        /// Mails of all kinds per hour over the whole server; 0 for no such limit.
        mails_per_hour = Whole(0, 10_000_000);
        /// Text messages per number and hour, for each account that proved it; as many for all others.
        sms_per_number_hour = Whole(1, 20);
        /// Text messages per number and day, for each account that proved it; as many for all others.
        sms_per_number_day = Whole(1, 40);
        /// Text messages per hour to numbers with the same first seven digits; set-ups half as many more.
        sms_per_prefix_hour = Whole(1, 10_000);
        /// Text messages per account and day.
        sms_per_account_day = Whole(1, 40);
        /// Text messages per day over the whole server; set-ups half as many more.
        sms_per_day = Whole(1, 10_000_000);
        /// Sets of recovery or scratch codes that an account may have made per hour.
        code_sets_per_hour = Whole(1, 100);
        /// Seconds the link lives that proves a new address.
        address_link_seconds = Whole(600, 86_400);
        /// Seconds an access token lives.
        access_token_seconds = Whole(60, 3600);
        /// Seconds a session lives, however often it is refreshed.
        session_seconds = Whole(300, 2_592_000);
        /// Seconds a session may be idle.
        session_idle_seconds = Whole(300, 86_400);
        /// Seconds during which a refresh token that was exchanged gets the same successor once more, as two tabs or a lost answer need it; 0 for never. Later its reuse ends the session.
        refresh_reuse_seconds = Whole(0, 60);
        /// Seconds after a second step during which factors may be changed.
        fresh_for_factors_seconds = Whole(60, 3600);
        /// Seconds after a second step during which an administrator may act.
        fresh_for_administration_seconds = Whole(60, 3600);
        /// Seconds that the clocks of replicas may differ when tokens are judged.
        token_leeway_seconds = Whole(0, 30);
        /// Seconds a pending set-up lives.
        enrolment_seconds = Whole(300, 900);
        /// Days an API key lives when none are asked for.
        api_key_default_days = Whole(1, 365);
        /// Most days an API key can live.
        api_key_max_days = Whole(1, 365);
        /// Live API keys per user.
        api_keys_per_user = Whole(1, 100);
        /// Seconds that ended challenges and registrations are kept.
        keep_challenges_seconds = Whole(3600, 2_592_000);
        /// Seconds that ended sessions are kept.
        keep_sessions_seconds = Whole(86_400, 34_560_000);
        /// Seconds that audit events are kept.
        keep_audit_seconds = Whole(2_592_000, 315_360_000);
        /// Seconds the courier tries to deliver a notice without a code.
        notice_seconds = Whole(600, 86_400);
        /// Notices waiting at most; past it, calls that send mail answer 503.
        courier_queue = Whole(100, 1_000_000);
    }
}
