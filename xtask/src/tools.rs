//! The tools that tests and checks need besides Rust. They are found, installed if we may, or named
//! as missing.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, find, is_ci, is_root, run_quietly};
use crate::workspace;

/// A program from Debian's archive.
pub struct Tool {
    /// The program's name.
    pub program: &'static str,
    /// The package that contains it.
    package: &'static str,
    /// What cannot be checked without it.
    purpose: &'static str,
}

/// The tools that the contract tests use.
pub const TEST_TOOLS: [Tool; 4] = [
    Tool {
        program: "chromium",
        package: "chromium",
        purpose: "signing in through Swagger UI",
    },
    Tool {
        program: "chromedriver",
        package: "chromium-driver",
        purpose: "signing in through Swagger UI",
    },
    Tool {
        program: "oathtool",
        package: "oathtool",
        purpose: "codes of an independent TOTP implementation",
    },
    Tool {
        program: "pgbouncer",
        package: "pgbouncer",
        purpose: "PostgreSQL through a pooler",
    },
];

/// The tool that counts the instructions of a call.
pub const VALGRIND: Tool = Tool {
    program: "valgrind",
    package: "valgrind",
    purpose: "how many instructions a call takes",
};

/// Tools from PyPI, in the versions that the checks were written for.
const PYTHON_PACKAGES: [&str; 2] = ["openapi-spec-validator==0.9.0", "schemathesis==4.32.5"];

/// Vendors' own clients from PyPI, which the contract tests run unmodified, and a package that one
/// of them needs but does not declare.
const CLIENT_PACKAGES: [&str; 4] = [
    "veeam-az==0.2.0",
    "veeam-easy-connect==0.8.0",
    "attrs>=23",
    "python-dateutil>=2.8",
];

impl Tool {
    /// Makes sure that the tool is there. If that is impossible, returns a sentence about what is
    /// skipped.
    ///
    /// # Errors
    ///
    /// Fails if it is missing in CI, where nothing is skipped.
    pub fn ensure(&self) -> Result<Option<String>> {
        if find(self.program).is_some() {
            return Ok(None);
        }
        let failure = match install(self.package) {
            Ok(()) if find(self.program).is_some() => return Ok(None),
            Ok(()) => format!("the package {} did not bring it", self.package),
            Err(error) => format!("{error:#}"),
        };
        let sentence = format!(
            "{} is missing, so not checked: {} ({failure})",
            self.program, self.purpose
        );
        if is_ci() {
            bail!(sentence);
        }
        Ok(Some(sentence))
    }
}

/// Where a program is, from a Debian package if it is missing.
///
/// # Errors
///
/// When it is missing and cannot be installed.
pub fn need(program: &str, package: &str) -> Result<PathBuf> {
    if let Some(found) = find(program) {
        return Ok(found);
    }
    install(package).with_context(|| format!("{program} is missing"))?;
    find(program).with_context(|| format!("the package {package} did not bring {program}"))
}

/// Installs a Debian package.
///
/// # Errors
///
/// Fails if we are not root, there is no apt-get, or it fails.
pub fn install(package: &str) -> Result<()> {
    if !is_root() {
        bail!("install Debian's package {package}, or run as root once");
    }
    if find("apt-get").is_none() {
        bail!("there is no apt-get to install the package {package}");
    }
    println!("xtask: installing the Debian package {package}");
    let apt = |arguments: &[&str]| {
        run_quietly(
            Command::new("apt-get")
                .args(["-y", "-o", "DPkg::Lock::Timeout=300"])
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    let wanted = ["install", "--no-install-recommends", package];
    if apt(&wanted).is_err() {
        apt(&["update"])?;
        apt(&wanted)?;
    }
    Ok(())
}

/// Returns the path of a cargo subcommand in exactly this version. Compiles it into a folder under `target/` if it is
/// missing there.
///
/// # Errors
///
/// Fails if cargo cannot fetch or compile it.
pub fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let folder = workspace::target().join(format!("tools/{name}-{version}"));
    let program = folder.join("bin").join(name);
    if program.is_file() {
        return Ok(program);
    }
    println!("xtask: compiling {name} {version} into target/");
    // Its build is not kept, so that it takes no room beside ours. Quick to compile matters more than quick to run.
    run_quietly(
        cargo()
            .args([
                "install",
                "--locked",
                "--quiet",
                "--profile",
                "dev",
                "--version",
                version,
                "--root",
            ])
            .arg(&folder)
            .arg(name)
            .env_remove("CARGO_TARGET_DIR")
            .env("CARGO_PROFILE_DEV_DEBUG", "false"),
    )
    .with_context(|| format!("installing {name}"))?;
    Ok(program)
}

/// Returns the path of a tool from PyPI, in an environment under `target/` that is created if
/// needed.
///
/// # Errors
///
/// Fails if Python is missing or the packages cannot be installed.
pub fn python_tool(program: &str) -> Result<PathBuf> {
    let folder = python_environment("xtask-python", &PYTHON_PACKAGES)?;
    let tool = folder.join("bin").join(program);
    if !tool.is_file() {
        bail!("the packages from PyPI did not bring {program}");
    }
    Ok(tool)
}

/// Makes sure that the vendors' clients are in an environment under `target/`, where the contract
/// tests look for them. If that is impossible, returns a sentence about what is skipped.
///
/// # Errors
///
/// Fails if they are missing in CI, where nothing is skipped.
pub fn ensure_clients() -> Result<Option<String>> {
    let Err(error) = python_environment("vendor-clients", &CLIENT_PACKAGES) else {
        return Ok(None);
    };
    let sentence = format!(
        "the vendors' clients are missing, so not checked: that they work unmodified ({error:#})"
    );
    if is_ci() {
        bail!(sentence);
    }
    Ok(Some(sentence))
}

/// Makes sure that axe-core is under `target/`, where the contract tests look for it. If that is
/// impossible, returns a sentence about what is skipped.
///
/// # Errors
///
/// Fails if it is missing in CI, where nothing is skipped.
pub fn ensure_axe() -> Result<Option<String>> {
    let Err(error) = node_modules("axe", &["axe-core@4.14.1"]) else {
        return Ok(None);
    };
    let sentence =
        format!("axe-core is missing, so not checked: that the pages keep nobody out ({error:#})");
    if is_ci() {
        bail!(sentence);
    }
    Ok(Some(sentence))
}

/// Returns a Python environment under `target/` with these packages. Creates it if it is missing or
/// has other packages.
///
/// # Errors
///
/// Fails if Python is missing or the packages cannot be installed.
pub fn python_environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = workspace::target().join(name);
    let stamp = folder.join("packages.txt");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(folder);
    }
    println!(
        "xtask: installing {} from PyPI into target/",
        packages.join(" and ")
    );
    if find("python3").is_none() {
        install("python3")?;
    }
    let venv =
        |folder: &PathBuf| run_quietly(Command::new("python3").args(["-m", "venv"]).arg(folder));
    if venv(&folder).is_err() {
        install("python3-venv")?;
        venv(&folder).context("making a Python environment")?;
    }
    run_quietly(
        Command::new(folder.join("bin").join("pip"))
            .args(["install", "--quiet"])
            .args(packages),
    )
    .context("installing from PyPI")?;
    std::fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))?;
    Ok(folder)
}

/// Returns a folder under `target/` with these packages in its `node_modules`. Installs them if
/// they are missing.
///
/// # Errors
///
/// Fails if npm is missing or the packages cannot be installed.
pub fn node_modules(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = workspace::target().join(name);
    let stamp = folder.join("packages.txt");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(folder);
    }
    if find("npm").is_none() {
        install("npm")?;
    }
    println!(
        "xtask: installing {} from npm into target/",
        packages.join(" and ")
    );
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let manifest = folder.join("package.json");
    std::fs::write(&manifest, r#"{"private":true,"type":"module"}"#)
        .with_context(|| format!("writing {}", manifest.display()))?;
    run_quietly(
        Command::new("npm")
            .current_dir(&folder)
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
            .args(packages),
    )
    .context("installing from npm")?;
    std::fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))?;
    Ok(folder)
}
