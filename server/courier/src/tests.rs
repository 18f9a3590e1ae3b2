//! Tests of the courier: the outbox, mail servers that accept, refuse or hang up, and notices that
//! are given up.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use tokio::sync::Notify;

use super::{Courier, LEASE_SECONDS, POLL};
use crate::config::Settings;
use crate::model::notice::{Lane, Letter, Message, Notice, state};
use crate::model::{NoticeId, Secret, Time, UserId};
use crate::store::{Engine, Options, Store, notices};
use crate::vault::{Place, Vault};
use countersign_base::chance::Chance;
use countersign_base::clock::Clock;
use countersign_model::schema;

const NOW: Time = Time::from_seconds(1_800_000_000);

/// Returns free places in every lane.
fn everywhere() -> Vec<(Lane, usize)> {
    Lane::ALL.map(|lane| (lane, 16)).into()
}

/// A courier with a database of its own.
struct Desk {
    folder: PathBuf,
    courier: Courier,
}

impl Desk {
    fn new(smtp_url: Option<String>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("countersign-courier-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let mut settings = Settings::for_test(&folder).expect("settings");
        settings.smtp_url = smtp_url.map(Secret::new);
        settings.smtp_timeout_seconds = 2;
        let (clock, chance) = (Clock::held(NOW), Chance::seeded(1));
        let vault = Vault::open(&settings, &clock, &chance).expect("a vault");
        let engine = Engine::Sqlite(folder.join("countersign.db").display().to_string());
        let options = Options {
            connections: 1,
            queue: 64,
            acquire: Duration::from_secs(5),
        };
        let store = Store::open(&engine, options).expect("a store");
        let wake = Arc::new(Notify::new());
        let told = (wake, Arc::default());
        let courier = Courier::new(&settings, store, vault, clock, chance, told, None);
        Self {
            folder,
            courier: courier.expect("a courier"),
        }
    }

    /// Queues a code for `to`. Returns the notice's id.
    async fn queue(&self, to: &str) -> NoticeId {
        let inner = &self.courier.0;
        let (user_id, id): (UserId, NoticeId) = (inner.chance.id(NOW), inner.chance.id(NOW));
        let letter = Letter {
            to: to.to_owned(),
            at: NOW.micros(),
            source: "203.0.113.7".to_owned(),
            message: Message::LoginCode {
                code: "012345".to_owned(),
                minutes: 10,
                link: None,
                link_minutes: 0,
            },
        };
        let plain = serde_json::to_vec(&letter).expect("JSON");
        let place = Place::letter(user_id, id);
        let sealed = inner.vault.seal(&place, inner.chance.nonce(), &plain);
        let notice = Notice {
            id,
            user_id,
            kind: letter.message.word().to_owned(),
            state: state::QUEUED.to_owned(),
            sealed_letter: Some(sealed.expect("sealed")),
            tries: 0,
            next_try_at: NOW,
            leased_until: Time::from_micros(0),
            created_at: NOW,
            expires_at: NOW.plus_seconds(600),
            ended_at: None,
            lane: letter.lane().as_str().to_owned(),
        };
        let insert = move |tx: &mut _| notices::insert(tx, &notice);
        inner.store.write(insert).await.expect("queued");
        id
    }

    /// Takes what is due and waits until all of it was tried. Returns how many notices there were.
    async fn round(&self) -> usize {
        let taken = self.courier.take(everywhere()).await.expect("taken");
        let count = taken.len();
        for notice in taken {
            self.courier.deliver(notice).await;
        }
        count
    }

    fn row(&self, id: NoticeId) -> Notice {
        let path = self.folder.join("countersign.db").display().to_string();
        let mut conn = SqliteConnection::establish(&path).expect("the database");
        let row = schema::notices::table.find(id).select(Notice::as_select());
        row.first(&mut conn).expect("the notice")
    }

    fn outbox(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder.join("outbox"));
        files.map_or_else(
            |_| Vec::new(),
            |files| files.map(|file| file.expect("a file").path()).collect(),
        )
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Starts a mail server that answers RCPT with these answers, one after the other. Returns a
/// channel with what it received.
fn mail_server(answers: &[&'static str]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("smtp://{}", listener.local_addr().expect("an address"));
    let answers: Arc<Mutex<Vec<&str>>> =
        Arc::new(Mutex::new(answers.iter().rev().copied().collect()));
    let (mails, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answers, mails) = (Arc::clone(&answers), mails.clone());
            std::thread::spawn(move || {
                let answer = || answers.lock().expect("answers").pop().unwrap_or("250 ok");
                while let Some(mail) = converse(&stream, &answer) {
                    drop(mails.send(mail));
                }
            });
        }
    });
    (url, received)
}

/// Speaks SMTP until a mail is accepted; returns `None` when the conversation is over.
fn converse(stream: &TcpStream, answer: &dyn Fn() -> &'static str) -> Option<String> {
    let say = |text: &str| (&*stream).write_all(format!("{text}\r\n").as_bytes()).ok();
    let mut lines = BufReader::new(stream.try_clone().ok()?)
        .lines()
        .map_while(Result::ok);
    say("220 sink")?;
    while let Some(line) = lines.next() {
        match line.split([' ', ':']).next()? {
            "RCPT" => match answer() {
                "hang up" => return None,
                answer => say(answer)?,
            },
            "DATA" => {
                say("354 go on")?;
                let mail: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
                say("250 taken")?;
                return Some(mail.join("\n"));
            }
            "QUIT" => {
                say("221 bye")?;
                return None;
            }
            _ => say("250 ok")?,
        }
    }
    None
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let line = mail.lines().find(|line| line.starts_with(name));
    line.unwrap_or_else(|| panic!("no {name} in {mail}"))
}

#[tokio::test]
async fn without_a_mail_server_mail_is_written_to_the_outbox() {
    let desk = Desk::new(None);
    let id = desk.queue("alice@example.com").await;
    assert_eq!((desk.round().await, desk.round().await), (1, 0));
    let files = desk.outbox();
    assert_eq!(files.len(), 1);
    let name = format!("2027-01-15T08-00-00.000Z-{id}.eml");
    assert_eq!(
        files[0].file_name().expect("a name").to_str(),
        Some(name.as_str())
    );
    let mail = fs::read_to_string(&files[0]).expect("a mail");
    assert_eq!(header(&mail, "To:"), "To: alice@example.com");
    assert_eq!(
        header(&mail, "From:"),
        "From: Countersign <no-reply@localhost>"
    );
    assert_eq!(
        header(&mail, "Message-ID:"),
        format!("Message-ID: <{id}@localhost>")
    );
    assert_eq!(
        header(&mail, "Date:"),
        "Date: Fri, 15 Jan 2027 08:00:00 +0000"
    );
    assert_eq!(
        header(&mail, "Auto-Submitted:"),
        "Auto-Submitted: auto-generated"
    );
    assert_eq!(
        header(&mail, "Content-Type:"),
        "Content-Type: text/plain; charset=utf-8"
    );
    assert_eq!(header(&mail, "MIME-Version:"), "MIME-Version: 1.0");
    assert_eq!(mail.matches("\r\n012345\r\n").count(), 1);
    assert_eq!(mail.matches('\n').count(), mail.matches("\r\n").count());
    let row = desk.row(id);
    assert_eq!((row.state.as_str(), row.sealed_letter), (state::SENT, None));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &std::path::Path| {
            fs::metadata(path).expect("there").permissions().mode() & 0o777
        };
        assert_eq!(
            (mode(&files[0]), mode(&desk.folder.join("outbox"))),
            (0o600, 0o700)
        );
    }
}

#[tokio::test]
async fn a_mail_server_gets_the_mail() {
    let (url, mails) = mail_server(&[]);
    let desk = Desk::new(Some(url));
    let id = desk.queue("alice@example.com").await;
    desk.round().await;
    let mail = mails.recv_timeout(Duration::from_secs(5)).expect("a mail");
    assert!(mail.lines().any(|line| line == "012345"), "{mail}");
    assert_eq!(desk.row(id).state, state::SENT);
    assert!(desk.outbox().is_empty());
}

#[tokio::test]
async fn a_refused_receiver_is_given_up_and_a_busy_server_is_tried_again_until_it_takes_it() {
    let (url, mails) = mail_server(&["550 no such user", "451 later", "hang up", "250 ok"]);
    let desk = Desk::new(Some(url));
    let clock = desk.courier.0.clock.clone();
    let refused = desk.queue("nobody@example.com").await;
    desk.round().await;
    let row = desk.row(refused);
    assert_eq!(
        (row.state.as_str(), row.sealed_letter),
        (state::ABANDONED, None)
    );

    let id = desk.queue("alice@example.com").await;
    for (tries, wait) in [(1, 5), (2, 10)] {
        let before = clock.now();
        assert_eq!(desk.round().await, 1);
        let row = desk.row(id);
        assert_eq!((row.state.as_str(), row.tries), (state::QUEUED, tries));
        let waits = (row.next_try_at.micros() - before.micros()) * 4 / wait / 1_000_000;
        assert!((3..5).contains(&waits), "about {wait} s");
        assert_eq!(desk.round().await, 0, "not before its time");
        clock.set(row.next_try_at);
    }
    assert_eq!(desk.round().await, 1);
    let mail = mails.recv_timeout(Duration::from_secs(5)).expect("a mail");
    assert_eq!(
        header(&mail, "Message-ID:"),
        format!("Message-ID: <{id}@localhost>")
    );
    assert_eq!(desk.row(id).state, state::SENT);
}

#[tokio::test]
async fn what_is_too_late_is_given_up_and_a_dead_couriers_lease_runs_out() {
    let desk = Desk::new(None);
    let id = desk.queue("alice@example.com").await;
    assert_eq!(
        desk.courier.take(everywhere()).await.expect("taken").len(),
        1
    );
    assert_eq!(desk.round().await, 0, "leased");
    desk.courier.0.clock.advance(LEASE_SECONDS);
    assert_eq!(
        desk.courier.take(everywhere()).await.expect("taken").len(),
        1
    );
    desk.courier.0.clock.advance(600);
    desk.round().await;
    let row = desk.row(id);
    assert_eq!(
        (row.state.as_str(), row.sealed_letter),
        (state::ABANDONED, None)
    );
    assert!(desk.outbox().is_empty());
}

#[tokio::test]
async fn an_address_that_is_none_reaches_nobody() {
    let desk = Desk::new(None);
    for address in [
        "alice@example.com\r\nBcc: eve@example.com",
        "nobody",
        "a b@example.com",
        "<alice@example.com>",
    ] {
        let id = desk.queue(address).await;
        desk.round().await;
        assert_eq!(desk.row(id).state, state::ABANDONED, "{address:?}");
    }
    assert!(desk.outbox().is_empty());
}

#[tokio::test]
async fn it_runs_until_it_is_stopped_and_finishes_what_it_began() {
    let desk = Desk::new(None);
    for _ in 0..10 {
        desk.queue("alice@example.com").await;
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async move { drop(stopped.await) };
    let running = tokio::spawn(desk.courier.clone().run(stopped));
    for _ in 0..100 {
        if desk
            .courier
            .0
            .store
            .read(notices::queued)
            .await
            .expect("read")
            == 0
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let late = desk.queue("bob@example.com").await;
    desk.courier.0.wake.notify_one();
    let woken = Instant::now();
    while desk.row(late).state != state::SENT {
        assert!(
            woken.elapsed() < POLL / 2,
            "woken, it does not wait for the poll"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send(()).expect("running");
    running.await.expect("ended");
    assert_eq!(desk.outbox().len(), 11);
}
