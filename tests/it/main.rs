//! The contract tests: each a real server, real HTTP, real mail, a held clock; each answer held to the contract.
//!
//! A module names its tests with `tests!`; add a new module to the list below.

#![expect(
    clippy::expect_used,
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
    sign_in,
}

fn main() {
    suite::main(all(), include_str!("unexercised.txt")).exit();
}
