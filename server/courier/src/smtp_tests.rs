//! Tests of the SMTP client: broken conversations, and the mail server's URL.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use lettre::Message;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::Tls;

use super::Smtp;
use crate::email::Delivery;

/// Starts a mail server that has one conversation after the other. Each has its answers to the end
/// of a message and to QUIT; an empty answer means silence. Returns a channel with the commands of
/// each conversation.
fn mail_server(conversations: &'static [(&'static str, &'static str)]) -> (Smtp, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("smtp://{}", listener.local_addr().expect("an address"));
    let (told, commands) = channel();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for (answers, stream) in conversations.iter().zip(listener.incoming().flatten()) {
            let heard = converse(&stream, *answers).unwrap_or_default();
            drop(told.send(heard));
            // A silent server does not hang up.
            silent.push(stream);
        }
        thread::park();
    });
    let smtp = Smtp::new(&url, "localhost", Duration::from_secs(1)).expect("a mail server");
    (smtp, commands)
}

/// Returns the first words of the commands, up to one that gets no answer, or to the end.
fn converse(mut stream: &TcpStream, (message, farewell): (&str, &str)) -> Option<String> {
    let lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut lines = lines.map_while(Result::ok);
    let mut heard = Vec::new();
    stream.write_all(b"220 sink\r\n").ok()?;
    while let Some(line) = lines.next() {
        let command = line.split([' ', ':']).next().unwrap_or_default().to_owned();
        let answer = match command.as_str() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").ok()?;
                lines.by_ref().take_while(|line| line != ".").count();
                message
            }
            "QUIT" => farewell,
            _ => "250 ok",
        };
        heard.push(command);
        if answer.is_empty() {
            break;
        }
        stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
    }
    Some(heard.join(" "))
}

fn mail() -> Message {
    Message::builder()
        .from("no-reply@localhost".parse().expect("an address"))
        .to("alice@example.com".parse().expect("an address"))
        .body("hello".to_owned())
        .expect("a mail")
}

fn word(delivery: &Delivery) -> &'static str {
    match delivery {
        Delivery::Done(_) => "done",
        Delivery::Refused(_) => "refused",
        Delivery::Failed(_) => "failed",
    }
}

#[tokio::test]
async fn every_mail_has_a_connection_of_its_own_whatever_became_of_the_last() {
    let (smtp, commands) = mail_server(&[
        ("250 taken", "221 bye"),
        ("", ""),
        ("550 no", "221 bye"),
        ("250 taken", "221 bye"),
    ]);
    for expected in ["done", "failed", "refused", "done"] {
        assert_eq!(word(&smtp.send(&mail()).await), expected);
        let heard = commands.recv_timeout(Duration::from_secs(5));
        let heard = heard.expect("a conversation");
        assert!(heard.starts_with("EHLO MAIL RCPT DATA"), "{heard}");
        assert_eq!(heard.matches("MAIL").count(), 1, "{heard}");
    }
}

#[tokio::test]
async fn a_mail_that_was_taken_is_done_though_nobody_answers_the_farewell() {
    let (smtp, _commands) = mail_server(&[("250 taken", "")]);
    let started = Instant::now();
    assert_eq!(word(&smtp.send(&mail()).await), "done");
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[test]
fn the_url_says_where_how_and_as_whom() {
    let read = |url| Smtp::new(url, "localhost", Duration::from_secs(1)).expect(url);
    let smtp = read("smtp://[::1]:1025");
    assert_eq!(smtp.server, ("::1".to_owned(), 1025));
    assert!(matches!(smtp.tls, Tls::None) && smtp.credentials.is_none());
    assert_eq!(read("smtp://localhost").server.1, 25);
    let smtp = read("smtp://u%40x:p%2Fss%20@mail.example.com?tls=required");
    assert_eq!(smtp.server, ("mail.example.com".to_owned(), 587));
    assert!(matches!(smtp.tls, Tls::Required(_)));
    let login = Credentials::new("u@x".to_owned(), "p/ss ".to_owned());
    assert!(smtp.credentials == Some(login));
    let smtp = read("smtps://u:p@mail.example.com");
    assert!(matches!(smtp.tls, Tls::Wrapper(_)) && smtp.server.1 == 465);
    let smtp = read("smtp://localhost?tls=opportunistic");
    assert!(matches!(smtp.tls, Tls::Opportunistic(_)));
    for bad in [
        "hunter2",
        "http://hunter2",
        "smtp://x?tls=hunter2",
        "smtp:hunter2",
    ] {
        let refused = Smtp::new(bad, "localhost", Duration::from_secs(1));
        let line = format!("{:#}", refused.err().expect(bad));
        assert!(!line.contains("hunter2"), "{line}");
    }
}
