//! `cargo xtask released`: lets the SDK of the last release sign in to the server built here, and
//! the SDK built here to the mocks of that release.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::compat::release;
use crate::server::Server;
use crate::{process, workspace};

/// The workspace in which the archive and its stand-in for a server are built.
const WORKSPACE: &str = "tests/released/Cargo.toml";

/// Text of the unpacked manifest that gives it a workspace: it must not join ours, which has a
/// package of that name.
const MEMBER: (&str, &str) = (
    "[package]\n",
    "[package]\nworkspace = \"../../../tests/released\"\n",
);

/// The code that the stand-in accepts as the mailed one.
const MAILED: &str = "123456";

/// Sign-ins against the stand-in: the user, whether it succeeds, and a line that it prints.
const SIGN_INS: [(&str, bool, &str); 4] = [
    (
        "alice@example.com",
        true,
        "A sentence for the user. 4 tries left.",
    ),
    ("alice@example.com", true, "Signed in successfully."),
    // An answer with tokens at once is read as such, though the release had no field to tell the
    // two apart.
    (
        "plain@example.com",
        false,
        "Error: no second factor was asked for: SignedIn(",
    ),
    // A known error prints only its message. An unknown one is printed with status and code.
    (
        "mistaken@example.com",
        false,
        "Error: A sentence for the user.",
    ),
];

/// Runs both directions.
///
/// # Errors
///
/// Fails if there is no archive of the last release, something does not build, or a sign-in ends
/// otherwise than expected.
pub fn run() -> Result<()> {
    let (version, _) = release::newest(&workspace::root().join("openapi/released"))?;
    let [sdk, _test_kit] = workspace::PUBLISHED;
    unpack(&sdk.released(version))?;
    let old = build_released().context("building the SDK of the last release (sdk/released/README.md says how its lock file follows)")?;
    let server = Server::start(&[])?;
    old_against_new(&old, &server)
        .with_context(|| format!("the server's log:\n{}", server.log()))?;
    println!("released: the SDK of {version} signs in to this server");
    process::run(process::cargo().args([
        "build",
        "--workspace",
        "--tests",
        "--example",
        "sign_in",
    ]))?;
    new_against_old(&old)?;
    println!("released: this SDK signs in to the mocks of {version}");
    Ok(())
}

/// Unpacks an archive of the SDK into a folder, replacing what is there.
///
/// # Errors
///
/// Fails if there is no such archive, or the folder cannot be written.
pub fn unpack_into(archive: &Path, folder: &Path) -> Result<()> {
    if !archive.is_file() {
        bail!(
            "{} is missing; see sdk/released/README.md",
            archive.display()
        );
    }
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut tar = Command::new("tar");
    tar.args([
        "--extract",
        "--gzip",
        "--no-same-owner",
        "--strip-components=1",
    ]);
    process::run(
        tar.arg("--file")
            .arg(archive)
            .arg("--directory")
            .arg(folder),
    )
}

/// Unpacks the archive where the manifest of `tests/released` expects it.
fn unpack(archive: &Path) -> Result<()> {
    let folder = workspace::root().join("target/released/countersign-sdk");
    unpack_into(archive, &folder)?;
    let path = folder.join("Cargo.toml");
    let manifest = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    if !manifest.contains(MEMBER.0) {
        bail!("{} has no table of a package", path.display());
    }
    fs::write(&path, manifest.replacen(MEMBER.0, MEMBER.1, 1))
        .with_context(|| format!("writing {}", path.display()))
}

/// Builds the archive's example and the stand-in. Returns the folder with both.
fn build_released() -> Result<PathBuf> {
    process::run(
        process::cargo()
            .args(["fmt", "--check", "--package", "released"])
            .args(["--manifest-path", WORKSPACE]),
    )?;
    let target = workspace::target().join("released/build");
    let mut build = process::cargo();
    build.args([
        "build",
        "--locked",
        "--workspace",
        "--manifest-path",
        WORKSPACE,
    ]);
    build.args(["--bin", "released", "--example", "sign_in"]);
    // Without TLS: it has its own library, which is a third of the build, and everything here is on
    // this machine.
    build.args([
        "--no-default-features",
        "--features",
        "countersign-sdk/identity",
    ]);
    process::run(build.arg("--target-dir").arg(&target))?;
    Ok(target.join("debug"))
}

fn old_against_new(old: &Path, server: &Server) -> Result<()> {
    let outbox = server.scratch().join("data/outbox");
    // The server creates it with the first mail. If it is missing, the example asks for the code.
    fs::create_dir_all(&outbox).with_context(|| format!("making {}", outbox.display()))?;
    let email = "alice@example.com";
    let (well, said) = sign_in(&old.join("examples/sign_in"), &server.url, &outbox, email)?;
    let lines = [
        " tries left.",
        "Signed in successfully.",
        "signed in at aal2 with pwd + otp",
    ];
    if let Some(missing) = lines.iter().find(|line| !said.contains(**line)) {
        bail!("the SDK of the last release does not say `{missing}`, but:\n{said}");
    }
    if !well {
        bail!("the SDK of the last release fails:\n{said}");
    }
    Ok(())
}

fn new_against_old(old: &Path) -> Result<()> {
    let example = workspace::target().join("debug/examples/sign_in");
    let stand_in = StandIn::start(&old.join("released"))?;
    for (email, wanted, line) in SIGN_INS {
        let outbox = outbox(email)?;
        let (well, said) = sign_in(&example, &stand_in.url, outbox.path(), email)?;
        let ended = if well { "well" } else { "badly" };
        if well != wanted || !said.lines().any(|said| said.starts_with(line)) {
            bail!("{email} is to be told `{line}`, but the sign-in ended {ended}:\n{said}");
        }
    }
    Ok(())
}

/// Runs an example `sign_in` to its end. Returns whether it succeeded, and its output.
fn sign_in(example: &Path, url: &str, outbox: &Path, email: &str) -> Result<(bool, String)> {
    let output = Command::new(example)
        .args(["--url", url, "--email", email, "--outbox"])
        .arg(outbox)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", example.display()))?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), said))
}

/// Makes a folder with one mail, since the stand-in writes none.
fn outbox(email: &str) -> Result<TempDir> {
    let folder = tempfile::tempdir().context("making a folder")?;
    let letter = format!("To: {email}\n\n{MAILED}\n");
    fs::write(folder.path().join("letter.eml"), letter).context("writing a letter")?;
    Ok(folder)
}

/// The mocks of the last release, stopped when dropped.
struct StandIn {
    child: Child,
    url: String,
}

impl StandIn {
    /// Starts it and waits for its address.
    fn start(program: &Path) -> Result<Self> {
        let child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut stand_in = Self {
            child,
            url: String::new(),
        };
        let output = stand_in.child.stdout.take().context("its output is ours")?;
        BufReader::new(output)
            .read_line(&mut stand_in.url)
            .context("reading its address")?;
        stand_in.url.truncate(stand_in.url.trim_end().len());
        if stand_in.url.is_empty() {
            bail!("{} ended without an address", program.display());
        }
        Ok(stand_in)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have ended already. Then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
