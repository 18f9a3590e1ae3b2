//! `cargo xtask …`: the tasks and checks of this workspace, each in a module of its own.

mod bench;
mod ci;
mod compat;
mod dependencies;
mod documents;
mod drift;
mod generators;
mod lenient;
mod linters;
mod migrations;
#[cfg(test)]
mod mutation;
mod openapi;
mod package;
mod process;
mod released;
mod schemathesis;
mod sdk;
mod semver;
mod server;
mod test;
mod tools;
mod typescript;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Tasks and checks of the Countersign workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measures the server against the limits of its parts: rates, times, memory, start. Or counts
    /// its instructions.
    Bench(bench::Sizes),
    /// Runs every check, exactly as CI does.
    Ci,
    /// Compares the documents in openapi/ with those of the last release: its clients must keep
    /// working.
    Compat,
    /// Compares the documents in openapi/ with the document made from the server's code, and checks
    /// the house rules.
    Drift,
    /// Makes a client with each generator from each document, lets it sign in, and writes the
    /// results to openapi/GENERATORS.md.
    Generators {
        /// Writes nothing; fails if openapi/GENERATORS.md disagrees with the results.
        #[arg(long)]
        check: bool,
        /// Tries only the generators whose names contain this, and writes nothing.
        #[arg(long)]
        only: Option<String>,
        /// Tries the few that CI tries, which need neither Java nor Go, compares
        /// openapi/GENERATORS.md with them, and names all others.
        #[arg(long, conflicts_with_all = ["check", "only"])]
        few: bool,
    },
    /// Checks the documents in openapi/ with the rules of Redocly's linter and of Spectral.
    Linters,
    /// Checks that the migrations of both databases match, and runs SQLite's up, down and up.
    Migrations,
    /// Makes the lenient twins of the documents in openapi/.
    Openapi {
        /// Writes nothing; fails if a twin is not up to date.
        #[arg(long)]
        check: bool,
    },
    /// Packs the Rust SDK as for a release, and checks the archive.
    Package,
    /// Lets the Rust SDK of the last release sign in to this server, and this SDK to the mocks of
    /// that release.
    Released,
    /// Sends generated requests to a running server and compares the answers with the spec.
    Schemathesis,
    /// Writes the generated part of the SDKs.
    Sdk {
        /// Writes nothing; fails if a generated file is not up to date.
        #[arg(long)]
        check: bool,
    },
    /// Checks licences and sources of all crates, crates that are there in two versions, and dependencies that nobody
    /// uses.
    Dependencies,
    /// Compares the Rust SDK's public API with that of the last release: the version in Cargo.toml
    /// must allow the difference.
    Semver,
    /// Installs what the tests need and runs them all, on SQLite and on PostgreSQL; then every
    /// other check of the server against the documents: drift, the lenient twins, the last release,
    /// the SDKs and their last release, the validator, the linters, schemathesis.
    Test {
        /// Passed to `cargo test`; only the tests run then.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Builds the TypeScript SDK, tests it against the server in Node and in Chromium, and measures its bundle.
    Typescript,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a task. Returns whether it succeeded; if not, it has already printed the reason.
fn run(task: Task) -> Result<bool> {
    match task {
        Task::Bench(sizes) => bench::run(&sizes)?,
        Task::Ci => ci::run()?,
        Task::Compat => compat::run()?,
        Task::Drift => drift::run()?,
        Task::Generators { few: true, .. } => generators::few()?,
        Task::Generators { check, only, .. } => generators::run(check, only.as_deref())?,
        Task::Linters => linters::run()?,
        Task::Migrations => migrations::run()?,
        Task::Openapi { check } => lenient::run(check)?,
        Task::Package => package::run()?,
        Task::Dependencies => dependencies::run()?,
        Task::Released => released::run()?,
        Task::Schemathesis => schemathesis::run()?,
        Task::Sdk { check } => sdk::run(check)?,
        Task::Semver => semver::run()?,
        Task::Test { arguments } if arguments.is_empty() => ci::contract()?,
        Task::Test { arguments } => return test::run(&arguments),
        Task::Typescript => typescript::check()?,
    }
    Ok(true)
}
