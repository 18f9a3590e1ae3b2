//! `cargo xtask schemathesis`: generated requests, good and bad, against a running server, held against the spec.

use std::process::Command;

use anyhow::{Context, Result};

use crate::server::Server;
use crate::{process, tools, workspace};

/// Limits far out of the way: what is looked for are undocumented answers, and each 429 hides one.
const SETTINGS: [(&str, &str); 14] = [
    ("ACCESS_TOKEN_SECONDS", "3600"),
    ("API_KEYS_PER_USER", "100"),
    ("CODE_MAILS_PER_DAY", "240"),
    ("CODE_MAILS_PER_HOUR", "60"),
    ("COURIER_QUEUE", "1000000"),
    ("FRESH_FOR_ADMINISTRATION_SECONDS", "3600"),
    ("FRESH_FOR_FACTORS_SECONDS", "3600"),
    ("HARD_LIMIT", "100"),
    ("HASH_QUEUE", "1024"),
    ("LOG_FILTER", "warn"),
    ("MAIL_CALLS_PER_SOURCE", "100000"),
    ("PASSWORD_FREE_TRIES", "20"),
    ("REGISTRATION_MAILS_PER_HOUR", "20"),
    ("SOFT_LIMIT", "20"),
];

/// The person whose token opens the secured operations.
const EMAIL: &str = "schemathesis@example.com";
const PASSWORD: &str = "a password for a throwaway server";

/// Runs schemathesis: first everything but signing out, which would end the session, then signing out.
///
/// # Errors
///
/// When schemathesis is missing, the server does not start, or an answer is not as documented.
pub fn run() -> Result<()> {
    let tool = tools::python_tool("schemathesis")?;
    let server = Server::start(&SETTINGS)?;
    let tokens = server.register(EMAIL, PASSWORD).context("registering")?;
    server
        .command(&["user", "promote", "--email", EMAIL])
        .context("making an administrator")?;
    let token = tokens["accessToken"]
        .as_str()
        .context("the answer carries no accessToken")?;
    for choice in ["--exclude-operation-id", "--include-operation-id"] {
        let mut command = Command::new(&tool);
        command
            .current_dir(server.scratch())
            .arg("run")
            .arg(workspace::root().join("openapi/identity.yaml"))
            .args(["--url", &server.url, choice, "logout"])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args([
                "--phases",
                "examples,coverage,fuzzing",
                "--max-examples",
                "25",
                "--seed",
                "1",
            ])
            // A body that fits the schema may still carry a wrong code or an unknown token: 400 by design, which the
            // warnings complain of as well.
            .args([
                "--exclude-checks",
                "positive_data_acceptance",
                "--warnings",
                "off",
            ]);
        process::run_hiding(&mut command, token)
            .with_context(|| format!("the server's log:\n{}", server.log()))?;
    }
    Ok(())
}
