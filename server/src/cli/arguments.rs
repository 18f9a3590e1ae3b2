//! What the command line understands.

use clap::{Arg, ArgAction, ArgGroup, Command};

use crate::config;

/// All subcommands and flags.
pub fn command() -> Command {
    let email = || {
        let arg = Arg::new("email").long("email").required(true);
        arg.help("The e-mail address of the account")
    };
    let user =
        |name: &'static str, about: &'static str| Command::new(name).about(about).arg(email());
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .help(help)
            .action(ArgAction::SetTrue)
    };
    let create = user(
        "create",
        "Make an account; the password is asked for, or one line of standard input",
    )
    .arg(switch("administrator", "Make it an administrator's"));
    let option = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).required(true).help(help)
    };
    let join = user("join", "Make a user a member of an organisation")
        .arg(option(
            "organisation",
            "The id of the organisation, as `GET /user/profile` has it",
        ))
        .arg(option("role", "owner, administrator or member"));
    let users = Command::new("user")
        .about("Help a user")
        .subcommand_required(true)
        .subcommands([
            create,
            user("promote", "Make a user an administrator"),
            user("unlock", "Lift all waits and stops of a user"),
            user(
                "reset-mfa",
                "Remove all second steps of a user: the way out after a lost phone",
            ),
            join,
        ]);
    let rotate = Command::new("rotate")
        .about("Add a signing key, which signs after an overlap, and a sealing key, used at once")
        .arg(switch(
            "revoke",
            "Instead, replace all signing keys at once: every access token dies",
        ));
    let reseal = Command::new("reseal")
        .about("Seal anew what older sealing keys sealed; can be stopped and begun again");
    let retire = Command::new("retire")
        .about("Remove the older sealing keys that hold nothing, and say what the others hold");
    let keys = Command::new("keys")
        .about("Change the key ring")
        .subcommand_required(true);
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").help(help)
    };
    let backup = Command::new("backup")
        .about("Copy the SQLite database into a new file, while the server runs or not")
        .arg(file("to", "The new file").required(true));
    let restore = Command::new("restore")
        .about("Go back to a backup: ends every session, challenge, mailed code and refresh token")
        .arg(file("from", "The backup that replaces the SQLite database"))
        .arg(switch(
            "already-restored",
            "The database was put back by other means, as pg_restore",
        ))
        .arg(switch(
            "keep-recovery-codes",
            "Keep recovery codes though it is unknown which were used since the backup",
        ))
        .group(
            ArgGroup::new("how")
                .args(["from", "already-restored"])
                .required(true),
        );
    let document = Arg::new("name").default_value("identity").help("Which API");
    Command::new("countersign")
        .about("Self-hosted multi-factor authentication. Without a subcommand it serves.")
        .version(env!("CARGO_PKG_VERSION"))
        .args(setting_flags())
        .subcommands([
            Command::new("serve").about("Serve (the default)"),
            Command::new("migrate").about("Bring the database up to date, and stop"),
            Command::new("openapi")
                .about("Print an API's OpenAPI document")
                .arg(document),
            Command::new("settings").about("Print all settings as a markdown table"),
            Command::new("healthcheck").about("Ask the running server whether it is ready"),
            users,
            keys.subcommands([rotate, reseal, retire]),
            backup,
            restore,
        ])
}

/// One flag for each setting; the table says the rest.
fn setting_flags() -> impl Iterator<Item = Arg> {
    config::rows().into_iter().map(|row| {
        let help = format!(
            "{} Default: {}. Allowed: {}. Environment: {}",
            row.help,
            row.default_shown(),
            row.allowed,
            row.variable()
        );
        Arg::new(row.name)
            // Made once in the life of the process; clap keeps names for as long.
            .long(&*row.flag().leak())
            .value_name("VALUE")
            .help(help)
            .help_heading("Settings")
            .hide_short_help(true)
            .global(true)
    })
}
