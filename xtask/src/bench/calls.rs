//! The calls that are measured: their bytes, and a client that makes them one after another.

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

/// The second step of a sign-in.
const VERIFY: &str = "/identity/mfa/login/verify";
/// The first one.
const LOGIN: &str = "/identity/login";
/// Who is signed in.
pub const ME: &str = "/identity/me";
/// New tokens for a refresh token.
const REFRESH: &str = "/identity/token/refresh";

fn post(path: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A GET with a bearer.
pub fn get(path: &str, bearer: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n\r\n")
        .into_bytes()
}

/// Who the bearer is.
pub fn me(bearer: &str) -> Vec<u8> {
    get(ME, bearer)
}

/// The second step of a user, with the code that their app shows at this moment.
///
/// # Errors
/// When there is no code.
pub fn verify(number: u32) -> Result<Vec<u8>> {
    let now = seed::since_1970()?.as_secs();
    let code = users::authenticator(number)?.generate(now).to_string();
    let body = serde_json::json!({"mfaToken": users::token(number), "code": code});
    Ok(post(VERIFY, &body))
}

/// The password step of a user.
pub fn login(number: u32) -> Vec<u8> {
    let body = serde_json::json!({"email": users::email(number), "password": users::PASSWORD});
    post(LOGIN, &body)
}

/// New tokens.
pub fn refresh(token: &str) -> Vec<u8> {
    post(REFRESH, &serde_json::json!({"refreshToken": token}))
}

/// The second steps of everybody who has not come yet.
pub fn second_steps(users: &Arc<Users>) -> Requests {
    let users = Arc::clone(users);
    Arc::new(move || verify(users.next()?).ok())
}

/// Password steps, of other users than those whose second steps come first.
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

/// The same requests again and again.
pub fn in_turn(requests: Vec<Vec<u8>>) -> Requests {
    let next = AtomicUsize::new(0);
    Arc::new(move || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        requests.get(number % requests.len().max(1)).cloned()
    })
}

/// The tokens of a session.
pub struct Tokens {
    /// The bearer.
    pub access: String,
    /// What prolongs it.
    pub refresh: String,
}

/// One connection, for one call after another.
pub struct Client(TcpStream);

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        // Under valgrind an answer takes a while.
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self(stream))
    }

    /// Sends a request; the answer, whole, and whether it is a success.
    ///
    /// # Errors
    /// When the connection fails.
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

    /// Sends a request that has to succeed; the body of its answer.
    ///
    /// # Errors
    /// When it does not.
    pub fn call(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let (answer, good) = self.send(request)?;
        if !good {
            bail!("no success: {}", String::from_utf8_lossy(&answer));
        }
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let body = head.and_then(|head| answer.get(head + 4..));
        Ok(body.unwrap_or_default().to_vec())
    }

    /// Makes a call that answers tokens.
    ///
    /// # Errors
    /// When it does not.
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
