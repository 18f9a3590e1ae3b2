//! Texts for users: the settings match the code, and the README's first sign-in works.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use contract_tests::tests;
use countersign::app::App;
use countersign::chance::Chance;
use countersign::clock::Clock;
use countersign::config::{self, Settings};
use countersign::flow::admin;
use countersign::model::Secret;
use countersign::model::kinds::Role;
use countersign::serve;
use tokio::process::Command;

const README: &str = include_str!("../../README.md");
const OPERATING: &str = include_str!("../../server/OPERATING.md");

tests! {
    the_settings_are_the_codes,
    the_first_sign_in_signs_in needs Oathtool,
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

/// Runs the shell blocks of "With curl", of "More than one method" and of "A service that checks
/// its users' tokens". They run word for word, except for the port, in an empty folder. The server
/// has no settings but its folder and its port. A call that fails ends the script, and so does an
/// answer that lacks what the next call needs.
async fn the_first_sign_in_signs_in() {
    let blocks = [
        block("### With curl"),
        block("### More than one method"),
        block("With `$access` a user's access token"),
    ];
    assert!(
        blocks[0].contains("--fail-with-body"),
        "calls that fail go unnoticed"
    );
    let script = blocks.concat();

    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings::for_test(&folder.path().join("data")).expect("the defaults");
    let app = App::open(settings, Clock::System, Chance::system())
        .await
        .expect("an app");
    let operator = app.clone();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = serve::start(app, listener).await.expect("a server");
    let script = script.replace("localhost:8080", &server.address.to_string());
    // What the operator does in the block before the service's, with that block's password.
    let made = operator.call(async |ctx| {
        let password = Secret::new("the one you typed".to_owned());
        admin::create_user(ctx, "admin@example.com", password, Role::Administrator).await
    });
    made.await.expect("an administrator");

    let said = run(&script, folder.path()).await;
    assert!(
        said.contains("\"acr\":\"aal2\""),
        "the signed-in user: {said}"
    );
    for told in [
        "\"recoveryCodesRemaining\":9",
        "\"method\":\"email\"",
        "\"remaining\":9",
        "\"valid\":true",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    server.stop().await;
}

/// Returns the shell block of a section.
fn block(section: &str) -> &'static str {
    let (_, rest) = README.split_once(section).expect("the section");
    let (_, rest) = rest.split_once("```sh\n").expect("the begin of the block");
    rest.split_once("```").expect("the end of the block").0
}

async fn run(script: &str, folder: &Path) -> String {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-O", "inherit_errexit", "-c", script])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("bash");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the README's commands fail: {said}\n{errors}"
    );
    said
}
