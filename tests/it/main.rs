//! The contract tests: each a real server, real HTTP, real mail, a held clock; each answer held to the contract.
//!
//! A module names its tests with `tests!`; add a new module to the list below.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use contract_tests::suite;

/// Lists the modules, once.
macro_rules! modules {
    ($($module:ident),+ $(,)?) => {
        $(mod $module;)+

        fn all() -> Vec<contract_tests::Test> {
            [$($module::tests()),+].into_iter().flatten().collect()
        }
    };
}

modules! {
    courier,
    faults,
    guessing,
    inputs,
    keys,
    keys_file,
    mails,
    paths,
    operator,
    passwords,
    races,
    readme,
    registration,
    replay,
    secrets,
    secured,
    sessions,
    sign_in,
    steps,
    stopping,
    swagger,
    validating,
}

/// This machine as a trusted proxy, so that a test can come from wherever it likes.
fn loopback() -> Vec<ipnet::IpNet> {
    vec!["127.0.0.0/8".parse().expect("a network")]
}

/// Six digits that are not this code.
fn other_than(code: &str) -> &'static str {
    if code == "271828" { "314159" } else { "271828" }
}

fn main() {
    suite::main(all(), include_str!("unexercised.txt")).exit();
}
