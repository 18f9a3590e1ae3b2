//! Defines the command line: all subcommands and flags.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgGroup, Command, value_parser};
use uuid::Uuid;

use crate::config;
use crate::model::kinds::OrganisationRole;
use crate::sandbox::all_documents;

/// Builds the parser of the command line.
pub fn command() -> Command {
    let email = || {
        let arg = Arg::new("email").long("email").value_name("ADDRESS");
        arg.required(true).help("The e-mail address of the account")
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
    let join =
        user("join", "Make a user a member of an organisation").args([organisation(), role()]);
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
    let names = all_documents().iter().map(|document| document.name);
    let document = Arg::new("name")
        .value_name("NAME")
        .default_value("identity")
        .value_parser(PossibleValuesParser::new(names))
        .help("Which API");
    Command::new("countersign")
        // Error messages name the commands as the README does, whatever the file is called.
        .bin_name("countersign")
        .about("Self-hosted multi-factor authentication. Without a subcommand it serves.")
        .version(env!("CARGO_PKG_VERSION"))
        .args(setting_flags())
        .subcommands([
            Command::new("serve").about("Serve (the default)"),
            sandbox(),
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

fn sandbox() -> Command {
    let seed = Arg::new("seed")
        .long("seed")
        .value_name("NUMBER")
        .default_value("1")
        .value_parser(value_parser!(u64).range(..=i64::MAX.unsigned_abs()))
        .help("What all secrets and codes follow from: the same seed draws the same ones");
    let exec = Arg::new("exec")
        .long("exec")
        .value_name("COMMAND")
        .help("Serve on a free port, run this command line with COUNTERSIGN_URL set, and end with its exit status");
    Command::new("sandbox")
        .about("Serve for trying things out and for tests: with people in it, and an API for mails, codes and the clock; nothing is kept")
        .args([seed, exec])
}

fn organisation() -> Arg {
    let read = |text: &str| {
        Uuid::try_parse(text)
            .map_err(|_| "it is no id; take the `orgId` that `GET /user/profile` tells its founder")
    };
    Arg::new("organisation")
        .long("organisation")
        .value_name("ID")
        .required(true)
        .value_parser(read)
        .help("The id of the organisation: the `orgId` that `GET /user/profile` tells its founder")
}

fn role() -> Arg {
    let roles = OrganisationRole::ALL.iter().map(|role| role.as_str());
    Arg::new("role")
        .long("role")
        .value_name("ROLE")
        .required(true)
        .value_parser(PossibleValuesParser::new(roles))
        .help("What the user is there")
}

/// Makes one flag for each setting in the table.
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
            // Made once per process. clap needs static names.
            .long(&*row.flag().leak())
            .value_name("VALUE")
            .help(help)
            .help_heading("Settings")
            .hide_short_help(true)
            .global(true)
    })
}
