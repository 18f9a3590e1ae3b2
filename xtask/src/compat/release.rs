//! Versions, and the folders of released documents.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A version of three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

impl Version {
    /// Parses `0.1.0`; returns `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|part| part.parse().ok());
        let version = Self {
            major: numbers.next()??,
            minor: numbers.next()??,
            patch: numbers.next()??,
        };
        numbers.next().is_none().then_some(version)
    }

    /// Tells whether the step from `old` allows breaks: a new major version, or below 1.0.0 a new
    /// minor one.
    pub fn breaks_from(self, old: Self) -> bool {
        self.major > old.major || self.major == 0 && old.major == 0 && self.minor > old.minor
    }

    /// Tells whether the step from `old` allows additions: a new minor version, or below 1.0.0 any
    /// new one.
    pub fn adds_to(self, old: Self) -> bool {
        self > old && (old.major == 0 || (self.major, self.minor) > (old.major, old.minor))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Returns the newest version in `openapi/released` and its folder.
///
/// # Errors
///
/// Fails if there is none, or if a folder's name is not a version.
pub fn newest(folder: &Path) -> Result<(Version, PathBuf)> {
    let mut newest: Option<(Version, PathBuf)> = None;
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(version) = name.and_then(Version::parse) else {
            bail!("{} is not named by a version", path.display());
        };
        if newest.as_ref().is_none_or(|(known, _)| *known < version) {
            newest = Some((version, path));
        }
    }
    newest.with_context(|| format!("{} holds no release", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::Version;

    fn version(text: &str) -> Version {
        Version::parse(text).expect("it is a version")
    }

    #[test]
    fn below_one_the_minor_version_counts_as_the_major() {
        for (old, new, breaks) in [
            ("0.1.0", "0.1.0", false),
            ("0.1.0", "0.1.9", false),
            ("0.1.9", "0.2.0", true),
            ("0.9.0", "1.0.0", true),
            ("1.0.0", "1.9.0", false),
            ("1.9.0", "2.0.0", true),
            ("0.2.0", "0.1.0", false),
        ] {
            assert_eq!(
                version(new).breaks_from(version(old)),
                breaks,
                "{old} to {new}"
            );
        }
    }

    #[test]
    fn versions_are_three_numbers_in_their_order() {
        assert!(version("0.10.0") > version("0.9.9"));
        for text in ["0.1", "0.1.0.0", "0.1.x", "0.1.0-rc", ""] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        assert_eq!(version("12.0.3").to_string(), "12.0.3");
    }
}
