//! A pooler in between, which gives each transaction another session of PostgreSQL.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};

use contract_tests::call::{at_once, count};
use contract_tests::waiting::until;
use contract_tests::{Server, tests};
use countersign::app::App;
use countersign::chance::Chance;
use countersign::clock::Clock;
use countersign::config::{DatabaseUrl, Settings};
use countersign::model::Secret;
use tempfile::TempDir;

tests! {
    a_pooler_in_transaction_mode_is_worked_with_when_told needs Pgbouncer,
}

/// A running PgBouncer with few sessions for many clients.
struct Pooler {
    child: Child,
    url: String,
    _folder: TempDir,
}

impl Pooler {
    async fn before(url: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        // It refuses to run as root, and must be able to read its file as nobody.
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("opened");
        let port = contract_tests::port::of_ones_own().port();
        let (server, name) = url.rsplit_once('/').expect("a URL with a database");
        let (user, host) = server
            .trim_start_matches("postgres://")
            .split_once('@')
            .expect("a user");
        let (host, their_port) = host.split_once(':').unwrap_or((host, "5432"));
        let file = folder.path().join("pgbouncer.ini");
        let settings = format!(
            "[databases]\n{name} = host={host} port={their_port} user={user}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\nunix_socket_dir =\n"
        );
        fs::write(&file, settings).expect("written");
        let mut command = Command::new("pgbouncer");
        if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
            command.args(["-u", "nobody"]);
        }
        let child = command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer");
        until("the pooler", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .ok()
        })
        .await;
        Self {
            child,
            url: format!("postgres://{user}@127.0.0.1:{port}/{name}"),
            _folder: folder,
        }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn a_pooler_in_transaction_mode_is_worked_with_when_told() {
    let direct = Server::start().await;
    let DatabaseUrl::Postgres(url) = direct.database.url() else {
        return;
    };
    let pooler = Pooler::before(url.expose()).await;
    let through = |settings: &mut Settings| {
        settings.database_url = DatabaseUrl::Postgres(Secret::new(pooler.url.clone()));
        settings.database_threads = 8;
    };
    // If prepared statements are kept, a connection meets those of another one and fails. The error
    // says which setting to change.
    let mut settings = Settings::for_test(direct.folder()).expect("the defaults are allowed");
    through(&mut settings);
    settings.hash_slots = 1;
    let mut told = None;
    for _ in 0..3 {
        let opened = App::open(settings.clone(), Clock::System, Chance::system()).await;
        if let Err(error) = opened {
            told = Some(format!("{error:#}"));
            break;
        }
    }
    let told = told.expect("two starts do not go well");
    assert!(told.contains("database_statement_cache=off"), "{told}");

    let server = Server::with(|settings| {
        through(settings);
        settings.database_statement_cache = false;
        settings.key_file = direct.folder().join("keys.json");
    })
    .await;
    let mut people = Vec::new();
    for number in 0..3 {
        let mut person = server
            .registered(&format!("person{number}@example.com"))
            .await;
        person.enable_authenticator().await;
        person.sign_in().await;
        people.push(person);
    }
    for _ in 0..10 {
        let calls = (0..30).map(|n| people[n % people.len()].me());
        assert_eq!(count(&at_once(calls).await, 200), 30);
    }
    for person in &mut people {
        person.sign_in().await;
        person.sign_out().await;
        person.me().await.refused(401, "TOKEN_INVALID");
    }
    server.get("/readyz").await.is(200);
}
