//! Starts a real server for checks from outside: the built binary, on a free port, in a folder of
//! its own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use countersign_base::clock::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;
use totp_rs::Totp;

use crate::{process, workspace};

/// How long to wait for the server to be ready, or for a mail.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. It is stopped and its folder removed when dropped.
pub struct Server {
    child: Child,
    folder: TempDir,
    environment: Vec<(String, String)>,
    binary: PathBuf,
    /// Its URL: `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Server {
    /// Builds and starts the server with these settings (without their prefix) and waits until it
    /// is ready.
    ///
    /// # Errors
    ///
    /// Fails if it does not build, or is not ready in time.
    pub fn start(settings: &[(&str, &str)]) -> Result<Self> {
        let binary = build()?;
        let folder = tempfile::Builder::new()
            .prefix("countersign-")
            .tempdir()
            .context("making a folder")?;
        let port = free_port()?;
        let data = folder.path().join("data");
        let mut environment: Vec<(String, String)> = settings
            .iter()
            .map(|(name, value)| (format!("COUNTERSIGN_{name}"), (*value).to_owned()))
            .collect();
        environment.push(("COUNTERSIGN_LISTEN".to_owned(), format!("127.0.0.1:{port}")));
        environment.push((
            "COUNTERSIGN_DATA_DIR".to_owned(),
            data.to_string_lossy().into_owned(),
        ));
        let log = fs::File::create(folder.path().join("log")).context("making a log")?;
        let child = Command::new(&binary)
            .arg("serve")
            .current_dir(folder.path())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let mut server = Self {
            child,
            folder,
            environment,
            binary,
            url: format!("http://127.0.0.1:{port}"),
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().context("looking after the server")? {
                bail!("the server ended at once ({status}):\n{}", self.log());
            }
            if self.get("/readyz").is_ok_and(|status| status == 200) {
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        bail!(
            "the server is not ready after {} seconds:\n{}",
            PATIENCE.as_secs(),
            self.log()
        )
    }

    /// Returns the server's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Returns the folder for files of the check.
    pub fn scratch(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Runs another subcommand of the binary with the same settings.
    ///
    /// # Errors
    ///
    /// Fails if it fails.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        process::run_quietly(
            Command::new(&self.binary)
                .args(arguments)
                .current_dir(self.folder.path())
                .envs(environment),
        )
    }

    /// Registers a user through HTTP, with the code from the outbox. Returns the answer with the
    /// tokens.
    ///
    /// # Errors
    ///
    /// Fails if a call is refused or no mail arrives.
    pub fn register(&self, email: &str, password: &str) -> Result<Value> {
        let begun = self.post(
            "/identity/register",
            None,
            &json!({ "email": email, "password": password }),
        )?;
        let code = self.code_for(email)?;
        let proof = json!({ "registrationToken": begun["registrationToken"], "code": code });
        self.post("/identity/register/verify", None, &proof)
    }

    /// Turns an authenticator on for the user of this access token. Returns the app, whose code of
    /// this half minute is used up.
    ///
    /// # Errors
    ///
    /// Fails if a call is refused.
    pub fn enable_authenticator(&self, access_token: &str, password: &str) -> Result<Totp> {
        let bearer = Some(access_token);
        let setup = json!({ "method": "authenticator", "password": password });
        let begun = self.post("/identity/mfa/setup", bearer, &setup)?;
        let url = begun["otpauthUrl"].as_str().unwrap_or_default();
        let app = Totp::from_url(url).map_err(|error| anyhow!("{error}"))?;
        let now = u64::try_from(Clock::System.now().seconds())?;
        let code = app.generate(now).to_string();
        let proof = json!({ "mfaToken": begun["mfaToken"], "code": code });
        self.post("/identity/mfa/setup/verify", bearer, &proof)?;
        Ok(app)
    }

    /// Sends address and password. Returns the reference of the sign-in, which waits for a second
    /// factor.
    ///
    /// # Errors
    ///
    /// Fails if the call is refused, or no second factor is asked for.
    pub fn begin_sign_in(&self, email: &str, password: &str) -> Result<String> {
        let body = json!({ "email": email, "password": password });
        let answer = self.post("/identity/login", None, &body)?;
        let reference = answer["mfaToken"].as_str();
        Ok(reference
            .context("no second factor is asked for")?
            .to_owned())
    }

    /// Returns the code in the newest mail to an address.
    fn code_for(&self, email: &str) -> Result<String> {
        let outbox = self.folder.path().join("data/outbox");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let mut letters: Vec<PathBuf> = fs::read_dir(&outbox)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .collect();
            letters.sort();
            for letter in letters.iter().rev() {
                let text = fs::read_to_string(letter).unwrap_or_default();
                if let Some(code) = code_in(&text).filter(|_| text.contains(email)) {
                    return Ok(code);
                }
            }
            sleep(Duration::from_millis(100));
        }
        bail!(
            "no mail with a code for {email} in {}:\n{}",
            outbox.display(),
            self.log()
        )
    }

    fn get(&self, path: &str) -> Result<u16> {
        let url = format!("{}{path}", self.url);
        runtime()?.block_on(async { Ok(reqwest::get(url).await?.status().as_u16()) })
    }

    /// Makes a JSON call that must succeed.
    fn post(&self, path: &str, bearer: Option<&str>, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        runtime()?.block_on(async {
            let mut call = reqwest::Client::new().post(url).json(body);
            if let Some(token) = bearer {
                call = call.bearer_auth(token);
            }
            let answer = call.send().await?;
            let status = answer.status();
            let text = answer.text().await?;
            if !status.is_success() {
                bail!("POST {path} answers {status}: {text}");
            }
            serde_json::from_str(&text).with_context(|| format!("POST {path} answers no JSON"))
        })
    }
}

/// Builds the server: where its binary is.
///
/// # Errors
///
/// Fails if it does not build.
pub fn build() -> Result<PathBuf> {
    // Built with the tests, so that it has the same features as with `cargo test`.
    process::run(process::cargo().args([
        "build",
        "--workspace",
        "--bin",
        "countersign",
        "--tests",
    ]))?;
    Ok(workspace::target().join("debug/countersign"))
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already. Then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting a runtime")
}

fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}

/// Returns six digits that stand alone in the body of a letter.
fn code_in(letter: &str) -> Option<String> {
    let lines = letter.lines().skip_while(|line| !line.is_empty());
    lines
        .filter(|line| !line.starts_with("--") && !line.contains(": "))
        .flat_map(|line| line.split(|letter: char| !letter.is_ascii_alphanumeric()))
        .find(|word| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::code_in;

    #[test]
    fn the_code_is_found_in_the_body_only() {
        let letter = "Subject: 111111\nDate: x\n\n--bound222222\nContent-Type: text/plain\n\nYour code: 3\n\n    345678\n";
        assert_eq!(code_in(letter).as_deref(), Some("345678"));
        assert_eq!(code_in("A: b\n\nNothing here, order 1234567.\n"), None);
    }
}
