//! The calls to measure: the bytes of their requests, and a client that makes one call after
//! another.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::load::{self, Requests};
use super::seed;
use super::users::{self, Users};

/// Path of the second step of a sign-in.
const VERIFY: &str = "/identity/mfa/login/verify";
/// Path of the first step of a sign-in.
const LOGIN: &str = "/identity/login";
/// Path that returns the signed-in user.
pub const ME: &str = "/identity/me";
/// Path that exchanges a refresh token for new tokens.
const REFRESH: &str = "/identity/token/refresh";

fn post(path: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Makes a GET request with a bearer.
pub fn get(path: &str, bearer: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n\r\n")
        .into_bytes()
}

/// Makes a request for the bearer's user.
pub fn me(bearer: &str) -> Vec<u8> {
    get(ME, bearer)
}

/// Makes the second step of a user, with the code that their app shows at this moment.
///
/// # Errors
/// Fails if there is no code.
pub fn verify(number: u32) -> Result<Vec<u8>> {
    let now = seed::since_1970()?.as_secs();
    let code = users::authenticator(number)?.generate(now).to_string();
    let body = serde_json::json!({"mfaToken": users::token(number), "code": code});
    Ok(post(VERIFY, &body))
}

/// Makes the password step of a user.
pub fn login(number: u32) -> Vec<u8> {
    let body = serde_json::json!({"email": users::email(number), "password": users::PASSWORD});
    post(LOGIN, &body)
}

/// Makes an exchange of a refresh token.
pub fn refresh(token: &str) -> Vec<u8> {
    post(REFRESH, &serde_json::json!({"refreshToken": token}))
}

/// Yields a second step for each user who has not signed in yet.
pub fn second_steps(users: &Arc<Users>) -> Requests {
    let users = Arc::clone(users);
    Arc::new(move || verify(users.next()?).ok())
}

/// Yields password steps. They start with the users whose second steps come last.
pub fn password_steps(count: u32) -> Requests {
    let next = AtomicUsize::new(0);
    Arc::new(move || {
        let number = u32::try_from(next.fetch_add(1, Ordering::Relaxed)).ok()?;
        Some(login(users::nth(
            count.checked_sub(number % count.max(1))?,
            count,
        )))
    })
}

/// Yields the same requests again and again.
pub fn in_turn(requests: Vec<Vec<u8>>) -> Requests {
    let next = AtomicUsize::new(0);
    Arc::new(move || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        requests.get(number % requests.len().max(1)).cloned()
    })
}

/// The tokens of a session.
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

/// A connection for one call after another.
pub struct Client(TcpStream);

impl Client {
    /// Connects to the server.
    ///
    /// # Errors
    /// Fails if nobody listens.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        // Under valgrind an answer takes a while.
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self(stream))
    }

    /// Sends a request. Returns the whole answer, and whether it is a success.
    ///
    /// # Errors
    /// Fails if the connection fails.
    pub fn send(&mut self, request: &[u8]) -> Result<(Vec<u8>, bool)> {
        self.0.write_all(request)?;
        let mut answer = Vec::new();
        let mut part = [0; 8192];
        loop {
            let read = self.0.read(&mut part)?;
            if read == 0 {
                bail!("the server closed the connection");
            }
            answer.extend_from_slice(&part[..read]);
            if let Some((length, good)) = load::whole_length(&answer)?
                && answer.len() >= length
            {
                return Ok((answer, good));
            }
        }
    }

    /// Sends a request that must succeed. Returns the body of its answer.
    ///
    /// # Errors
    /// Fails if it does not succeed.
    pub fn call(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let (answer, good) = self.send(request)?;
        if !good {
            bail!("no success: {}", String::from_utf8_lossy(&answer));
        }
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let body = head.and_then(|head| answer.get(head + 4..));
        Ok(body.unwrap_or_default().to_vec())
    }

    /// Makes a call that returns tokens.
    ///
    /// # Errors
    /// Fails if it does not succeed.
    pub fn tokens(&mut self, request: &[u8]) -> Result<Tokens> {
        let answer: Value = serde_json::from_slice(&self.call(request)?)?;
        let text = |name: &str| {
            let found = answer.get(name).and_then(Value::as_str);
            found
                .map(str::to_owned)
                .with_context(|| format!("no {name}"))
        };
        Ok(Tokens {
            access: text("accessToken")?,
            refresh: text("refreshToken")?,
        })
    }
}
