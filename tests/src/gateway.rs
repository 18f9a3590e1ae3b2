//! A gateway for text messages: an HTTP server that keeps what it is handed, with an answer of the test's choice.

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
    /// Takes it, as Twilio does: 201.
    Take,
    /// Answers this.
    Answer(u16, &'static str),
    /// Reads it, and says nothing.
    Hang,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Request {
    /// A header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// A field of the form that the body is; empty when it is not there.
    pub fn field(&self, name: &str) -> String {
        let fields = reqwest::Url::parse(&format!("http://x/?{}", self.body)).expect("a form");
        let found = fields.query_pairs().find(|(known, _)| known == name);
        found.map_or_else(String::new, |(_, value)| value.into_owned())
    }

    /// The text of the message, whichever the form of the body.
    pub fn text(&self) -> String {
        match serde_json::from_str::<Value>(&self.body) {
            Ok(body) => body["body"].as_str().unwrap_or_default().to_owned(),
            Err(_) => self.field("Body"),
        }
    }

    /// Whom it is for, whichever the form of the body.
    pub fn to(&self) -> String {
        match serde_json::from_str::<Value>(&self.body) {
            Ok(body) => body["to"].as_str().unwrap_or_default().to_owned(),
            Err(_) => self.field("To"),
        }
    }

    /// The code that the text begins with.
    pub fn code(&self) -> String {
        self.text()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect()
    }
}

/// A gateway.
#[derive(Clone)]
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    taken: Vec<Request>,
    refused: Vec<Request>,
    replies: VecDeque<Reply>,
    /// How many of the taken ones a test has asked for.
    read: usize,
}

impl Gateway {
    /// Starts one; it ends with the test's runtime.
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
                // A client that hangs up ends its conversation, and nothing else.
                tokio::spawn(async move { gateway.talk(stream).await.ok() });
            }
        });
        gateway
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does this with the requests that come next, one each, and then takes them again.
    pub fn replies(&self, replies: &[Reply]) {
        self.state().replies.extend(replies);
    }

    /// The messages taken so far.
    pub fn taken(&self) -> Vec<Request> {
        self.state().taken.clone()
    }

    /// The requests that were read and not taken.
    pub fn refused(&self) -> Vec<Request> {
        self.state().refused.clone()
    }

    /// The next message that was not asked for yet.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn next(&self) -> Request {
        until("a text message", async || {
            let mut state = self.state();
            let found = state.taken.get(state.read).cloned();
            state.read += usize::from(found.is_some());
            found
        })
        .await
    }

    /// The code of the next message.
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
