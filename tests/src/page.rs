//! Runs what a page for users shows: its shell blocks, and the servers that they start.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::port;
use crate::process::AS_COUNTERSIGN;
use crate::waiting::until;

/// What stands for the programs that pages name. The server is built already, and a test cannot run
/// all tests.
const PROGRAMS: [(&str, &str); 2] = [
    ("countersign", "#!/bin/bash\nexec \"$THE_SERVER\" \"$@\"\n"),
    ("cargo", CARGO),
];

const CARGO: &str = r#"#!/bin/bash
case "$*" in
    "run --release") exec "$THE_SERVER" ;;
    "run --release -- "*) exec "$THE_SERVER" "${@:4}" ;;
    "xtask test") echo "all tests" ;;
    *) echo "nobody ran cargo $*" >&2; exit 1 ;;
esac
"#;

/// Somebody who reads a page and does what it says, in an empty folder of their own.
pub struct Reader {
    folder: TempDir,
    /// Where `http://localhost:8080` of the page is.
    address: SocketAddr,
    server: Option<Child>,
}

impl Reader {
    /// Begins to read.
    ///
    /// # Panics
    /// Panics if there is no folder for it.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs).expect("a folder");
        for (name, script) in PROGRAMS {
            let program = programs.join(name);
            std::fs::write(&program, script).expect("a file");
            let all = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&program, all).expect("a program");
        }
        Self {
            folder,
            address: port::of_ones_own(),
            server: None,
        }
    }

    /// Where the page's server is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Runs a block that starts a server, which takes the place of the one before.
    ///
    /// # Panics
    /// Panics if it does not answer in time.
    pub async fn serve(&mut self, block: &str) {
        self.stop().await;
        // In the place of bash, so that it ends with it.
        let mut command = self.bash(&format!("exec {block}"));
        command
            .env("COUNTERSIGN_LISTEN", self.address.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.server = Some(command.spawn().expect("bash"));
        let ready = format!("{}/readyz", self.url());
        until("a server", async || {
            let answered = reqwest::get(&ready).await.ok();
            answered
                .filter(|answer| answer.status().is_success())
                .map(drop)
        })
        .await;
    }

    /// Stops the server.
    ///
    /// # Panics
    /// Panics if it does not end.
    pub async fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().await.expect("its end");
        }
    }

    /// Runs blocks in one shell. Returns all that they print. A call that fails ends them, and so
    /// does an answer that lacks what the next call needs.
    ///
    /// # Panics
    /// Panics if they fail.
    pub async fn run(&self, blocks: &[&str]) -> String {
        let script = blocks.concat();
        let output = self.bash(&script).output().await.expect("bash");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "the page's commands fail: {said}\n{errors}"
        );
        said
    }

    fn bash(&self, script: &str) -> Command {
        let folder: &Path = self.folder.path();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = folder.join("bin").into_os_string();
        let script = script.replace("localhost:8080", &self.address.to_string());
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-O", "inherit_errexit", "-c", &script])
            .current_dir(folder)
            .env_clear()
            .env("TMPDIR", folder)
            .env("PATH", [own, path].join(":".as_ref()))
            .env("THE_SERVER", std::env::current_exe().expect("this program"))
            .env(AS_COUNTERSIGN, "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the blocks of a page that are in this language, in their order.
pub fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("\n```{language}\n");
    let begun = page.split(fence.as_str()).skip(1);
    begun.filter_map(|rest| rest.split("```").next()).collect()
}
