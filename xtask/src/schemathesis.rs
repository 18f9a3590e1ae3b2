//! `cargo xtask schemathesis`: sends generated requests, good and bad, to a running server and
//! compares the answers with the spec.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::documents::documents;
use crate::openapi::{Operation, operations};
use crate::server::Server;
use crate::{process, tools, workspace};

/// Raises limits: the run looks for undocumented answers, and each 429 hides one.
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

/// Adds 413 to the statuses that its check of bad bodies accepts: a text that is too long may make
/// the whole body too large.
const CONFIG: &str = "[checks]
negative_data_rejection.expected-statuses = [\"400\", \"401\", \"403\", \"404\", \"405\", \"406\", \"409\", \"413\", \"415\", \"422\", \"428\", \"429\", \"5xx\"]
";

const PASSWORD: &str = "a password for a throwaway server";

/// Operations that end, or may end, the session they are called in. They run last.
const LAST: [&str; 6] = [
    "deleteUser",
    "deleteUserV81",
    "logout",
    "resetMfa",
    "updateUser",
    "updateUserV81",
];

/// Runs schemathesis for each document, each with its own administrator: first everything that does
/// not end the session, then the rest. Operations that accept unfinished sign-ins get some.
///
/// # Errors
///
/// Fails if schemathesis is missing, the server does not start, or an answer is not as documented.
pub fn run() -> Result<()> {
    let tool = tools::python_tool("schemathesis")?;
    let server = Server::start(&SETTINGS)?;
    let config = server.scratch().join("schemathesis.toml");
    std::fs::write(&config, CONFIG).with_context(|| format!("{}", config.display()))?;
    // The sandbox's document belongs to a server of another kind.
    let everywhere = documents()?.into_iter().filter(|one| one.name != "sandbox");
    for document in everywhere {
        let name = &document.name;
        println!("schemathesis: openapi/{name}.yaml");
        let email = format!("{name}@example.com");
        let tokens = server.register(&email, PASSWORD).context("registering")?;
        server
            .command(&["user", "promote", "--email", &email])
            .context("making an administrator")?;
        let token = tokens["accessToken"]
            .as_str()
            .context("the answer carries no accessToken")?;
        let last: Vec<String> = operations(&document.spec)
            .iter()
            .filter_map(|operation| operation.object["operationId"].as_str())
            .filter(|id| LAST.contains(id))
            .map(str::to_owned)
            .collect();
        check(
            &tool,
            &server,
            name,
            token,
            ("--exclude-operation-id", &last),
        )?;
        if !last.is_empty() {
            check(
                &tool,
                &server,
                name,
                token,
                ("--include-operation-id", &last),
            )?;
        }
        let waiting = taking_an_unfinished_sign_in(&document.spec);
        if !waiting.is_empty() {
            check_waiting(&tool, &server, name, &waiting)?;
        }
    }
    Ok(())
}

/// Returns the operations that accept an unfinished sign-in, except those that end it.
fn taking_an_unfinished_sign_in(spec: &Value) -> Vec<String> {
    let takes = |operation: &Operation<'_>| {
        let security = operation.object["security"].as_array();
        let mut alternatives = security.into_iter().flatten();
        alternatives.any(|one| one.get("pendingAuth").is_some())
    };
    let taking = operations(spec).into_iter().filter(takes);
    taking
        .filter_map(|operation| operation.object["operationId"].as_str())
        .filter(|id| !LAST.contains(id))
        .map(str::to_owned)
        .collect()
}

/// Runs each of these operations with its own sign-in as the bearer. Wrong codes use it up, and
/// some operations refuse an access token before they check anything else.
fn check_waiting(tool: &Path, server: &Server, name: &str, waiting: &[String]) -> Result<()> {
    let email = format!("{name}-waiting@example.com");
    let tokens = server.register(&email, PASSWORD).context("registering")?;
    let token = tokens["accessToken"]
        .as_str()
        .context("the answer carries no accessToken")?;
    server
        .enable_authenticator(token, PASSWORD)
        .context("turning an authenticator on")?;
    for id in waiting {
        println!("schemathesis: openapi/{name}.yaml, {id} with an unfinished sign-in");
        let reference = server
            .begin_sign_in(&email, PASSWORD)
            .context("beginning to sign in")?;
        let only = std::slice::from_ref(id);
        check(
            tool,
            server,
            name,
            &reference,
            ("--include-operation-id", only),
        )?;
    }
    Ok(())
}

/// Runs schemathesis over the operations that `choice` leaves.
fn check(
    tool: &Path,
    server: &Server,
    name: &str,
    token: &str,
    (choice, ids): (&str, &[String]),
) -> Result<()> {
    let mut command = Command::new(tool);
    command
        .current_dir(server.scratch())
        .arg("run")
        .arg(workspace::root().join(format!("openapi/{name}.yaml")))
        .args(["--url", &server.url])
        .args(ids.iter().flat_map(|id| [choice, id.as_str()]))
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args([
            "--phases",
            "examples,coverage,fuzzing,stateful",
            "--max-examples",
            "25",
            "--seed",
            "1",
        ])
        // A body that fits the schema may still have a wrong code or an unknown token. It is then
        // 400 by design, and the warnings complain about that as well.
        .args([
            "--exclude-checks",
            "positive_data_acceptance",
            "--warnings",
            "off",
        ]);
    process::run_hiding(&mut command, token)
        .with_context(|| format!("the server's log:\n{}", server.log()))
}
