//! Errors of the command line: one line says what is wrong, where, and what to do.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use contract_tests::process::{Process, run};
use contract_tests::{port, tests};
use tempfile::TempDir;

tests! {
    what_is_mistyped_is_answered_with_where_to_read_more,
    a_bad_database_url_is_told_by_setting_and_flag,
    a_backup_that_cannot_be_made_is_told_with_whole_paths,
    what_is_no_backup_is_told_with_whole_paths,
    a_user_that_cannot_be_helped_is_told_why,
}

/// Arguments, and what their complaint holds.
type Complaint = (&'static [&'static str], &'static [&'static str]);

/// What is mistyped.
const MISTYPED: [Complaint; 13] = [
    (
        &["migrat"],
        &["'migrat'", "'migrate'", "`countersign --help`"],
    ),
    (
        &["--listn", "x"],
        &["'--listn'", "'--listen'", "`countersign --help`"],
    ),
    (
        &["serve", "--listn"],
        &["'--listn'", "`countersign serve --help`"],
    ),
    (&["serve", "now"], &["'now'", "`countersign serve --help`"]),
    (
        &["user"],
        &[
            "'countersign user' requires a subcommand",
            "unlock",
            "`countersign user --help`",
        ],
    ),
    (
        &["user", "unlok"],
        &["'unlok'", "'unlock'", "`countersign user --help`"],
    ),
    (
        &["user", "create"],
        &["--email <ADDRESS>", "`countersign user create --help`"],
    ),
    (
        &["user", "create", "--email"],
        &["--email <ADDRESS>", "`countersign user create --help`"],
    ),
    (
        &["keys", "rotate", "--revok"],
        &["'--revoke'", "`countersign keys rotate --help`"],
    ),
    (&["backup"], &["--to <FILE>", "`countersign backup --help`"]),
    (
        &["restore"],
        &[
            "--from <FILE>",
            "--already-restored",
            "`countersign restore --help`",
        ],
    ),
    (
        &["openapi", "synswi"],
        &["'synswi'", "identity, netevia, flashback, veeam"],
    ),
    (
        &["healthcheck"],
        &["--listen", "does not answer", "check that it runs"],
    ),
];

/// What is mistyped after `user join` and an address.
const MISJOINED: [Complaint; 2] = [
    (
        &["--organisation", "Archer", "--role", "owner"],
        &["'Archer'", "`orgId`", "GET /user/profile"],
    ),
    (
        &[
            "--organisation",
            "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90",
            "--role",
            "boss",
        ],
        &["'boss'", "owner", "administrator", "member"],
    ),
];

/// Returns the one line with which a subcommand fails, after the log's lines.
async fn complaint(folder: &Path, address: SocketAddr, arguments: &[&str]) -> String {
    let (well, said) = run(folder, address, arguments).await;
    assert!(!well, "{arguments:?} went well: {said}");
    let ours: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("countersign: "))
        .collect();
    match ours.as_slice() {
        [line] => (*line).to_owned(),
        _ => panic!("{arguments:?}: not one line of ours: {said}"),
    }
}

fn holds(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part:?} is missing: {line}");
    }
}

async fn what_is_mistyped_is_answered_with_where_to_read_more() {
    let folder = TempDir::new().expect("a folder");
    let address = port::of_ones_own();
    for (arguments, parts) in MISTYPED {
        holds(&complaint(folder.path(), address, arguments).await, parts);
    }
    let join = ["user", "join", "--email", "a@example.com"];
    for (further, parts) in MISJOINED {
        let arguments = [&join[..], further].concat();
        holds(&complaint(folder.path(), address, &arguments).await, parts);
    }
    let left = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "nothing is made for a mistake");
}

async fn a_bad_database_url_is_told_by_setting_and_flag() {
    let folder = TempDir::new().expect("a folder");
    let address = port::of_ones_own();
    for (url, why) in [
        ("countersign.db", "sqlite:PATH or postgres://"),
        ("mysql://u:hunter2@h/d", "sqlite:PATH or postgres://"),
        ("postgres://u:hunter2@hunter2@h/d", "%40"),
        ("postgres://u:hunter2@127.0.0.1:1/d", "Connection refused"),
        ("sqlite:none/x.db", "its folder does not exist"),
    ] {
        let line = complaint(folder.path(), address, &["migrate", "--database-url", url]).await;
        holds(&line, &["database_url", "--database-url", why]);
        assert!(!line.contains("hunter2"), "{line}");
    }
}

/// Starts a server and stops it. Returns it with the whole path of its folder.
async fn stopped() -> (Process, String) {
    let mut process = Process::serve(&[]).await;
    process.terminate();
    process.ended().await;
    let folder = process.folder().display().to_string();
    (process, folder)
}

async fn a_backup_that_cannot_be_made_is_told_with_whole_paths() {
    let (process, folder) = stopped().await;
    let told = async |to: &str| {
        complaint(process.folder(), process.address, &["backup", "--to", to]).await
    };
    holds(
        &told("none/x.db").await,
        &[
            &format!("the folder {folder}/none does not exist"),
            "make it",
        ],
    );
    holds(
        &told("data").await,
        &[
            &format!("{folder}/data is a folder"),
            "name a new file in it",
        ],
    );
    holds(
        &told("data/keys.json").await,
        &[&format!("{folder}/data/keys.json exists already")],
    );
    holds(&told("").await, &["--to is empty"]);
    let (well, said) = process.run(&["backup", "--to", "copy.db"]).await;
    assert!(well, "{said}");
    holds(
        &said,
        &[
            &format!("copied to {folder}/copy.db"),
            &format!("{folder}/data/keys.json"),
        ],
    );
}

async fn what_is_no_backup_is_told_with_whole_paths() {
    let (process, folder) = stopped().await;
    let told = async |from: &str| {
        complaint(
            process.folder(),
            process.address,
            &["restore", "--from", from],
        )
        .await
    };
    let mend = "name a file that `countersign backup` made";
    holds(
        &told("none.db").await,
        &[&format!("there is no file {folder}/none.db")],
    );
    holds(
        &told("data").await,
        &[
            &format!("{folder}/data is not a complete backup"),
            mend,
            "a folder",
        ],
    );
    fs::write(process.folder().join("notes"), "notes of mine").expect("written");
    holds(
        &told("notes").await,
        &[
            &format!("{folder}/notes is not a complete backup"),
            mend,
            "not a database",
        ],
    );
    fs::write(process.folder().join("empty"), "").expect("written");
    holds(
        &told("empty").await,
        &[&format!("{folder}/empty is not a complete backup"), mend],
    );
    let itself = told("data/countersign.db").await;
    holds(
        &itself,
        &[
            &format!("{folder}/data/countersign.db is the database itself"),
            mend,
        ],
    );

    let (other, _) = stopped().await;
    let copy = process.folder().join("other.db").display().to_string();
    let (well, said) = other.run(&["backup", "--to", &copy]).await;
    assert!(well, "{said}");
    let line = told("other.db").await;
    holds(&line, &[&format!("the backup {copy} cannot be used")]);
    holds(
        &line,
        &[
            &format!("the key file {folder}/data/keys.json does not belong"),
            "--key-file",
        ],
    );
}

async fn a_user_that_cannot_be_helped_is_told_why() {
    let (process, _) = stopped().await;
    let told =
        async |arguments: &[&str]| complaint(process.folder(), process.address, arguments).await;
    let alice = "alice@example.com";
    holds(
        &told(&["user", "create", "--email", "alice"]).await,
        &["--email: This must be an e-mail address"],
    );
    holds(
        &told(&["user", "create", "--email", alice]).await,
        &["there is no password on standard input", "one line"],
    );
    for act in ["promote", "unlock", "reset-mfa"] {
        let line = told(&["user", act, "--email", alice]).await;
        holds(&line, &["there is no account \"alice@example.com\""]);
    }
    process.user(alice).await;
    holds(
        &told(&["user", "create", "--email", alice]).await,
        &["--email: This address has an account already."],
    );
    let nowhere = "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90";
    let join = [
        "user",
        "join",
        "--email",
        alice,
        "--organisation",
        nowhere,
        "--role",
        "owner",
    ];
    holds(
        &told(&join).await,
        &[
            "--organisation: There is no organisation with this id.",
            "`orgId`",
        ],
    );
}
