//! What the commands print where somebody looks: colours, nothing, and a QR code.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use contract_tests::process::{AS_COUNTERSIGN, Process};
use contract_tests::{Sandbox, json, tests};
use tokio::task::spawn_blocking;

tests! {
    on_sqlite:
    an_app_is_enrolled_by_a_code_in_the_terminal,
    only_a_sandbox_enrols_by_the_command_line,
    colours_are_for_terminals_that_want_them,
    a_quiet_command_says_nothing_when_all_went_well,
}

fn countersign(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env(AS_COUNTERSIGN, "1").args(arguments);
    command
}

/// Reads what is printed up to the secret, and returns that.
fn secret_of(child: &mut Child) -> (String, BufReader<std::process::ChildStdout>) {
    let mut lines = BufReader::new(child.stdout.take().expect("standard output"));
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).expect("a line") > 0, "no secret");
        if let Some((_, rest)) = line.split_once("type the secret ") {
            let secret = rest.split_whitespace().next().expect("a secret");
            return (secret.to_owned(), lines);
        }
        assert!(
            line.contains(['\u{2580}', '\u{2584}', '\u{2588}']),
            "{line}"
        );
    }
}

async fn an_app_is_enrolled_by_a_code_in_the_terminal() {
    let sandbox = Sandbox::start().await;
    let url = format!("http://{}", sandbox.address);
    let mut child = countersign(&["totp", "enrol", "--url", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let (mut child, secret, mut rest) = spawn_blocking(move || {
        let (secret, rest) = secret_of(&mut child);
        (child, secret, rest)
    })
    .await
    .expect("read");
    let shown = sandbox
        .post("/sandbox/authenticator-code", &json!({ "secret": secret }))
        .await
        .is(200);
    let mut typing = child.stdin.take().expect("standard input");
    writeln!(typing, "{}", shown.text("code")).expect("typed");
    let (ended, said) = spawn_blocking(move || {
        let mut said = String::new();
        rest.read_to_string(&mut said).expect("text");
        (child.wait().expect("ended"), said)
    })
    .await
    .expect("read");
    assert!(
        ended.success() && said.contains("none@example.com"),
        "{said}"
    );
    let asked = sandbox.login("none@example.com").await;
    assert_eq!(asked["mfaMethods"], json!(["authenticator"]));
    let again = countersign(&[
        "totp",
        "enrol",
        "--url",
        &url,
        "--email",
        "none@example.com",
    ]);
    assert!(said_of(again).await.contains("has a second factor already"));
}

/// Runs a command that must fail, and returns what it says.
async fn said_of(mut command: Command) -> String {
    let output = spawn_blocking(move || command.stdin(Stdio::null()).output()).await;
    let output = output.expect("ended").expect("a process");
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn only_a_sandbox_enrols_by_the_command_line() {
    let server = Process::serve(&[]).await;
    let url = format!("http://{}", server.address);
    let said = said_of(countersign(&["totp", "enrol", "--url", &url])).await;
    assert!(said.contains("no sandbox"), "{said}");
    let said = said_of(countersign(&[
        "totp",
        "enrol",
        "--url",
        "http://127.0.0.1:9",
    ]))
    .await;
    assert!(said.contains("--url"), "{said}");
}

/// Runs `--help` on a terminal, with this variable set.
async fn on_a_terminal(name: &'static str, value: &'static str) -> String {
    let program = std::env::current_exe().expect("this program");
    let line = format!("'{}' --help", program.display());
    let output = spawn_blocking(move || {
        Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env(AS_COUNTERSIGN, "1")
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .env(name, value)
            .stdin(Stdio::null())
            .output()
    });
    let output = output.await.expect("ended").expect("script");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("Usage:"), "{text}");
    text
}

async fn colours_are_for_terminals_that_want_them() {
    assert!(on_a_terminal("NO_COLOR", "").await.contains('\u{1b}'));
    assert!(!on_a_terminal("NO_COLOR", "1").await.contains('\u{1b}'));
    assert!(!on_a_terminal("TERM", "dumb").await.contains('\u{1b}'));
    let server = Process::serve(&[]).await;
    let (_, help) = server.run(&["--help"]).await;
    assert!(!help.contains('\u{1b}'), "{help}");
}

async fn a_quiet_command_says_nothing_when_all_went_well() {
    let server = Process::serve(&[]).await;
    server.user("alice@example.com").await;
    let disable = ["user", "disable", "--email", "alice@example.com", "--quiet"];
    assert_eq!(server.run(&disable).await, (true, String::new()));
    let backup = ["-q", "backup", "--to", "copy.db"];
    assert_eq!(server.run(&backup).await, (true, String::new()));
    assert!(server.folder().join("copy.db").exists());
    let (done, list) = server.run(&["user", "list", "-q"]).await;
    assert!(done && list.contains("alice@example.com"), "{list}");
    let (done, said) = server.run(&["backup", "-q", "--to", "copy.db"]).await;
    assert!(!done && !said.is_empty(), "an error is told all the same");
}
