//! Texts for users: the settings match the code, and what README.md, GUIDE.md and
//! OPERATING.md show works.
//!
//! Their TypeScript is run by the tests of that SDK.

use contract_tests::page::{Reader, blocks};
use contract_tests::tests;
use countersign::config;

const README: &str = include_str!("../../README.md");
const GUIDE: &str = include_str!("../../GUIDE.md");
const OPERATING: &str = include_str!("../../server/OPERATING.md");
const EXAMPLE: &str = include_str!("../../sdk/rust/examples/sandbox.rs");
const CARGO: &str = include_str!("../../.cargo/config.toml");

/// The Rust programs of the pages; `build.rs` takes them out.
#[expect(clippy::wildcard_imports, reason = "the pages' programs are short")]
mod programs {
    pub mod readme {
        include!(concat!(env!("OUT_DIR"), "/readme.rs"));
    }
    pub mod guide {
        include!(concat!(env!("OUT_DIR"), "/guide.rs"));
    }
}

tests! {
    on_sqlite:
    the_settings_are_the_codes,
    the_readmes_examples_work,
    the_readmes_program_is_the_sdks_example,
    the_guides_examples_work needs Oathtool,
    an_operators_commands_work,
}

async fn the_settings_are_the_codes() {
    let begin = "<!-- settings: a test compares this table with the code -->\n";
    let (_, rest) = OPERATING.split_once(begin).expect("the begin of the table");
    let (table, _) = rest
        .split_once("<!-- /settings -->")
        .expect("the end of the table");
    let code = config::table();
    let (told, code): (Vec<&str>, Vec<&str>) = (
        table.trim().lines().collect(),
        code.trim().lines().collect(),
    );
    let why = "put what `countersign settings` prints into server/OPERATING.md";
    for (in_file, in_code) in told.iter().zip(&code) {
        assert_eq!(in_file, in_code, "{why}");
    }
    assert_eq!(told.len(), code.len(), "{why}");
}

/// All of its shell blocks and its Rust program, word for word but for the port. Cargo has built the
/// server already, and all tests are what runs this one.
async fn the_readmes_examples_work() {
    let [commands, sandbox, curl] = blocks(README, "sh")[..] else {
        panic!("a block that nothing runs")
    };
    let (server, all_tests) = commands.split_once('\n').expect("two commands");
    let mut reader = Reader::new();
    reader.serve(server).await;
    reader.stop().await;
    assert!(CARGO.contains("xtask = "));
    assert_eq!(reader.run(&[all_tests]).await, "all tests\n");

    reader.serve(sandbox).await;
    for _again in 0..2 {
        let said = reader.run(&[curl]).await;
        assert!(said.contains("\"email\":\"authenticator@example.com\""));
        assert!(said.contains("\"acr\":\"aal2\""), "{said}");
    }
    let signed_in = programs::readme::program_0::run(&reader.url()).await;
    signed_in.expect("a sign-in");
    assert_eq!(blocks(README, "rust").len(), 1);
    reader.stop().await;
}

async fn the_readmes_program_is_the_sdks_example() {
    assert!(EXAMPLE.ends_with(blocks(README, "rust")[0]), "{EXAMPLE}");
}

/// All of its shell blocks and its Rust program, as above.
async fn the_guides_examples_work() {
    let [
        serve,
        functions,
        register,
        set_up,
        sign_in,
        methods,
        administrator,
        tokens,
        beside,
        sandbox,
        vendors,
    ] = blocks(GUIDE, "sh")[..]
    else {
        panic!("a block that nothing runs")
    };
    assert!(
        functions.contains("--fail-with-body"),
        "failures go unnoticed"
    );
    let mut reader = Reader::new();
    reader.serve(serve).await;
    let real = [
        functions,
        register,
        set_up,
        sign_in,
        methods,
        administrator,
        tokens,
    ];
    signs_in_and_manages(&reader, &real).await;
    let said = reader.run(&[beside]).await;
    assert!(said.contains("authenticator@example.com"), "{said}");
    reader.serve(sandbox).await;
    signs_in_by_vendors_apis(&reader, &[functions, vendors]).await;
    the_guides_programs_run(&reader).await;
    reader.stop().await;
}

/// Runs the guide's commands for a real server.
async fn signs_in_and_manages(reader: &Reader, blocks: &[&str]) {
    let said = reader.run(blocks).await;
    for told in [
        "\"acr\":\"aal2\"",
        "\"recoveryCodesRemaining\":9",
        "\"method\":\"email\"",
        "\"remaining\":9",
        "\"valid\":true",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
}

/// Runs the guide's commands for the vendors' APIs.
async fn signs_in_by_vendors_apis(reader: &Reader, blocks: &[&str]) {
    let said = reader.run(blocks).await;
    for token in [
        "\"token\":\"",
        "\"fullAccessToken\":\"",
        "\"access_token\":\"",
    ] {
        assert!(said.contains(&format!("{token}eyJ")), "{token}: {said}");
    }
}

/// Runs the guide's programs against a sandbox.
async fn the_guides_programs_run(reader: &Reader) {
    let searched = programs::guide::program_0::run(&reader.url()).await;
    searched.expect("no way past the second factor");
    let told = programs::guide::program_1::run(&reader.url()).await;
    told.expect("a wrong code");
    assert_eq!(blocks(GUIDE, "rust").len(), 2);
}

/// The shell blocks and the settings file of OPERATING.md. Its blocks for PostgreSQL, for proxies and for
/// systemd are not run here.
async fn an_operators_commands_work() {
    let [backup, restore] = blocks(OPERATING, "sh")[..] else {
        panic!("a block that nothing runs")
    };
    let [settings] = blocks(OPERATING, "toml")[..] else {
        panic!("one file")
    };
    let create = |name: &str| {
        format!(
            "echo 'eight clever foxes in a row' | countersign user create --email {name}@example.com\n"
        )
    };
    let mut reader = Reader::new();
    reader.serve("countersign").await;
    reader
        .run(&[&create("before"), backup, &create("since")])
        .await;
    reader.stop().await;
    let (go_back, serve) = restore.split_once('\n').expect("two commands");
    reader.run(&[go_back]).await;
    reader.serve(serve).await;
    let taken = format!("! {}", create("before"));
    reader.run(&[&create("since"), &taken]).await;
    reader.stop().await;

    let file = settings.replace("/var/lib/countersign", "elsewhere");
    let write = format!("cat > countersign.toml <<'END'\n{file}END\n");
    reader.run(&[&write]).await;
    reader.serve("countersign --config countersign.toml").await;
    assert_eq!(
        reader.run(&["ls elsewhere/keys.json"]).await,
        "elsewhere/keys.json\n"
    );
    reader.stop().await;
}
