//! Captures all that the servers log, and checks that no secret is in it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use aho_corasick::AhoCorasick;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static SECRETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Members of requests that are secrets, in every operation.
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

/// The shortest secret to search for: shorter ones would appear by chance in ids and times.
const SHORTEST: usize = 16;

/// The shortest code that a server makes. A shorter one in a list is a test's own wrong value.
const SHORTEST_CODE: usize = 6;

/// Logs everything of ours, and of the libraries on the way to the mail server and the database, at
/// any level. Only the tests' own client is left out.
const FILTER: &str =
    "trace,hyper=off,hyper_util=off,reqwest=off,h2=off,thirtyfour=off,mio=off,tokio=off";

/// Writes into the captured log.
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

/// Captures all that is logged from now on by any server of this process.
pub fn capture() {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(FILTER))
        .with_ansi(false)
        .with_writer(|| Kept)
        .finish();
    // Fails if another subscriber was set before. Then there is nothing to check, and `judge` says
    // so.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Returns all lines logged so far that contain `text`.
pub fn lines_with(text: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let all = String::from_utf8_lossy(&lines);
    all.lines()
        .filter(|line| line.contains(text))
        .map(str::to_owned)
        .collect()
}

/// Remembers a secret. Of long ones it also remembers the end, which is the random part.
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

/// Remembers the secrets in a request.
pub fn secrets_of_request(body: &Value) {
    secrets_of_answer(body, &SECRET_INPUTS);
}

/// Remembers the members with these names, at any depth, including every text in a list.
pub fn secrets_of_answer(body: &Value, names: &[&str]) {
    for (name, value) in body.as_object().into_iter().flatten() {
        match (names.contains(&name.as_str()), value) {
            (true, Value::String(text)) => secret(text),
            (true, Value::Array(list)) => {
                let texts = list.iter().filter_map(Value::as_str);
                for text in texts.filter(|text| text.len() >= SHORTEST_CODE) {
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

/// Checks all lines logged so far.
///
/// # Errors
/// Reports which line contains which secret.
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

/// Finds the secrets that appear in lines.
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

/// Tells whether a match is a word of its own, not part of an id or a time.
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
