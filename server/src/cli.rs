//! The command line: `serve` and the subcommands that help an operator.

mod arguments;

use std::ffi::OsString;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::ArgMatches;
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use crate::api::documents;
use crate::app::{App, Ctx};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{self, DatabaseUrl, LogFormat, Settings, SettingsError};
use crate::flow::admin;
use crate::model::ids::Id;
use crate::model::kinds::{OrganisationRole, Role};
use crate::model::{Error, Refusal, Secret, typed};
use crate::outcome::Person;
use crate::serve;
use arguments::command;

/// The longest password that is read from standard input, in bytes.
const PASSWORD_MAX: u64 = 4096;

/// Does what the arguments say. Whatever stops it is one line on standard error; the exit code is 2
/// when arguments or settings are wrong, else 1.
pub async fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return misused(&error),
    };
    let Err(error) = run(&matches).await else {
        return ExitCode::SUCCESS;
    };
    complain(&format!("{error:#}"));
    if error.is::<SettingsError>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

async fn run(matches: &ArgMatches) -> Result<()> {
    // A flag counts wherever it stands; clap hands the outer ones inwards.
    let mut path = Vec::new();
    let mut innermost = matches;
    while let Some((name, inner)) = innermost.subcommand() {
        path.push(name);
        innermost = inner;
    }
    match path.as_slice() {
        ["openapi"] => return print_document(text(innermost, "name")?),
        ["settings"] => return print(&config::table()),
        _ => {}
    }
    let settings = settings(innermost)?;
    if path == ["healthcheck"] {
        return ask_readiness(settings.listen);
    }
    match path.as_slice() {
        ["user", "create"] => {}
        ["user" | "keys", ..] => must_exist(&settings.database_url)?,
        _ => {}
    }
    start_log(&settings);
    let warnings = settings.warnings();
    let app = App::open(settings, Clock::System, Chance::system()).await?;
    match path.as_slice() {
        [] | ["serve"] => {
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            serve::run(app).await
        }
        ["migrate"] => print("The database is up to date.\n"),
        ["keys", "rotate"] => rotate(&app, innermost.get_flag("revoke")).await,
        ["user", act] => help_user(&app, act, innermost).await,
        unknown => bail!("{unknown:?} is no subcommand"),
    }
}

/// Where there is no database there is nobody to help; a new one would only hide that this is the wrong folder.
fn must_exist(database: &DatabaseUrl) -> Result<()> {
    match database {
        DatabaseUrl::Sqlite(path) if !path.exists() => bail!(
            "there is no database at {}: run this where the server runs, or say --data-dir or --database-url",
            path.display()
        ),
        DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => Ok(()),
    }
}

fn settings(matches: &ArgMatches) -> Result<Settings, SettingsError> {
    let given = config::rows().into_iter().filter_map(|row| {
        let text = matches.get_one::<String>(row.name)?;
        Some((row.name.to_owned(), text.clone()))
    });
    Settings::load(&given.collect(), std::env::vars_os())
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> Result<&'a str> {
    let text = matches.get_one::<String>(name);
    Ok(text.with_context(|| format!("--{name} is missing"))?)
}

/// Log lines go to standard error; who closes it loses them, and nothing else.
fn start_log(settings: &Settings) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&settings.log_filter))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false);
    let started = match settings.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    if let Err(error) = started {
        complain(&format!("the log could not be started: {error}"));
    }
}

async fn help_user(app: &App, act: &str, matches: &ArgMatches) -> Result<()> {
    let email = text(matches, "email")?.to_owned();
    let (helped, done) = match act {
        "create" => {
            let role = if matches.get_flag("administrator") {
                Role::Administrator
            } else {
                Role::User
            };
            let password = read_password()?;
            let create = async |ctx: &Ctx| admin::create_user(ctx, &email, password, role).await;
            (app.call(create).await, "made")
        }
        "promote" => (
            app.call(async |ctx| admin::promote(ctx, &email).await)
                .await,
            "promoted",
        ),
        "unlock" => (
            app.call(async |ctx| admin::unlock(ctx, &email).await).await,
            "unlocked",
        ),
        "reset-mfa" => {
            let reset = async |ctx: &Ctx| admin::reset_mfa(ctx, &email).await;
            (app.call(reset).await, "freed of its second steps")
        }
        "join" => {
            let organisation = Uuid::try_parse(text(matches, "organisation")?)
                .context("--organisation is no id")?;
            let role = OrganisationRole::parse(text(matches, "role")?)
                .context("--role is owner, administrator or member")?;
            let join =
                async |ctx: &Ctx| admin::join(ctx, &email, Id::new(organisation), role).await;
            (app.call(join).await, "made a member")
        }
        unknown => bail!("{unknown:?} is no subcommand of user"),
    };
    let Person {
        id, email, role, ..
    } = helped.map_err(said)?;
    let role = role.as_str();
    print(&format!(
        "The account {email} (user-{id}, {role}) was {done}.\n"
    ))
}

/// From a terminal without echo, twice; else one line of standard input.
fn read_password() -> Result<Secret<String>> {
    if io::stdin().is_terminal() {
        let first = Secret::new(rpassword::prompt_password("Password: ")?);
        let again = Secret::new(rpassword::prompt_password("Once more: ")?);
        if first.expose() != again.expose() {
            bail!("the two passwords differ");
        }
        return Ok(first);
    }
    let mut line = zeroize::Zeroizing::new(String::new());
    let read = io::stdin().lock().take(PASSWORD_MAX).read_line(&mut line);
    read.map_err(|_| anyhow!("standard input has no line of text"))?;
    Ok(Secret::new(password_of(&line).to_owned()))
}

/// The password of a line, whatever system wrote it.
fn password_of(line: &str) -> &str {
    let line = typed::without_mark(line);
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

async fn rotate(app: &App, revoke: bool) -> Result<()> {
    let (vault, now) = (&app.ctx().vault, app.ctx().now());
    if revoke {
        let id = vault.revoke_signing(now)?.id;
        return print(&format!(
            "The key {id} signs now; all earlier ones are gone.\n"
        ));
    }
    let signing = vault.rotate_signing(now)?;
    let sealing = vault.rotate_sealing(now)?;
    let (id, from) = (signing.id, signing.from);
    print(&format!(
        "The key {id} is published and signs from {from}.\n"
    ))?;
    print(&format!("The key {} seals now.\n", sealing.id))?;
    // From now on a start without the new sealing key is refused.
    app.check_keys().await
}

fn print_document(name: &str) -> Result<()> {
    let document = documents().iter().find(|document| document.name == name);
    match document {
        Some(document) => print(document.yaml),
        None => {
            let names: Vec<&str> = documents().iter().map(|document| document.name).collect();
            bail!("there is no API {name:?}; there is {}", names.join(", "))
        }
    }
}

/// Asks `/readyz`; for containers, which may have no other client.
fn ask_readiness(listen: SocketAddr) -> Result<()> {
    let address = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let server = SocketAddr::new(address, listen.port());
    let patience = Duration::from_secs(5);
    let asked = || -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&server, patience)?;
        stream.set_read_timeout(Some(patience))?;
        write!(
            stream,
            "GET /readyz HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().with_context(|| format!("the server at {server} does not answer"))?;
    match answer.as_slice() {
        b"HTTP/1.1 200" => Ok(()),
        _ => bail!("the server at {server} is not ready"),
    }
}

/// A flow's error, for the operator.
fn said(error: Error) -> anyhow::Error {
    match error {
        Error::Refused(Refusal::Validation { errors }) => {
            let fields = errors
                .iter()
                .map(|error| format!("{}: {}", error.field, error.message));
            anyhow!("{}", fields.collect::<Vec<_>>().join(" "))
        }
        Error::Refused(Refusal::UserNotFound) => anyhow!("there is no account with this address"),
        Error::Refused(refusal) => anyhow!("{}", refusal.sentence()),
        Error::Fault(fault) => fault.cause,
    }
}

/// Prints to standard output; a reader who has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// One line on standard error, if anybody reads it.
fn complain(line: &str) {
    let line = line.replace(['\n', '\r'], " ");
    drop(writeln!(io::stderr(), "countersign: {line}"));
}

/// Help and version are no errors; of an error, what comes before the usage says enough.
fn misused(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        complain(&in_one_line(&text));
        return ExitCode::from(2);
    }
    drop(print(&text));
    ExitCode::SUCCESS
}

/// The first paragraph of clap's message, and its tip.
fn in_one_line(text: &str) -> String {
    let lines = || text.lines().map(str::trim);
    let first: Vec<&str> = lines().take_while(|line| !line.is_empty()).collect();
    let first = first.join(" ");
    let what = first.strip_prefix("error: ").unwrap_or(&first);
    match lines().find_map(|line| line.strip_prefix("tip: ")) {
        Some(tip) => format!("{what} ({tip})"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{command, in_one_line, must_exist, password_of, settings};
    use crate::config::DatabaseUrl;

    fn refused(arguments: &[&str]) -> String {
        let arguments = std::iter::once(&"countersign").chain(arguments);
        let refused = command().try_get_matches_from(arguments);
        in_one_line(&refused.expect_err("refused").render().to_string())
    }

    #[test]
    fn what_is_wrong_is_told_in_one_whole_line() {
        assert_eq!(
            refused(&["user", "create"]),
            "the following required arguments were not provided: --email <email>"
        );
        let unknown = refused(&["user", "unlok"]);
        assert!(
            unknown.contains("'unlok'") && unknown.contains("'unlock'"),
            "{unknown}"
        );
        for help in [&["help"][..], &["help", "user"], &["user", "--help"]] {
            assert!(
                refused(help).contains("Usage:")
                    || refused(help).starts_with("Self-hosted")
                    || refused(help).starts_with("Help"),
                "{}",
                refused(help)
            );
        }
    }

    #[test]
    fn nobody_is_helped_in_the_wrong_folder() {
        let nowhere = DatabaseUrl::Sqlite("/nonexistent/countersign.db".into());
        let told = must_exist(&nowhere).expect_err("refused").to_string();
        assert!(
            told.contains("no database at /nonexistent/countersign.db"),
            "{told}"
        );
    }

    fn listen(arguments: &[&str]) -> String {
        let arguments = std::iter::once(&"countersign").chain(arguments);
        let matches = command()
            .try_get_matches_from(arguments)
            .expect("understood");
        let mut innermost = &matches;
        while let Some((_, inner)) = innermost.subcommand() {
            innermost = inner;
        }
        settings(innermost).expect("allowed").listen.to_string()
    }

    #[test]
    fn the_commands_are_sound_and_flags_count_wherever_they_stand() {
        command().debug_assert();
        assert_eq!(listen(&[]), "127.0.0.1:8080");
        assert_eq!(listen(&["--listen", "127.0.0.1:1"]), "127.0.0.1:1");
        assert_eq!(listen(&["serve", "--listen", "127.0.0.1:1"]), "127.0.0.1:1");
        assert_eq!(
            listen(&[
                "--listen=127.0.0.1:1",
                "user",
                "unlock",
                "--email",
                "a@example.com"
            ]),
            "127.0.0.1:1"
        );
        assert_eq!(
            listen(&[
                "user",
                "--listen=127.0.0.1:1",
                "unlock",
                "--email",
                "a@example.com"
            ]),
            "127.0.0.1:1"
        );
        for wrong in [&["user", "unlock"][..], &["--listn=x"]] {
            let arguments = std::iter::once(&"countersign").chain(wrong);
            assert!(command().try_get_matches_from(arguments).is_err());
        }
    }

    #[test]
    fn a_line_is_a_password_whatever_system_wrote_it() {
        for line in ["a b ", "a b \n", "a b \r\n", "\u{feff}a b \r\n"] {
            assert_eq!(password_of(line), "a b ");
        }
    }
}
