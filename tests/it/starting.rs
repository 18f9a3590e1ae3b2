//! Failed starts leave nothing behind and name what is wrong. Successful ones say what they
//! created. Output that nobody reads ends no server.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use contract_tests::database::Database;
use contract_tests::waiting::until;
use contract_tests::{PASSWORD, Server, logs, suite, tests};
use countersign::app::App;
use countersign::chance::Chance;
use countersign::clock::Clock;
use countersign::config::{DatabaseUrl, Settings};
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

tests! {
    a_port_in_use_leaves_nothing_behind,
    a_server_out_of_reach_leaves_nothing_behind,
    a_folder_that_cannot_be_written_leaves_nothing_behind,
    nobody_is_helped_where_there_is_no_database,
    a_migration_makes_the_database_and_no_keys,
    whoever_makes_something_says_where,
    an_address_is_judged_before_the_password_is_asked_for,
    what_is_no_database_is_named,
    a_group_may_read_what_a_mounted_volume_gives_it,
    output_that_nobody_reads_ends_no_server,
    a_start_says_what_trusted_proxies_must_do,
    a_server_of_another_public_url_is_told,
}

/// An empty folder and an empty database.
struct Site {
    folder: TempDir,
    database: Database,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::new(&folder.path().join("data"));
        let dropped = database.clone();
        suite::afterwards(async move { dropped.remove() });
        Self { folder, database }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes the command in this folder, with additional settings.
    fn command(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .env_clear()
            .env("CONTRACT_TESTS_AS_COUNTERSIGN", "1")
            .env("COUNTERSIGN_LISTEN", "127.0.0.1:0")
            .args(arguments)
            .current_dir(self.folder())
            .stdin(Stdio::null());
        if let DatabaseUrl::Postgres(url) = self.database.url() {
            command.env("COUNTERSIGN_DATABASE_URL", url.expose());
        }
        command.envs(settings.iter().copied());
        command
    }

    async fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        let mut command = self.command(arguments, settings);
        let output = spawn_blocking(move || command.output()).await;
        output.expect("ended").expect("a process")
    }

    /// Asserts that it fails. Returns what it says: one line of its own, after those of the log.
    async fn refused(&self, arguments: &[&str], settings: &[(&str, &str)]) -> String {
        let output = self.run(arguments, settings).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?} went well: {said}");
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix("countersign: "));
        line.unwrap_or_else(|| panic!("no line of ours: {said}"))
            .to_owned()
    }

    /// Tells whether nothing was created: no file, no table.
    fn is_empty(&self) -> bool {
        let tables = match &self.database {
            Database::Sqlite(_) => 0,
            Database::Postgres { .. } => self
                .database
                .number("SELECT count(*) AS found FROM pg_tables WHERE schemaname = 'public'"),
        };
        tables == 0 && names(self.folder()).is_empty()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("there")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

async fn a_port_in_use_leaves_nothing_behind() {
    let site = Site::new();
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("an address").to_string();
    let line = site
        .refused(&["serve"], &[("COUNTERSIGN_LISTEN", &address)])
        .await;
    for part in [&address, "setting listen", "another program listens there"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(site.is_empty(), "{:?}", names(site.folder()));
    // Nobody has an address of 192.0.2.0/24 (RFC 5737).
    let line = site
        .refused(&["serve"], &[("COUNTERSIGN_LISTEN", "192.0.2.1:0")])
        .await;
    assert!(line.contains("does not have the address"), "{line}");
    assert!(site.is_empty(), "{:?}", names(site.folder()));
}

async fn a_server_out_of_reach_leaves_nothing_behind() {
    let site = Site::new();
    let nobody = ("COUNTERSIGN_DATABASE_URL", "postgres://u:p@127.0.0.1:1/x");
    for arguments in [
        &["serve"][..],
        &["migrate"],
        &["user", "create", "--email", "a@example.com"],
        &["user", "unlock", "--email", "a@example.com"],
        &["keys", "rotate"],
    ] {
        site.refused(arguments, &[nobody]).await;
        assert!(site.is_empty(), "{arguments:?}: {:?}", names(site.folder()));
    }
}

async fn a_folder_that_cannot_be_written_leaves_nothing_behind() {
    let site = Site::new();
    // A file in the way stands for a folder without permission, which would not stop the superuser.
    let file = site.folder().join("file");
    fs::write(&file, "").expect("written");
    let keys = file.join("keys.json").display().to_string();
    let line = site
        .refused(&["serve"], &[("COUNTERSIGN_KEY_FILE", &keys)])
        .await;
    assert!(
        line.contains("key_file") && line.contains("is not a folder"),
        "{line}"
    );
    assert_eq!(
        names(site.folder()),
        ["file"],
        "no database without its keys"
    );
    let url = format!("sqlite:{}", site.folder().join("none/x.db").display());
    let line = site
        .refused(&["serve"], &[("COUNTERSIGN_DATABASE_URL", &url)])
        .await;
    assert!(
        line.contains("database_url") && line.contains("does not exist"),
        "{line}"
    );
    assert_eq!(
        names(site.folder()),
        ["file"],
        "no keys without their database"
    );
}

async fn nobody_is_helped_where_there_is_no_database() {
    let site = Site::new();
    for arguments in [
        &["user", "unlock", "--email", "a@example.com"][..],
        &["user", "promote", "--email", "a@example.com"],
        &["user", "reset-mfa", "--email", "a@example.com"],
        &["keys", "rotate"],
        &["keys", "rotate", "--revoke"],
        &["keys", "reseal"],
        &["keys", "retire"],
    ] {
        let line = site.refused(arguments, &[]).await;
        let told = ["no database at /", "has no tables of Countersign"];
        assert!(told.iter().any(|told| line.contains(told)), "{line}");
        assert!(site.is_empty(), "{arguments:?}: {:?}", names(site.folder()));
    }
    // A database without keys belongs to somebody else, or no server ever ran here.
    let migrated = site.run(&["migrate"], &[]).await;
    assert!(migrated.status.success(), "{migrated:?}");
    let line = site
        .refused(&["user", "unlock", "--email", "a@example.com"], &[])
        .await;
    assert!(
        line.contains("keys.json") && line.contains("does not exist"),
        "{line}"
    );
    assert!(!site.folder().join("data/keys.json").exists());
}

async fn a_migration_makes_the_database_and_no_keys() {
    let site = Site::new();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let url = match site.database.url() {
        DatabaseUrl::Sqlite(path) => {
            fs::create_dir(path.parent().expect("a folder")).expect("made");
            format!("sqlite:{}", path.display())
        }
        DatabaseUrl::Postgres(url) => url.expose().clone(),
    };
    let mut command = site.command(&["migrate"], &[("COUNTERSIGN_DATABASE_URL", &url)]);
    command.current_dir(elsewhere.path());
    let output = spawn_blocking(move || command.output()).await;
    let output = output.expect("ended").expect("a process");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.starts_with("Made the ") && said.ends_with("up to date.\n"),
        "{said}"
    );
    assert!(
        names(elsewhere.path()).is_empty(),
        "{:?}",
        names(elsewhere.path())
    );
    // The keys are created in the server's own folder.
    let mut settings = Settings::for_test(&site.folder().join("data")).expect("settings");
    settings.database_url = site.database.url();
    let app = App::open(settings, Clock::System, Chance::system()).await;
    assert!(app.expect("a start").made()[0].contains("data/keys.json"));
}

async fn whoever_makes_something_says_where() {
    let site = Site::new();
    let arguments = ["user", "create", "--email", "a@example.com"];
    let mut command = site.command(&arguments, &[]);
    let password = site.folder().join("password");
    fs::write(&password, format!("{PASSWORD}\n")).expect("written");
    command.stdin(fs::File::open(password).expect("readable"));
    let output = spawn_blocking(move || command.output()).await;
    let output = output.expect("ended").expect("a process");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let folder = fs::canonicalize(site.folder()).expect("a folder");
    let keys = format!("Made the key file {}/data/keys.json.", folder.display());
    assert!(said.contains(&keys), "{said}\n{output:?}");
    match &site.database {
        Database::Sqlite(_) => {
            let made = format!(
                "Made the database {}/data/countersign.db.",
                folder.display()
            );
            assert!(said.contains(&made), "{said}");
        }
        Database::Postgres { name, .. } => {
            assert!(
                said.contains(&format!("PostgreSQL database {name}.")),
                "{said}"
            );
        }
    }
    let again = site.run(&["migrate"], &[]).await;
    assert_eq!(again.stdout, b"The database is up to date.\n", "made once");
}

async fn an_address_is_judged_before_the_password_is_asked_for() {
    let site = Site::new();
    // Nobody ever types a password: a command that waits for one fails this test.
    let refused = async |email: &str| {
        let mut command = site.command(&["user", "create", "--email", email], &[]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let input = child.stdin.take();
        let ended = spawn_blocking(move || child.wait_with_output());
        let output = timeout(Duration::from_secs(20), ended).await;
        drop(input);
        let output = output
            .expect("no password is waited for")
            .expect("ended")
            .expect("a process");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(
        refused("no address")
            .await
            .contains("This must be an e-mail address")
    );
    assert!(site.is_empty(), "{:?}", names(site.folder()));
    let mut settings = Settings::for_test(&site.folder().join("data")).expect("settings");
    settings.database_url = site.database.url();
    let app = App::open(settings, Clock::System, Chance::system())
        .await
        .expect("an app");
    let password = countersign::model::Secret::new(PASSWORD.to_owned());
    let make = async |ctx: &countersign::app::Ctx| {
        let role = countersign::model::kinds::Role::User;
        countersign::flow::operator::create_user(ctx, "a@example.com", password, role).await
    };
    app.call(make).await.expect("an account");
    assert!(
        refused("A@Example.com")
            .await
            .contains("has an account already")
    );
}

async fn what_is_no_database_is_named() {
    let site = Site::new();
    let file = site.folder().join("notes.txt");
    fs::write(
        &file,
        "these are notes of mine, and no database\n".repeat(40),
    )
    .expect("written");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("set");
    let url = format!("sqlite:{}", file.display());
    for arguments in [&["serve"][..], &["migrate"], &["keys", "rotate"]] {
        let line = site
            .refused(arguments, &[("COUNTERSIGN_DATABASE_URL", &url)])
            .await;
        for part in [
            "notes.txt",
            "database_url",
            "not a database",
            "restore a backup",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
    assert_eq!(names(site.folder()), ["notes.txt"]);
}

async fn a_group_may_read_what_a_mounted_volume_gives_it() {
    let server = Server::start().await;
    let keys = server.folder().join("keys.json");
    let files = [Some(keys.as_path()), server.database.file()];
    let set = |mode: u32| {
        for file in files.into_iter().flatten() {
            fs::set_permissions(file, Permissions::from_mode(mode)).expect("set");
        }
    };
    server.stop().await;
    let again = async || {
        let mut settings = Settings::for_test(server.folder()).expect("settings");
        settings.database_url = server.database.url();
        App::open(settings, server.clock.clone(), Chance::system()).await
    };
    for mode in [0o640, 0o660] {
        set(mode);
        again().await.expect("a start");
        for file in files.into_iter().flatten() {
            let told = logs::lines_with(&file.display().to_string());
            let shown = format!("{mode:04o}");
            let warned = |line: &String| line.contains("WARN") && line.contains(&shown);
            assert!(told.iter().any(warned), "{told:?}");
        }
    }
    for mode in [0o604, 0o662] {
        set(mode);
        let line = format!("{:#}", again().await.err().expect("refused"));
        assert!(line.contains("chmod 600"), "{line}");
    }
}

/// Serves under this URL until it answers. Returns what it logged.
async fn served_as(site: &Site, public_url: &str) -> String {
    let listen = contract_tests::port::of_ones_own().to_string();
    let mut command = site.command(
        &["serve"],
        &[
            ("COUNTERSIGN_LISTEN", &listen),
            ("COUNTERSIGN_PUBLIC_URL", public_url),
        ],
    );
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    let http = contract_tests::reqwest::Client::builder().no_proxy();
    let http = http.build().expect("a client");
    until("an answer", async || {
        http.get(format!("http://{listen}/readyz"))
            .send()
            .await
            .ok()
    })
    .await;
    child.kill().expect("killed");
    let output = spawn_blocking(move || child.wait_with_output()).await;
    let output = output.expect("ended").expect("a process");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn a_server_of_another_public_url_is_told() {
    let site = Site::new();
    let (one, other) = ("http://localhost:8080", "http://127.0.0.1:8080");
    for (url, before) in [
        (one, None),
        (one, None),
        (other, Some(one)),
        (one, Some(other)),
    ] {
        let log = served_as(&site, url).await;
        let told = log.lines().find(|line| line.contains("same public_url"));
        match before {
            None => assert_eq!(told, None, "{url}"),
            Some(before) => {
                let line = told.unwrap_or_else(|| panic!("nothing was told: {log}"));
                assert!(
                    line.contains("WARN") && line.contains(before) && line.contains(url),
                    "{line}"
                );
            }
        }
    }
}

async fn output_that_nobody_reads_ends_no_server() {
    let site = Site::new();
    let full = || Stdio::from(fs::File::create("/dev/full").expect("a device"));
    for kind in ["closed", "full"] {
        let listen = contract_tests::port::of_ones_own().to_string();
        let mut command = site.command(&["serve"], &[("COUNTERSIGN_LISTEN", &listen)]);
        match kind {
            "closed" => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
            _ => command.stdout(full()).stderr(full()),
        };
        let mut child = command.spawn().expect("a process");
        drop((child.stdout.take(), child.stderr.take()));
        let http = contract_tests::reqwest::Client::builder()
            .no_proxy()
            .build();
        let http = http.expect("a client");
        let asked = until("an answer", async || {
            let url = format!("http://{listen}/readyz");
            http.get(url).send().await.ok()
        });
        assert_eq!(asked.await.status(), 200, "{kind}");
        // A request that is logged.
        let url = format!("http://{listen}/nothing");
        assert_eq!(http.get(url).send().await.expect("an answer").status(), 404);
        assert_eq!(
            child.try_wait().expect("a process"),
            None,
            "{kind}: it ended"
        );
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
    // The same for commands that report what they did.
    let migrated = site.command(&["migrate"], &[]).stdout(full()).status();
    assert!(migrated.expect("a process").success());
    // An error that nobody reads ends the process like one that is read.
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = other.local_addr().expect("an address").to_string();
    for (listen, code) in [(taken.as_str(), 1), ("nowhere", 2)] {
        let mut command = site.command(&["serve"], &[("COUNTERSIGN_LISTEN", listen)]);
        let ended = command.stdout(full()).stderr(full()).status();
        assert_eq!(ended.expect("a process").code(), Some(code), "{listen}");
    }
}

async fn a_start_says_what_trusted_proxies_must_do() {
    let site = Site::new();
    for (proxies, told) in [("127.0.0.1,::1", true), ("", false)] {
        let mut command = site.command(&["serve"], &[("COUNTERSIGN_TRUSTED_PROXIES", proxies)]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("a process");
        let out = child.stdout.take().expect("its output");
        let greeting = spawn_blocking(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            let lines = lines.take_while(|line| !line.contains("Ctrl-C"));
            lines.collect::<Vec<String>>().join("\n")
        });
        let greeting = greeting.await.expect("read");
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert!(greeting.contains("listens on"), "{greeting}");
        let says = greeting.contains("127.0.0.1") && greeting.contains("X-Forwarded-For");
        assert_eq!(says, told, "{greeting}");
    }
}
