//! A gateway for text messages: an HTTP server that stores its requests and gives the answers that
//! a test chooses.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::waiting::until;
use crate::{Value, logs};

/// What the gateway does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Accepts it with 201, as Twilio does.
    Take,
    /// Answers this status and body.
    Answer(u16, &'static str),
    /// Reads it and does not answer.
    Hang,
}

/// A request, as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Request {
    /// Returns a header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Returns a field of a form body; empty if it is missing.
    pub fn field(&self, name: &str) -> String {
        let fields = reqwest::Url::parse(&format!("http://x/?{}", self.body)).expect("a form");
        let found = fields.query_pairs().find(|(known, _)| known == name);
        found.map_or_else(String::new, |(_, value)| value.into_owned())
    }

    /// Returns the text of the message, from either form of body.
    pub fn text(&self) -> String {
        match serde_json::from_str::<Value>(&self.body) {
            Ok(body) => body["body"].as_str().unwrap_or_default().to_owned(),
            Err(_) => self.field("Body"),
        }
    }

    /// Returns the receiver, from either form of body.
    pub fn to(&self) -> String {
        match serde_json::from_str::<Value>(&self.body) {
            Ok(body) => body["to"].as_str().unwrap_or_default().to_owned(),
            Err(_) => self.field("To"),
        }
    }

    /// Returns the code at the beginning of the text.
    pub fn code(&self) -> String {
        self.text()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect()
    }
}

/// A gateway for text messages.
#[derive(Clone)]
pub struct Gateway {
    /// The address that it listens on.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    taken: Vec<Request>,
    refused: Vec<Request>,
    replies: VecDeque<Reply>,
    /// How many of the accepted messages a test has read.
    read: usize,
}

impl Gateway {
    /// Starts a gateway. It ends with the test's runtime.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let gateway = Self {
            address,
            state: Arc::default(),
        };
        let accepting = gateway.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let gateway = accepting.clone();
                // A client that hangs up ends its conversation and nothing else.
                tokio::spawn(async move { gateway.talk(stream).await.ok() });
            }
        });
        gateway
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the replies to the next requests, one each. Then it accepts requests again.
    pub fn replies(&self, replies: &[Reply]) {
        self.state().replies.extend(replies);
    }

    /// Returns the messages accepted so far.
    pub fn taken(&self) -> Vec<Request> {
        self.state().taken.clone()
    }

    /// Returns the requests that were read and not accepted.
    pub fn refused(&self) -> Vec<Request> {
        self.state().refused.clone()
    }

    /// Waits for the next message that the test has not read.
    ///
    /// # Panics
    /// Panics if none arrives in time.
    pub async fn next(&self) -> Request {
        until("a text message", async || {
            let mut state = self.state();
            let found = state.taken.get(state.read).cloned();
            state.read += usize::from(found.is_some());
            found
        })
        .await
    }

    /// Returns the code of the next message.
    pub async fn code(&self) -> String {
        self.next().await.code()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let mut words = line.split(' ').map(str::to_owned);
            let (method, path) = (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            );
            let mut headers = Vec::new();
            loop {
                let mut line = String::new();
                lines.read_line(&mut line).await?;
                let Some((name, value)) = line.trim_end().split_once(": ") else {
                    break;
                };
                headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length = length
                .and_then(|(_, value)| value.parse().ok())
                .unwrap_or(0);
            let mut body = vec![0; length];
            lines.read_exact(&mut body).await?;
            let body = String::from_utf8_lossy(&body).into_owned();
            let request = Request {
                method,
                path,
                headers,
                body,
            };
            logs::code(&request.code());
            logs::code(&request.to());
            let (status, body) = match self.judge(request) {
                Reply::Take => (
                    201,
                    r#"{"sid":"SM00000000000000000000000000000000","status":"queued"}"#,
                ),
                Reply::Answer(status, body) => (status, body),
                Reply::Hang => {
                    tokio::time::sleep(Duration::from_secs(600)).await;
                    return Ok(());
                }
            };
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            write.write_all(answer.as_bytes()).await?;
        }
    }

    fn judge(&self, request: Request) -> Reply {
        let mut state = self.state();
        let reply = state.replies.pop_front().unwrap_or(Reply::Take);
        match reply {
            Reply::Take => state.taken.push(request),
            Reply::Answer(..) | Reply::Hang => state.refused.push(request),
        }
        reply
    }
}
