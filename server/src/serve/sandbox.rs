//! Serving the sandbox: the same server, which says who can sign in, and can run a command beside itself.

use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::process::{ExitCode, ExitStatus, Stdio};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::{Running, begin, door, greet, pages_at};
use crate::config::Settings;
use crate::model::kinds::FactorKind;
use crate::sandbox::all_documents;
use crate::sandbox::catalogue::Catalogue;
use crate::sandbox::{PASSWORD, Person, Sandbox};
use tempfile::TempDir;

/// What the command finds the server by.
const URL: &str = "COUNTERSIGN_URL";

/// Makes a sandbox that knows all documents; see [`Sandbox::open`].
///
/// # Errors
/// As there.
pub async fn open(settings: Settings, folder: TempDir, seed: u64) -> anyhow::Result<Sandbox> {
    let texts = all_documents().iter();
    let texts = texts.map(|document| (document.name, document.strict.json));
    Sandbox::open(settings, folder, seed, Catalogue::new(texts)).await
}

/// Serves on a listener with one thread, as [`super::start`] does.
///
/// # Errors
/// When the listener cannot be used.
pub async fn start(sandbox: &Sandbox, listener: TcpListener) -> anyhow::Result<Running> {
    begin(sandbox.app(), Some(sandbox), listener, 1)
}

/// Serves until told to stop; with a command until that ends, whose exit status it then has.
///
/// # Errors
/// When the listener or the command cannot be used, or the server ends by itself.
pub async fn run(
    sandbox: &Sandbox,
    listener: TcpListener,
    command: Option<&str>,
) -> anyhow::Result<ExitCode> {
    door::open_all_doors();
    let mut terminate = signal(SignalKind::terminate())?;
    // The terminal was closed: the folder must go as well.
    let mut hang_up = signal(SignalKind::hangup())?;
    let threads = sandbox.app().ctx().settings.http_threads as usize;
    let mut running = begin(sandbox.app(), Some(sandbox), listener, threads)?;
    if command.is_none() {
        greet(greeting(sandbox, running.address));
    }
    let beside = async {
        match command {
            Some(command) => until_it_ends(command, &sandbox.app().ctx().settings.public_url).await,
            None => std::future::pending().await,
        }
    };
    let code = tokio::select! {
        ended = &mut running.serving => {
            running.end_tasks().await;
            return ended?.map(|()| ExitCode::SUCCESS).context("the server ended");
        }
        ended = beside => ended,
        _ = terminate.recv() => Ok(stopped(command)),
        _ = hang_up.recv() => Ok(stopped(command)),
        pressed = tokio::signal::ctrl_c() => pressed.map(|()| stopped(command)).map_err(Into::into),
    };
    running.stop().await;
    code
}

/// A command that was stopped with the sandbox did not end well.
const fn stopped(command: Option<&str>) -> ExitCode {
    match command {
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

/// Runs a command line; its exit status.
async fn until_it_ends(command: &str, url: &str) -> anyhow::Result<ExitCode> {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", command])
        .env(URL, url)
        .stdin(Stdio::inherit())
        .kill_on_drop(true);
    // A group of its own can be ended as a whole, with all that the command has started. At a terminal, where
    // Ctrl-C reaches all of them anyway, such a group could not read what is typed.
    let own_group = !std::io::stdin().is_terminal();
    if own_group {
        shell.process_group(0);
    }
    let mut running = shell.spawn().context("the command cannot be run")?;
    let _group = own_group.then(|| Group::of(&running)).flatten();
    let ended = running.wait().await;
    ended.map(code_of).context("the command cannot be run")
}

/// The processes of a command. They are told to end when this is dropped.
struct Group(Pid);

impl Group {
    fn of(leader: &Child) -> Option<Self> {
        let leader = i32::try_from(leader.id()?).ok()?;
        Pid::from_raw(leader).map(Self)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Usually nobody is left.
        let _gone = kill_process_group(self.0, Signal::TERM);
    }
}

/// The exit status as shells tell it: one that a signal ended has 128 and the signal's number.
fn code_of(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;

    let signal = || status.signal().map(|signal| 128 + signal);
    let code = status.code().or_else(signal).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Where everything is, and who can sign in.
fn greeting(sandbox: &Sandbox, address: SocketAddr) -> String {
    let url = &sandbox.app().ctx().settings.public_url;
    let mut lines = vec![format!(
        "Countersign sandbox, listening on {address} (seed {}; all data is deleted when it stops)",
        sandbox.seed()
    )];
    if sandbox.app().ctx().settings.pages {
        lines.push(format!("  Pages     {}", pages_at(url)));
    }
    for document in all_documents() {
        lines.push(format!("  API       {url}/openapi/{}.yaml", document.name));
    }
    lines.push(format!("  Swagger   {url}/swagger-ui/"));
    lines.push(format!(
        "  Mail, SMS in the panel of Swagger, or: curl '{url}/sandbox/messages?wait=10'"
    ));
    lines.push(format!(
        "  Clock     curl -X POST {url}/sandbox/clock/advance -H 'Content-Type: application/json' -d '{{\"seconds\": 600}}'"
    ));
    lines.push(format!(
        "  Issuer    {}",
        sandbox.app().ctx().settings.issuer()
    ));
    lines.push(format!(
        "\nWho can sign in, all with the password \"{PASSWORD}\":"
    ));
    for person in sandbox.people() {
        lines.extend(introduced(&person));
    }
    lines.push(format!(
        "\nA phone shows the right codes until you move the clock. Without a phone, and after that:\n  \
         curl -X POST {url}/sandbox/authenticator-code -H 'Content-Type: application/json' -d '{{\"email\": \"authenticator@example.com\"}}'"
    ));
    lines.push("\nStop with Ctrl-C.\n".to_owned());
    lines.join("\n")
}

/// A line for somebody, and one for each secret.
fn introduced(person: &Person) -> Vec<String> {
    let wish = &person.wish;
    let mut lines = vec![format!("  {:<27} {}", wish.email, wish.about)];
    let mut secret = |what: &str, value: &str| {
        lines.push(format!("  {:<27}   {what}: {value}", ""));
    };
    if let Some(app) = &person.secret {
        secret("secret of the app", app);
    }
    if wish.methods.contains(&FactorKind::Sms) {
        secret("number", &wish.phone);
    }
    if let Some(code) = person.recovery_codes.first() {
        secret("a recovery code", code);
    }
    lines
}
