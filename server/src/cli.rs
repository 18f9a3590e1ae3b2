//! The command line: `serve` and the subcommands that help an operator.

mod arguments;
mod backup;
mod doctor;
mod keys;
mod sandbox;
mod terminal;
mod totp;
mod user;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::ArgMatches;
use clap_complete::Shell;

use crate::app::App;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{self, Settings, SettingsError};
use crate::courier;
use crate::log;
use crate::model::refusal::FieldError;
use crate::model::user::judge_address;
use crate::model::{Error, Refusal};
use crate::sandbox::all_documents;
use crate::serve;
use arguments::{QUIET, command};
use terminal::{complain, print, tell, watched};

/// The longest answer to a readiness check that is read, in bytes.
const ANSWER_MAX: u64 = 64 * 1024;

/// Does what the arguments say. An error is printed as one line on standard error. The exit code is
/// 2 for wrong arguments or settings, otherwise 1.
///
/// It starts a runtime, so it must not be called in one. The runtime starts here, since `main.rs` would compile every
/// command again.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    execute(arguments.into_iter().collect())
}

#[tokio::main(flavor = "current_thread")]
async fn execute(arguments: Vec<OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return misused(&error, &meant(&arguments)),
    };
    let ended = match matches.subcommand() {
        Some(("sandbox", inner)) => sandbox::run(inner).await,
        _ => run(&matches).await.map(|()| ExitCode::SUCCESS),
    };
    let code = match ended {
        Ok(code) => code,
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
    // A flag counts wherever it is given: clap passes the outer ones to inner subcommands.
    let mut path = Vec::new();
    let mut innermost = matches;
    while let Some((name, inner)) = innermost.subcommand() {
        path.push(name);
        innermost = inner;
    }
    match path.as_slice() {
        ["openapi"] => return print_document(text(innermost, "name")?),
        ["settings"] => return print(&config::table()),
        ["completions"] => return print_completions(innermost),
        ["totp", "enrol"] => return totp::enrol(innermost).await,
        _ => {}
    }
    let mut settings = settings(innermost)?;
    if innermost.get_flag(QUIET) {
        terminal::be_quiet();
        "warn".clone_into(&mut settings.log_filter);
    }
    if path == ["healthcheck"] {
        return ask_readiness(settings.listen);
    }
    start_log(&settings);
    match path.as_slice() {
        ["doctor"] => return doctor::examine(settings).await,
        ["backup"] => return backup::back_up(&settings, innermost),
        ["restore"] => return backup::restore(&settings, innermost),
        _ => {}
    }
    match path.as_slice() {
        [] | ["serve"] => serve(settings).await,
        ["migrate"] => {
            let migrated = watched("Bringing the database up to date", || {
                App::migrate(&settings)
            });
            migrated?.iter().for_each(|made| tell(made));
            tell("The database is up to date.");
            Ok(())
        }
        ["keys", act] => {
            let app = App::open_existing(settings, Clock::System, Chance::system()).await?;
            match *act {
                "rotate" => keys::rotate(&app, innermost.get_flag("revoke")).await,
                "reseal" => keys::reseal(&app).await,
                "retire" => keys::retire(&app).await,
                unknown => bail!("{unknown:?} is not a subcommand of keys"),
            }
        }
        ["user", "create"] => {
            // Check the address before anything is created.
            judge_address(text(innermost, "email")?).map_err(|refusal| said(refusal.into()))?;
            let app = App::open(settings, Clock::System, Chance::system()).await?;
            app.made().iter().for_each(|made| tell(made));
            user::help(&app, "create", innermost).await
        }
        ["user", "list"] => {
            let app = App::open_existing(settings, Clock::System, Chance::system()).await?;
            user::list(&app, innermost).await
        }
        ["user", act] => {
            let app = App::open_existing(settings, Clock::System, Chance::system()).await?;
            user::help(&app, act, innermost).await
        }
        unknown => bail!("{unknown:?} is not a subcommand"),
    }
}

/// Prints what a shell needs to complete the command line.
fn print_completions(matches: &ArgMatches) -> Result<()> {
    let shell = matches.get_one::<Shell>("shell").copied();
    let mut text = Vec::new();
    clap_complete::generate(
        shell.context("a shell is missing")?,
        &mut command(),
        "countersign",
        &mut text,
    );
    print(&String::from_utf8(text)?)
}

async fn serve(settings: Settings) -> Result<()> {
    let warnings = [settings.warnings(), courier::warnings(&settings)].concat();
    // Listen first: if that fails, nothing is created.
    let listener = serve::listen(&settings)?;
    let app = App::open(settings, Clock::System, Chance::system()).await?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    app.tell_other_url();
    serve::run(app, listener).await
}

fn settings(matches: &ArgMatches) -> Result<Settings, SettingsError> {
    Settings::load(&flags(matches), std::env::vars_os())
}

/// The settings that the command line names.
fn flags(matches: &ArgMatches) -> config::Flags {
    let given = config::rows().into_iter().filter_map(|row| {
        let text = matches.get_one::<String>(row.name)?;
        Some((row.name.to_owned(), text.clone()))
    });
    given.collect()
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> Result<&'a str> {
    let text = matches.get_one::<String>(name);
    Ok(text.with_context(|| format!("--{name} is missing"))?)
}

/// Starts the log. If that fails, the server runs without one.
fn start_log(settings: &Settings) {
    if let Err(error) = log::start(settings) {
        complain(&format!("the log could not be started: {error:#}"));
    }
}

fn print_document(name: &str) -> Result<()> {
    let document = all_documents()
        .iter()
        .find(|document| document.name == name);
    match document {
        Some(document) => print(document.strict.yaml),
        None => {
            let names: Vec<&str> = all_documents()
                .iter()
                .map(|document| document.name)
                .collect();
            bail!(
                "there is no API {name:?}: choose one of {}",
                names.join(", ")
            )
        }
    }
}

/// Asks `/readyz`, for containers that may have no other client. A degraded server counts as ready,
/// and the reason is printed.
fn ask_readiness(listen: SocketAddr) -> Result<()> {
    let address = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let server = SocketAddr::new(address, listen.port());
    // `/readyz` reports an unresponsive database after five seconds.
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
        .with_context(|| {
        format!("the server at {server} (setting listen, flag --listen) does not answer: check that it runs and listens there")
    })?;
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

/// Turns a flow's error into one for the operator.
fn said(error: Error) -> anyhow::Error {
    match error {
        Error::Refused(Refusal::Validation { errors }) => {
            let sentence = |error: &FieldError| match error.field.as_str() {
                // The password is not a flag, and its sentences mention it.
                "password" => error.message.to_string(),
                flag => format!("--{flag}: {}", error.message),
            };
            anyhow!(
                "{}",
                errors.iter().map(sentence).collect::<Vec<_>>().join(" ")
            )
        }
        Error::Refused(refusal) => anyhow!("{}", refusal.sentence()),
        Error::Fault(fault) => fault.cause,
    }
}

/// Prints help and version, which are not errors. Of an error, prints only what precedes the usage.
fn misused(error: &clap::Error, command: &str) -> ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        complain(&in_one_line(&text, command));
        return ExitCode::from(2);
    }
    let shown = if log::in_colour(&io::stdout()) {
        error.render().ansi().to_string()
    } else {
        text
    };
    drop(print(&shown));
    ExitCode::SUCCESS
}

/// Returns the first paragraph of clap's message, its tip, and the command that shows more.
fn in_one_line(text: &str, command: &str) -> String {
    let lines = || text.lines().map(str::trim);
    let first: Vec<&str> = lines().take_while(|line| !line.is_empty()).collect();
    let first = first.join(" ");
    let what = first.strip_prefix("error: ").unwrap_or(&first);
    let tip = lines().find_map(|line| line.strip_prefix("tip: "));
    let tip = tip.map_or_else(String::new, |tip| format!(" ({tip})"));
    format!("{what}{tip}: see `{command} --help`")
}

/// Returns the subcommand that the arguments name, as far as it exists. Its help is the useful one.
fn meant(arguments: &[OsString]) -> String {
    let mut path = "countersign".to_owned();
    let mut command = command();
    for argument in arguments.iter().skip(1) {
        if let Some(inner) = command.find_subcommand(argument).cloned() {
            path.push(' ');
            path.push_str(inner.get_name());
            command = inner;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{command, in_one_line, meant, settings};

    fn refused(arguments: &[&str]) -> String {
        let arguments = std::iter::once(&"countersign").chain(arguments);
        let arguments: Vec<OsString> = arguments.map(OsString::from).collect();
        let refused = command().try_get_matches_from(&arguments);
        let text = refused.expect_err("refused").render().to_string();
        in_one_line(&text, &meant(&arguments))
    }

    #[test]
    fn what_is_wrong_is_told_in_one_whole_line() {
        assert_eq!(
            refused(&["user", "create"]),
            "the following required arguments were not provided: --email <ADDRESS>: see `countersign user create --help`"
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
                    || refused(help).starts_with("List, create"),
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
}
