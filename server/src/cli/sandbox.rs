//! `sandbox`: serves with nothing to set up, and keeps nothing.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::Result;
use clap::ArgMatches;

use super::{flags, start_log};
use crate::config::Settings;
use crate::sandbox::{SEED, Sandbox};
use crate::serve;

/// What is logged beside a command, whose output is what counts.
const QUIET: &str = "warn,actix_server=off";

/// Serves, or runs a command beside the server; its exit status.
pub(super) async fn run(matches: &ArgMatches) -> Result<ExitCode> {
    let folder = Sandbox::folder()?;
    let chosen = Settings::for_sandbox(&flags(matches), std::env::vars_os(), folder.path())?;
    let mut settings = chosen.settings;
    let command = matches.get_one::<String>("exec").map(String::as_str);
    if command.is_some() {
        if !chosen.logs_as_told {
            QUIET.clone_into(&mut settings.log_filter);
        }
        if !chosen.listens_as_told {
            settings.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        }
    }
    start_log(&settings);
    let listener = serve::listen(&settings)?;
    heard_at(&mut settings, &listener, chosen.known_as_told)?;
    if !settings.listen.ip().is_loopback() {
        tracing::warn!(
            listen = %settings.listen,
            "the sandbox is open to other machines: whoever reaches it can read every code and sign in as anybody"
        );
    }
    let seed = matches.get_one::<u64>("seed").copied().unwrap_or(SEED);
    let sandbox = serve::sandbox::open(settings, folder, seed).await?;
    serve::sandbox::run(&sandbox, listener, command).await
}

/// Notes the port, where any free one was asked for.
fn heard_at(settings: &mut Settings, listener: &TcpListener, known_as_told: bool) -> Result<()> {
    settings.listen = listener.local_addr()?;
    if !known_as_told {
        settings.public_url = format!("http://localhost:{}", settings.listen.port());
    }
    Ok(())
}
