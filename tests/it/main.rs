//! The contract tests. Each uses a real server, real HTTP, real mail and a held clock, and checks
//! each answer against the contract.
//!
//! A module names its tests with `tests!`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod account_data;
mod account_email;
mod account_email_undo;
mod account_mailbox;
mod account_password;
mod account_reset;
mod account_sessions;
mod across;
mod at_once;
mod bounds;
mod budgets;
mod clocks;
mod commands;
mod complaints;
mod courier;
mod crossing;
mod doors;
mod ends;
mod enforced;
mod faults;
mod fitting;
mod flashback;
mod flashback_accounts;
mod flashback_client;
mod flashback_faults;
mod flashback_limits;
mod flashback_mfa;
mod flashback_organisations;
mod flashback_passkeys;
mod flashback_sign_in;
mod flashback_texts;
mod forgetting;
mod guessing;
#[cfg(target_os = "linux")]
mod half_open;
mod health;
mod held;
mod inputs;
mod key_lists;
mod keys;
mod keys_file;
mod logs;
mod machine;
mod mails;
mod names;
mod native_enforced;
mod native_links;
mod native_methods;
mod native_passkeys;
mod native_recovery;
mod native_sms;
mod native_step_up;
mod netevia;
mod netevia_admin;
mod netevia_auth;
mod netevia_codes;
mod netevia_faults;
mod netevia_references;
mod netevia_settings;
mod nul;
mod operator;
mod outbox;
mod page_clients;
mod pages;
mod pages_account;
mod pages_looks;
mod pages_refusals;
mod pages_sign_in;
mod passkeys;
mod passkeys_browser;
mod passkeys_forged;
mod passkeys_made;
mod passkeys_sdk;
mod passkeys_sent;
mod passwords;
mod paths;
mod poolers;
mod proof;
mod races;
mod rate_limits;
mod readme;
mod recovering;
mod registration;
mod replay;
mod resealing;
mod restoring;
mod sandbox;
mod sandbox_apart;
mod sandbox_errors;
mod sandbox_fixtures;
mod schemas;
mod scripts;
mod sdk;
mod sealing;
mod secrets;
mod secured;
mod served;
mod serving;
mod sessions;
mod sign_in;
mod sms_limits;
mod sources;
mod starting;
mod starts;
mod steps;
mod stolen;
mod stopping;
mod strangers;
mod swagger;
mod switching;
mod synswi;
mod terminal;
mod testkit;
mod texts;
mod try_it;
mod turning;
mod typed;
mod unsent;
mod validating;
mod veeam;
mod veeam_clients;
mod veeam_faults;
mod veeam_lists;
mod veeam_mfa;
mod veeam_scratch;
mod veeam_sign_out;
mod veeam_token;
mod veeam_users;
mod veeam_v8_1;
mod veeam_versions;
mod walk;
mod warm;

use std::process::ExitCode;

use contract_tests::{process, suite};

/// Returns this machine as a trusted proxy, so that a test can call from any address.
fn loopback() -> Vec<ipnet::IpNet> {
    vec!["127.0.0.0/8".parse().expect("a network")]
}

/// Returns six digits that differ from this code.
fn other_than(code: &str) -> &'static str {
    if code == "271828" { "314159" } else { "271828" }
}

fn main() -> ExitCode {
    match process::as_countersign() {
        Some(code) => code,
        None => suite::main(include_str!("unexercised.txt")).exit_code(),
    }
}
