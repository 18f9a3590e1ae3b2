//! Finds the folders of the workspace.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Returns the folder of the workspace's `Cargo.toml`.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// A crate that is packed for each release.
#[derive(Clone, Copy)]
pub struct Published {
    /// Its name.
    pub name: &'static str,
    /// Its folder.
    pub folder: &'static str,
    /// A file that its archive must have besides those of every crate.
    pub shows: &'static str,
}

/// The crates that are packed for each release; what others use comes first.
pub const PUBLISHED: [Published; 2] = [
    Published {
        name: "countersign-sdk",
        folder: "sdk/rust",
        shows: "examples/sign_in.rs",
    },
    Published {
        name: "countersign-testkit",
        folder: "sdk/testkit",
        shows: "src/backend/mod.rs",
    },
];

impl Published {
    /// Returns the archive of a release.
    pub fn released(self, version: impl Display) -> PathBuf {
        root().join(format!("sdk/released/{}-{version}.crate", self.name))
    }

    /// Returns its manifest.
    pub fn manifest(self) -> PathBuf {
        root().join(self.folder).join("Cargo.toml")
    }
}

/// Returns the folder that cargo builds into.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |folder| root().join(folder))
}
