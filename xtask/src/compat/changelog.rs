//! Reads the breaks that `CHANGELOG.md` names: security fixes and plain mistakes, which need not
//! wait for a version.

use super::release::Version;

/// The heading of a version's breaks.
const BROKEN: &str = "### Broken";

/// Returns the breaks named for versions newer than the release: under `Unreleased`, or under a
/// version not yet released.
///
/// Each is a list item of one line. Indented text after it gives the reason, for people.
pub fn broken(changelog: &str, release: Version) -> Vec<String> {
    let mut found = Vec::new();
    let (mut newer, mut section) = (false, false);
    for line in changelog.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            newer = is_newer(heading, release);
            section = false;
        } else if line.starts_with("### ") {
            section = line.trim_end() == BROKEN;
        } else if newer
            && section
            && let Some(item) = line.strip_prefix("- ").or(line.strip_prefix("* "))
        {
            found.push(item.trim_end().to_owned());
        }
    }
    found
}

/// Matches `[Unreleased]`, or `[0.2.0] - 2027-01-31` after 0.1.0.
fn is_newer(heading: &str, release: Version) -> bool {
    let name = heading.trim_start_matches('[');
    let name = name.split([']', ' ']).next().unwrap_or_default();
    name == "Unreleased" || Version::parse(name).is_some_and(|version| version > release)
}

#[cfg(test)]
mod tests {
    use super::broken;
    use crate::compat::release::Version;

    #[test]
    fn breaks_stand_under_what_is_newer_than_the_release() {
        let changelog = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- something\n\n\
            ### Broken\n\n- a: one\n  for a reason\n* b: two\n\n\
            ## [0.2.0] - 2027-01-31\n\n### Broken\n\n- c: three\n\n\
            ## [0.1.0]\n\n### Broken\n\n- d: four\n";
        let after = |text| broken(changelog, Version::parse(text).expect("it is a version"));
        assert_eq!(after("0.1.0"), ["a: one", "b: two", "c: three"]);
        assert_eq!(after("0.2.0"), ["a: one", "b: two"]);
        assert_eq!(
            broken("", Version::parse("0.1.0").expect("it is a version")),
            Vec::<String>::new()
        );
    }
}
