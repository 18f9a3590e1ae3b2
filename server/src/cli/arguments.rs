//! Defines the command line: all subcommands and flags.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgGroup, Command, value_parser};
use clap_complete::Shell;
use uuid::Uuid;

use crate::config;
use crate::model::kinds::OrganisationRole;
use crate::sandbox::all_documents;

/// The flag of commands that only report what they did.
pub const QUIET: &str = "quiet";

/// What the short help of `countersign` ends with.
const FIRST_STEPS: &str = "\
Examples:
  countersign                                    serve on http://localhost:8080, with all files in ./data
  countersign sandbox                            try it out, with sample users; nothing is kept
  countersign user create --email a@example.com --administrator
  countersign doctor                             find problems before they matter

`countersign serve --help` lists all settings. Each is also a flag of every subcommand. With --quiet, a command that
changes something prints nothing on success.";

/// Builds the parser of the command line.
pub fn command() -> Command {
    let names = all_documents().iter().map(|document| document.name);
    let document = Arg::new("name")
        .value_name("NAME")
        .default_value("identity")
        .value_parser(PossibleValuesParser::new(names))
        .help("The API");
    let shell = Arg::new("shell")
        .value_name("SHELL")
        .required(true)
        .value_parser(value_parser!(Shell))
        .help("The shell to make completions for");
    Command::new("countersign")
        // Error messages name the commands as the README does, whatever the file is called.
        .bin_name("countersign")
        .about("Self-hosted multi-factor authentication. Without a subcommand it serves.")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(FIRST_STEPS)
        .args(setting_flags())
        .arg(
            switch(QUIET, "Print and log nothing on success; lists and documents are printed all the same")
                .short('q')
                .global(true)
                .hide(true),
        )
        .subcommands([
            Command::new("serve")
                .about("Serve (the default)")
                .override_usage("countersign serve [SETTINGS]")
                .after_long_help(settings_help()),
            sandbox(),
            about("doctor", "Check settings, database, keys, mail, clock and proxies, and say what to fix")
                .after_help("It changes nothing. The exit status is 1 if it finds a problem that keeps the server from working.\n\nExample:\n  countersign doctor --database-url postgres://app@db/app"),
            about("migrate", "Bring the database up to date, then exit")
                .after_help("The server does this itself when it starts. Use this command to migrate before you start the new version.\n\nSee also: countersign backup"),
            about("openapi", "Print an API's OpenAPI document")
                .arg(document)
                .after_help("Example:\n  countersign openapi identity > identity.yaml"),
            about("settings", "Print all settings as a markdown table"),
            about("healthcheck", "Ask the running server whether it is ready")
                .after_help("The exit status is 0 if it is. It asks the address of the setting `listen`.\n\nSee also: countersign doctor"),
            about("completions", "Print completions for a shell")
                .arg(shell)
                .after_help("Example:\n  countersign completions bash > /etc/bash_completion.d/countersign"),
            totp(),
            users(),
            keys(),
            backup(),
            restore(),
        ])
}

fn about(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
}

fn json() -> Arg {
    switch("json", "Print JSON, for programs")
}

/// The subcommands of `user`. Those that change something are told to the user by mail, where the act says so.
fn users() -> Command {
    let email = || {
        let arg = Arg::new("email").long("email").value_name("ADDRESS");
        arg.required(true).help(
            "The e-mail address of the account, or the name that a user without one signs in with",
        )
    };
    let user = |name, what| about(name, what).arg(email());
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("NUMBER")
            .default_value(default)
            .value_parser(value_parser!(i64).range(0..))
            .help(help)
    };
    let create = user(
        "create",
        "Create an account. Asks for its password, or reads one line of standard input",
    )
    .arg(switch("administrator", "Make the user an administrator"))
    .after_help("Example:\n  countersign user create --email admin@example.com --administrator");
    let list = about("list", "List the accounts, oldest first").args([
        number("limit", "100", "How many to list at most"),
        number("offset", "0", "How many to skip"),
        json(),
    ]);
    about("user", "List, create, change and help users")
        .subcommand_required(true)
        .after_help("See also: countersign user create --help")
        .subcommands([
            list,
            user("show", "Show one account: methods, waits, open sessions").arg(json()),
            create,
            user(
                "set-password",
                "Set a new password. Ends the user's sessions",
            ),
            user(
                "disable",
                "Block all sign-ins to an account. Ends the user's sessions",
            ),
            user("enable", "Allow sign-ins to a disabled account again"),
            user(
                "delete",
                "Delete an account and all its data, except the audit trail",
            ),
            user("promote", "Make a user an administrator"),
            user("unlock", "End all waits and locks of a user"),
            user(
                "reset-mfa",
                "Remove all second factors of a user, for example after a lost phone",
            )
            .after_help(
                "The password stays. The user's sessions end.\n\nSee also: countersign user unlock",
            ),
            user("join", "Make a user a member of an organisation").args([organisation(), role()]),
        ])
}

fn keys() -> Command {
    let rotate = about(
        "rotate",
        "Add a signing key, which signs after an overlap, and a sealing key, which is used at once",
    )
    .arg(switch(
        "revoke",
        "Replace all signing keys at once instead. All access tokens stop working",
    ));
    let reseal = about(
        "reseal",
        "Seal again with the newest key what older keys sealed. You can stop it and start it again",
    );
    let retire = about(
        "retire",
        "Remove the older sealing keys that are no longer used, and say what the others still seal",
    );
    about("keys", "Change the keys in the key file")
        .subcommand_required(true)
        .after_help("Example, all three in this order:\n  countersign keys rotate\n  countersign keys reseal\n  countersign keys retire")
        .subcommands([rotate, reseal, retire])
}

fn file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("FILE").help(help)
}

fn backup() -> Command {
    about("backup", "Copy the SQLite database into a new file, while the server runs or not")
        .arg(file("to", "The new file").required(true))
        .after_help("Back up the key file too: without it the database is useless.\n\nExample:\n  countersign backup --to backup-$(date +%F).db\n\nSee also: countersign restore")
}

fn restore() -> Command {
    about("restore", "Go back to a backup. Ends every session, challenge, mailed code and refresh token")
        .arg(file("from", "The backup that replaces the SQLite database"))
        .arg(switch(
            "already-restored",
            "The database was already restored by another program, such as pg_restore",
        ))
        .arg(switch(
            "keep-recovery-codes",
            "Keep recovery codes, although it is unknown which were used since the backup",
        ))
        .group(
            ArgGroup::new("how")
                .args(["from", "already-restored"])
                .required(true),
        )
        .after_help("Stop the server first.\n\nExample:\n  countersign restore --from backup-2026-11-29.db\n\nSee also: countersign backup")
}

fn sandbox() -> Command {
    let seed = Arg::new("seed")
        .long("seed")
        .value_name("NUMBER")
        .default_value("1")
        .value_parser(value_parser!(u64).range(..=i64::MAX.unsigned_abs()))
        .help("The seed of all secrets and codes. The same seed gives the same ones");
    let exec = Arg::new("exec").long("exec").value_name("COMMAND").help(
        "Serve on a free port, run this command with COUNTERSIGN_URL set, and exit with its status",
    );
    about("sandbox", "Serve for tests and for trying things out, with sample users and an API for mails, codes and the clock. Nothing is kept")
        .args([seed, exec])
        .after_help("Examples:\n  countersign sandbox\n  countersign sandbox --listen 127.0.0.1:9000\n  countersign sandbox --exec 'npm test'\n\nSee also: the document `countersign openapi sandbox`")
}

fn totp() -> Command {
    let url = Arg::new("url")
        .long("url")
        .value_name("URL")
        .env("COUNTERSIGN_URL")
        .default_value("http://localhost:8080")
        .help("Where the sandbox is");
    let email = Arg::new("email")
        .long("email")
        .value_name("ADDRESS")
        .help("Whose it is; by default, the first person without a second factor");
    about("totp", "Try an authenticator app with a running sandbox")
        .subcommand_required(true)
        .subcommand(
            about("enrol", "Give a person of the sandbox your authenticator app: shows a QR code, asks for a code")
                .args([url, email])
                .after_help("Example:\n  countersign sandbox &\n  countersign totp enrol\n\nSee also: countersign sandbox"),
        )
}

fn organisation() -> Arg {
    let read = |text: &str| {
        Uuid::try_parse(text).map_err(
            |_| "it is not an id; use the `orgId` that its founder finds in `GET /user/profile`",
        )
    };
    Arg::new("organisation")
        .long("organisation")
        .value_name("ID")
        .required(true)
        .value_parser(read)
        .help(
            "The id of the organisation: the `orgId` that its founder finds in `GET /user/profile`",
        )
}

fn role() -> Arg {
    let roles = OrganisationRole::ALL.iter().map(|role| role.as_str());
    Arg::new("role")
        .long("role")
        .value_name("ROLE")
        .required(true)
        .value_parser(PossibleValuesParser::new(roles))
        .help("The user's role in it")
}

/// Makes one flag for each setting in the table. Only `serve --help` lists them: elsewhere they would bury what
/// the subcommand is about.
fn setting_flags() -> impl Iterator<Item = Arg> {
    config::rows().into_iter().map(|row| {
        Arg::new(row.name)
            // Made once per process. clap needs static names.
            .long(&*row.flag().leak())
            .value_name("VALUE")
            .help(row.help)
            .hide(true)
            .global(true)
    })
}

/// Lists the settings: the flag, what it does, and what else there is to know about it.
fn settings_help() -> String {
    let mut text = "Settings. Each is a flag, an environment variable, or a key of the TOML file that --config names:\n".to_owned();
    for row in config::rows() {
        text.push_str(&format!(
            "\n  --{} <VALUE>\n      {}\n      Default: {}. Allowed: {}. Environment: {}\n",
            row.flag(),
            row.help,
            row.default_shown(),
            row.allowed,
            row.variable()
        ));
    }
    text
}
