//! A half-open connection: a firewall between the server and PostgreSQL has dropped its state.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract_tests::call::Answer;
use contract_tests::{Server, tests};
use countersign::config::DatabaseUrl;
use countersign::model::Secret;
use socket2::{SockFilter, Socket};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

tests! {
    what_a_firewall_forgot_is_given_up_and_replaced,
}

/// How soon everything works again.
const HEALED: Duration = Duration::from_secs(15);

/// How long a call may wait for the database: five seconds by default, and some more for a busy
/// machine.
const TIME_OUT: Duration = Duration::from_secs(8);

/// A firewall between the server and PostgreSQL.
struct Firewall {
    address: SocketAddr,
    let_through: Arc<Mutex<Vec<Socket>>>,
}

impl Firewall {
    /// Starts a firewall in front of the PostgreSQL server at this host and port.
    async fn before(database: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let let_through = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&let_through);
        tokio::spawn(async move {
            while let Ok((mut server, _)) = listener.accept().await {
                // A second handle of the same socket, as the first one is busy copying.
                let handle = server.as_fd().try_clone_to_owned().expect("a handle");
                known
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(Socket::from(handle));
                let database = TcpStream::connect(&database);
                let mut database = database.await.expect("PostgreSQL answers");
                tokio::spawn(async move { copy_bidirectional(&mut server, &mut database).await });
            }
        });
        Self {
            address,
            let_through,
        }
    }

    /// Drops the existing connections. What the server sends over them is neither delivered nor
    /// acknowledged, and nobody tells it so. New connections are let through.
    fn forget(&self) {
        // A program of one instruction, "return 0": the kernel drops each segment before TCP sees
        // it.
        let drop_all = [SockFilter::new(0x06, 0, 0, 0)];
        let known = &self.let_through;
        for socket in &*known.lock().unwrap_or_else(PoisonError::into_inner) {
            // A socket that the server has closed may refuse, and needs no filter.
            drop(socket.attach_filter(&drop_all));
        }
    }
}

/// Asserts an answer within the time-out: the usual one, or 503 with the time to retry.
async fn in_time(call: contract_tests::Call) -> Answer {
    let began = Instant::now();
    let answer = call.await;
    assert!(
        began.elapsed() < TIME_OUT,
        "{} took {:?}",
        answer.call,
        began.elapsed()
    );
    match answer.status {
        503 => assert!(answer.header("retry-after").is_some(), "{}", answer.call),
        status => assert_eq!(status, 200, "{}: {}", answer.call, answer.text),
    }
    answer
}

async fn what_a_firewall_forgot_is_given_up_and_replaced() {
    let direct = Server::start().await;
    let DatabaseUrl::Postgres(url) = direct.database.url() else {
        return;
    };
    let url = url::Url::parse(url.expose()).expect("a URL");
    let host = url.host_str().expect("a host");
    let firewall = Firewall::before(format!("{host}:{}", url.port().unwrap_or(5432))).await;
    let mut through = url.clone();
    through.set_ip_host(firewall.address.ip()).expect("a host");
    through
        .set_port(Some(firewall.address.port()))
        .expect("a port");
    let server = Server::with(|settings| {
        settings.database_url = DatabaseUrl::Postgres(Secret::new(through.to_string()));
        settings.database_threads = 4;
        settings.key_file = direct.folder().join("keys.json");
    })
    .await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    server.get("/readyz").await.is(200);

    firewall.forget();
    let began = Instant::now();
    let mut turned_away = 0;
    loop {
        let (me, login, ready) = tokio::join!(
            in_time(alice.me()),
            in_time(alice.login()),
            in_time(server.get("/readyz"))
        );
        let statuses = [me.status, login.status, ready.status];
        turned_away += statuses.iter().filter(|status| **status == 503).count();
        if statuses == [200; 3] {
            break;
        }
        assert!(began.elapsed() < HEALED, "still {statuses:?}");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(turned_away > 0, "nothing was half open");
    alice.clock().advance(30);
    alice.sign_in().await;
    server.get("/readyz").await.is(200);
    assert!(
        began.elapsed() < HEALED,
        "signed in after {:?}",
        began.elapsed()
    );
}
