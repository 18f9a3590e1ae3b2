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
use crate::config::sources::GivenSettings;
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
            pub(super) fn read(found: &GivenSettings) -> Result<Self, SettingsError> {
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
                    help: "A settings file (TOML). The first column of this table has its keys.",
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
    /// The address and port to listen on. There is no TLS here: to serve other machines, put a TLS proxy in front.
    listen: SocketAddr = Listen, "127.0.0.1:8080";
    /// The address at which clients reach this server. It is the issuer and audience of its tokens.
    public_url: String = Origin, "http://localhost: and the port of listen" => format!("http://localhost:{}", listen.port());
    /// The folder of the database, the keys and the outbox. It is created with mode 0700.
    data_dir: PathBuf = Place, "./data";
    /// The database.
    database_url: DatabaseUrl = Database, "sqlite:countersign.db in data_dir" => DatabaseUrl::Sqlite(data_dir.join("countersign.db"));
    /// The file with the keys, the same for all replicas. It is created with mode 0600.
    key_file: PathBuf = Place, "keys.json in data_dir" => data_dir.join("keys.json");
    /// The mail server. Without one, mails are written to the folder outbox in data_dir.
    smtp_url: Option<Secret<String>> = Smtp, "";
    /// The sender of mails.
    mail_from: Mailbox = Sender, "Countersign <no-reply@localhost>";
    /// Countries to whose numbers text messages may be sent. Without any, SMS codes are off.
    sms_countries: Vec<country::Id> = Countries, "";
    /// The Twilio account that sends text messages. Without it and a webhook, they are written to the outbox.
    twilio_account_sid: Option<String> = Account, "";
    /// The auth token of the Twilio account.
    twilio_auth_token: Option<Secret<String>> = Visible(8), "";
    /// The sender of text messages.
    twilio_from: Option<TwilioSender> = Originator, "";
    /// The address of Twilio's API.
    twilio_url: String = Base, "https://api.twilio.com";
    /// The webhook that sends text messages instead of Twilio.
    sms_webhook_url: Option<Secret<String>> = Hook, "";
    /// The secret that signs calls to the webhook. After whsec_ it is read as base64.
    sms_webhook_secret: Option<Secret<String>> = Visible(32), "";
    /// The name of this service in authenticator apps, mails and text messages.
    issuer_name: String = Label, "Countersign";
    /// The domain that passkeys are bound to. If you change it, existing passkeys stop working.
    passkey_rp_id: String = Domain, "the host of public_url" => origin_host(&public_url).to_owned();
    /// Where passkeys may be used besides public_url: pages on passkey_rp_id or below it, and Android apps (by the SHA-256 of their certificate, in base64url).
    passkey_origins: Vec<String> = PasskeyOrigins, "";
    /// Whether passkeys are offered. They need https, except on this machine. If you turn this off, existing passkeys cannot be used.
    passkeys: bool = SWITCH, "true";
    /// Whether a passkey that was bound to its device may become synchronised, and back.
    passkey_backup_may_change: bool = SWITCH, "true";
    /// Origins of other pages that may call the APIs from a browser. Pages of public_url always may.
    cors_origins: Vec<String> = Origins, "";
    /// Whether `POST /user/register` says that an address is taken, as that API's page does. If false, no answer says so.
    registration_tells_taken: bool = SWITCH, "false";
    /// Reverse proxies. The server believes X-Forwarded-For only from them.
    trusted_proxies: Vec<IpNet> = Networks, "";
    /// Whether the pages for sign-in, registration, the account and a forgotten password are served. The pages behind mailed links always are.
    pages: bool = SWITCH, "true";
    /// Whether Swagger UI is served.
    swagger_ui: bool = SWITCH, "true";
    /// Whether Swagger UI keeps the authorization after a reload. Turn it off in production.
    swagger_persist_authorization: bool = SWITCH, "true";
    /// The format of log lines.
    log_format: LogFormat = Choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]), "text";
    /// Which log lines to write.
    log_filter: String = Filter, "info,actix_server=warn";
    /// Whether `/readyz` answers 503 if mails or text messages cannot be sent or their queue is full. If false, it answers 200 with `degraded`.
    ready_needs_courier: bool = SWITCH, "false";
    /// The algorithm of new signing keys. Existing keys keep theirs.
    signing_algorithm: SigningAlgorithm = Choice(&[("EdDSA", SigningAlgorithm::EdDsa), ("ES256", SigningAlgorithm::Es256)]), "EdDSA";
    /// Days after which the log asks you to run `keys rotate`.
    signing_key_days: u32 = Whole(1, 3650), "90";
    /// Memory of one password hash in KiB. Below 47104, at least 2 iterations are needed.
    argon2_memory_kib: u32 = Whole(19_456, 1_048_576), "19456";
    /// Passes over the memory of a password hash.
    argon2_iterations: u32 = Whole(1, 20), "2";
    /// Lanes of a password hash. More than one makes it no faster here.
    argon2_parallelism: u32 = Whole(1, 16), "1";
    /// Password hashes that run at once, each on a thread with its own memory.
    hash_slots: u32 = Whole(1, 64), "half the processors, at least 1" => (processors() / 2).clamp(1, 64);
    /// Password hashes that may wait. With more, the answer is 503.
    hash_queue: u32 = Whole(1, 1024), "4 times hash_slots" => 4 * hash_slots;
    /// Threads that answer HTTP.
    http_threads: u32 = Whole(1, 256), "the processors" => processors().clamp(1, 256);
    /// Connections that may be open at once. With more, the one that has been silent for longest is closed.
    http_connections: u32 = Whole(16, 1_000_000), "2048";
    /// On SQLite, threads that read (one more writes). On PostgreSQL, connections.
    database_threads: u32 = Whole(1, 64), "4";
    /// Database jobs that may wait. With more, the answer is 503.
    database_queue: u32 = Whole(16, 65_536), "4096";
    /// Seconds to wait for the database. After that the answer is 503.
    database_timeout_seconds: u32 = Whole(1, 5), "3";
    /// Whether prepared statements are kept on PostgreSQL. Turn it off behind a pooler in transaction mode, such as PgBouncer's.
    database_statement_cache: bool = Choice(&[("on", true), ("off", false)]), "on";
    /// The longest request body in bytes. For a longer one the answer is 413.
    body_limit_bytes: u32 = Whole(4096, 65_536), "16384";
    /// Seconds a client may take to send the head of a request, and then to begin its body. The body must come with at least 500 bytes a second.
    header_timeout_seconds: u32 = Whole(1, 60), "5";
    /// Seconds a request may take.
    request_timeout_seconds: u32 = Whole(1, 120), "15";
    /// Seconds an idle connection is kept open.
    keep_alive_seconds: u32 = Whole(1, 600), "60";
    /// Seconds to wait for the mail server.
    smtp_timeout_seconds: u32 = Whole(1, 60), "10";
    /// Seconds to wait for Twilio or the webhook.
    sms_timeout_seconds: u32 = Whole(1, 30), "5";
    /// Seconds that running requests may take to end when the server stops.
    shutdown_timeout_seconds: u32 = Whole(1, 300), "30";

    policy {
        /// Fewest characters of a new password. Use 8 only if everybody has a second factor.
        password_min = Whole(8, 64);
        /// Most characters of a new password.
        password_max = Whole(64, 256);
        /// Digits of a code by mail or text message.
        code_digits = Whole(6, 10);
        /// Tries per challenge or registration.
        tries_per_challenge = Whole(3, 10);
        /// Seconds a mailed code lives.
        mail_code_seconds = Whole(60, 600);
        /// Seconds that a mailed link lives, and the challenge that sent it.
        magic_link_seconds = Whole(300, 900);
        /// Seconds a code sent as a text message lives.
        sms_code_seconds = Whole(60, 600);
        /// Wrong codes since the last right one before waits start.
        soft_limit = Whole(5, 20);
        /// Seconds of the first wait. It doubles with each further wrong code.
        wait_first_seconds = Whole(10, 600);
        /// Seconds of the longest wait.
        wait_max_seconds = Whole(60, 86_400);
        /// Wrong codes since the last right one that lock the method.
        hard_limit = Whole(10, 100);
        /// Open challenges per account. A further one ends the oldest.
        challenges_per_account = Whole(1, 10);
        /// Wrong passwords per address and network before waits start.
        password_free_tries = Whole(3, 20);
        /// Seconds of the longest wait after wrong passwords. The first is one second.
        password_wait_max_seconds = Whole(60, 3600);
        /// Seconds a challenge lives.
        challenge_seconds = Whole(300, 900);
        /// Whether the TOTP code after the current one is accepted as well.
        totp_accept_next_step = SWITCH;
        /// Seconds before the first resend. They double with each further one.
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
        /// Calls per network (/24 or /56) and hour that send mail. Sign-ins, set-ups, new passwords, new addresses and strangers are counted separately. The same number of wrong codes for new passwords.
        mail_calls_per_source = Whole(1, 100_000);
        /// Sign-ins with a passkey alone that a network (/24 or /56) may begin per hour.
        passkey_sign_ins_per_source = Whole(10, 1_000_000);
        /// Mails of all kinds per hour from the whole server. 0 means no limit.
        mails_per_hour = Whole(0, 10_000_000);
        /// Text messages per number and hour, for each account that proved the number. The same for all other accounts together.
        sms_per_number_hour = Whole(1, 20);
        /// Text messages per number and day, for each account that proved the number. The same for all other accounts together.
        sms_per_number_day = Whole(1, 40);
        /// Text messages per hour to numbers with the same first seven digits. Set-ups may send half as many in addition.
        sms_per_prefix_hour = Whole(1, 10_000);
        /// Text messages per account and day.
        sms_per_account_day = Whole(1, 40);
        /// Text messages per day from the whole server. Set-ups may send half as many in addition.
        sms_per_day = Whole(1, 10_000_000);
        /// Sets of recovery or scratch codes per account and hour.
        code_sets_per_hour = Whole(1, 100);
        /// Seconds that the link to prove a new address lives.
        address_link_seconds = Whole(600, 86_400);
        /// Seconds an access token lives.
        access_token_seconds = Whole(60, 3600);
        /// Seconds a session lives, even if it is refreshed.
        session_seconds = Whole(300, 2_592_000);
        /// Seconds a session may be idle.
        session_idle_seconds = Whole(300, 86_400);
        /// Seconds in which an exchanged refresh token gets the same successor once more, for two tabs or a lost answer. 0 means never. Later its reuse ends the session.
        refresh_reuse_seconds = Whole(0, 60);
        /// Seconds for which a second factor counts as fresh proof.
        fresh_for_factors_seconds = Whole(60, 3600);
        /// Seconds for which a sign-in or a second factor lets an administrator act on API keys.
        fresh_for_administration_seconds = Whole(60, 3600);
        /// Seconds that the clocks of replicas may differ when tokens are judged.
        token_leeway_seconds = Whole(0, 30);
        /// Seconds a pending set-up lives.
        enrolment_seconds = Whole(300, 900);
        /// Days an API key lives if its maker names none.
        api_key_default_days = Whole(1, 365);
        /// Most days an API key may live.
        api_key_max_days = Whole(1, 365);
        /// Live API keys per user.
        api_keys_per_user = Whole(1, 100);
        /// Seconds that ended challenges and registrations are kept.
        keep_challenges_seconds = Whole(3600, 2_592_000);
        /// Seconds that ended sessions are kept.
        keep_sessions_seconds = Whole(86_400, 34_560_000);
        /// Seconds that audit events are kept.
        keep_audit_seconds = Whole(2_592_000, 315_360_000);
        /// Seconds for which the server tries to deliver a mail without a code.
        notice_seconds = Whole(600, 86_400);
        /// Mails and text messages that may wait. With more, calls that send one answer 503.
        courier_queue = Whole(100, 1_000_000);
    }
}
