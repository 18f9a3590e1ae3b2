//! The command line: `serve` and the subcommands that help an operator.

mod arguments;
mod backup;
mod keys;

use std::ffi::OsString;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::ArgMatches;
use uuid::Uuid;

use crate::api::documents;
use crate::app::{App, Ctx};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{self, Settings, SettingsError};
use crate::courier;
use crate::flow::admin;
use crate::log;
use crate::model::ids::Id;
use crate::model::kinds::{OrganisationRole, Role};
use crate::model::{Error, Refusal, Secret, typed};
use crate::outcome::Person;
use crate::serve;
use arguments::command;

/// The longest password that is read from standard input, in bytes.
const PASSWORD_MAX: u64 = 4096;

/// The longest answer of a server that is asked for its readiness, in bytes.
const ANSWER_MAX: u64 = 64 * 1024;

/// Does what the arguments say. Whatever stops it is one line on standard error; the exit code is 2
/// when arguments or settings are wrong, else 1.
pub async fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return misused(&error),
    };
    let code = match run(&matches).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            if error.is::<SettingsError>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    };
    log::finish();
    code
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
    start_log(&settings);
    match path.as_slice() {
        ["backup"] => return backup::back_up(&settings, innermost),
        ["restore"] => return backup::restore(&settings, innermost),
        _ => {}
    }
    match path.as_slice() {
        [] | ["serve"] => serve(settings).await,
        ["migrate"] => {
            App::migrate(&settings)?.iter().for_each(|made| tell(made));
            tell("The database is up to date.");
            Ok(())
        }
        ["keys", act] => {
            let app = App::open_existing(settings, Clock::System, Chance::system()).await?;
            match *act {
                "rotate" => keys::rotate(&app, innermost.get_flag("revoke")).await,
                "reseal" => keys::reseal(&app).await,
                "retire" => keys::retire(&app).await,
                unknown => bail!("{unknown:?} is no subcommand of keys"),
            }
        }
        ["user", "create"] => {
            // Before anything is made for it.
            admin::judge_address(text(innermost, "email")?).map_err(said)?;
            let app = App::open(settings, Clock::System, Chance::system()).await?;
            app.made().iter().for_each(|made| tell(made));
            help_user(&app, "create", innermost).await
        }
        ["user", act] => {
            let app = App::open_existing(settings, Clock::System, Chance::system()).await?;
            help_user(&app, act, innermost).await
        }
        unknown => bail!("{unknown:?} is no subcommand"),
    }
}

async fn serve(settings: Settings) -> Result<()> {
    let warnings = [settings.warnings(), courier::warnings(&settings)].concat();
    // First of all: who cannot listen makes nothing.
    let listener = serve::listen(&settings)?;
    let app = App::open(settings, Clock::System, Chance::system()).await?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    serve::run(app, listener).await
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

/// Without a log the server serves all the same.
fn start_log(settings: &Settings) {
    if let Err(error) = log::start(settings) {
        complain(&format!("the log could not be started: {error:#}"));
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
            // Nobody types a password for an address that cannot have an account.
            let judge = async |ctx: &Ctx| admin::judge_new_address(ctx, &email).await;
            app.call(judge).await.map_err(said)?;
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
    tell(&format!(
        "The account {email} (user-{id}, {role}) was {done}."
    ));
    Ok(())
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
    let password = password_of(&line);
    // No request can hold it, so nobody could sign in with it.
    if password.contains('\0') {
        bail!("the password holds the character U+0000");
    }
    Ok(Secret::new(password.to_owned()))
}

/// The password of a line, whatever system wrote it.
fn password_of(line: &str) -> &str {
    let line = typed::without_mark(line);
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
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

/// Asks `/readyz`; for containers, which may have no other client. What is degraded is told, and well.
fn ask_readiness(listen: SocketAddr) -> Result<()> {
    let address = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let server = SocketAddr::new(address, listen.port());
    // A database that does not answer is told after five seconds.
    let patience = Duration::from_secs(8);
    let asked = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&server, patience)?;
        stream.set_read_timeout(Some(patience))?;
        write!(
            stream,
            "GET /readyz HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = asked()
        .with_context(|| format!("the server at {server} (setting listen) does not answer"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let reason = body["reason"].as_str();
    match (head.starts_with("HTTP/1.1 200"), reason) {
        (true, None) => Ok(()),
        (true, Some(reason)) => print(&format!("The server is ready, but: {reason}\n")),
        (false, None) => bail!("the server at {server} is not ready"),
        (false, Some(reason)) => bail!("the server at {server} is not ready: {reason}"),
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

/// Prints what was asked for to standard output; a reader who has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Tells on standard output what was done; it is done, whether or not that can be told there.
fn tell(text: &str) {
    if let Err(error) = print(&format!("{text}\n")) {
        complain(&format!("{text} ({error:#})"));
    }
}

/// One line on standard error, if anybody reads it.
fn complain(line: &str) {
    let line = format!("countersign: {}", line.replace(['\n', '\r'], " "));
    if !log::say(&line) {
        drop(writeln!(io::stderr(), "{line}"));
    }
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
    use super::{command, in_one_line, password_of, settings};

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
