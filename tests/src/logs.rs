//! What the servers log, all of it, and the secrets that must be in none of it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use aho_corasick::AhoCorasick;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static SECRETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Members of requests that are secrets, whoever sends them.
const SECRET_INPUTS: [&str; 11] = [
    "password",
    "code",
    "mfaToken",
    "mfa_code",
    "mfa_token",
    "passkeyToken",
    "refreshToken",
    "refresh_token",
    "registrationToken",
    "scratchCodes",
    "token",
];

/// Shorter ones would be found by chance in ids and times.
const SHORTEST: usize = 16;

/// Everything of ours and of what we use on the way to the mail server and the database, however
/// chatty; what is left out is the tests' own client.
const FILTER: &str =
    "trace,hyper=off,hyper_util=off,reqwest=off,h2=off,thirtyfour=off,mio=off,tokio=off";

/// Where the log goes.
struct Kept;

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps all that is logged from now on, by any server of this process.
pub fn capture() {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(FILTER))
        .with_ansi(false)
        .with_writer(|| Kept)
        .finish();
    // Refused when somebody else did it before: then there is nothing to judge, and `judge` says so.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// All lines logged so far that hold `text`.
pub fn lines_with(text: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let all = String::from_utf8_lossy(&lines);
    all.lines()
        .filter(|line| line.contains(text))
        .map(str::to_owned)
        .collect()
}

/// Remembers a secret. Of long ones the end counts too: that is where the random part is.
pub fn secret(text: &str) {
    let mut secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    if text.len() >= SHORTEST {
        secrets.insert(text.to_owned());
    }
    if let Some(end) = text
        .len()
        .checked_sub(32)
        .filter(|&start| start >= SHORTEST)
    {
        secrets.extend(text.get(end..).map(str::to_owned));
    }
}

/// Remembers a mailed or computed code.
pub fn code(code: &str) {
    let mut secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    secrets.insert(code.to_owned());
}

/// Remembers what a request holds.
pub fn secrets_of_request(body: &Value) {
    secrets_of_answer(body, &SECRET_INPUTS);
}

/// Remembers the members of these names, at any depth, and every text of one that is a list.
pub fn secrets_of_answer(body: &Value, names: &[&str]) {
    for (name, value) in body.as_object().into_iter().flatten() {
        match (names.contains(&name.as_str()), value) {
            (true, Value::String(text)) => secret(text),
            (true, Value::Array(list)) => {
                for text in list.iter().filter_map(Value::as_str) {
                    code(text);
                }
            }
            _ => secrets_of_answer(value, names),
        }
    }
    for item in body.as_array().into_iter().flatten() {
        secrets_of_answer(item, names);
    }
}

/// Judges all lines logged so far.
///
/// # Errors
/// Says which line holds which secret.
pub fn judge() -> Result<String, String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    let secrets: Vec<String> = secrets.iter().cloned().collect();
    let found = found(&lines, &secrets)?;
    if !found.is_empty() {
        return Err(found.into_iter().take(20).collect::<Vec<_>>().join("\n"));
    }
    let count = lines.iter().filter(|&&byte| byte == b'\n').count();
    Ok(format!("{count} lines, {} secrets", secrets.len()))
}

/// Which secret is in which line.
fn found(lines: &[u8], secrets: &[String]) -> Result<BTreeSet<String>, String> {
    let patterns = AhoCorasick::new(secrets).map_err(|error| error.to_string())?;
    let mut found = BTreeSet::new();
    for hit in patterns.find_overlapping_iter(lines) {
        let secret = &secrets[hit.pattern().as_usize()];
        if secret.len() < SHORTEST && !stands_alone(lines, hit.start(), hit.end()) {
            continue;
        }
        let is_end = |&byte: &u8| byte == b'\n';
        let start = lines[..hit.start()]
            .iter()
            .rposition(is_end)
            .map_or(0, |at| at + 1);
        let end = lines[hit.end()..]
            .iter()
            .position(is_end)
            .map_or(lines.len(), |at| at + hit.end());
        let line = String::from_utf8_lossy(&lines[start..end]);
        found.insert(format!("{secret} in: {line}"));
    }
    Ok(found)
}

/// Whether what is found is a word of its own, and not a piece of an id or a time.
fn stands_alone(lines: &[u8], start: usize, end: usize) -> bool {
    let part = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':'))
    };
    !part(start.checked_sub(1).and_then(|at| lines.get(at))) && !part(lines.get(end))
}

#[cfg(test)]
mod tests {
    use super::found;

    #[test]
    fn secrets_are_found_and_chance_is_not() {
        let lines = b"a token mfa_0123456789abcdef came\nid 01a2038e-7f00-7123456a-86c9 at 14:00:07.123456Z\ncode=123456\n";
        let secrets = ["mfa_0123456789abcdef", "123456", "654321"].map(str::to_owned);
        let found: Vec<String> = found(lines, &secrets)
            .expect("patterns")
            .into_iter()
            .collect();
        assert_eq!(
            found,
            [
                "123456 in: code=123456",
                "mfa_0123456789abcdef in: a token mfa_0123456789abcdef came"
            ]
        );
    }
}
