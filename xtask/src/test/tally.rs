//! Adds up the closing lines of several test runs, and remembers what was skipped.

use std::fmt;

/// What happened over all runs.
#[derive(Debug, Default, PartialEq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were skipped, which cargo calls ignored.
    pub skipped: u64,
    /// The names of the skipped tests.
    pub names: Vec<String>,
}

impl Tally {
    /// Reads a line of `cargo test`: `test NAME ... ignored` gives a name, `test result: …` the
    /// counts.
    pub fn take(&mut self, line: &str) {
        let Some(rest) = line.trim().strip_prefix("test ") else {
            return;
        };
        if let Some(counts) = rest.strip_prefix("result:") {
            for part in counts.split(['.', ';']) {
                self.count(part);
            }
        } else if let Some((name, _)) = rest.split_once("... ignored") {
            self.names.push(name.trim().to_owned());
        }
    }

    /// Adds one part of the closing line: `12 passed`.
    fn count(&mut self, part: &str) {
        let mut words = part.split_whitespace();
        let Some(Ok(count)) = words.next().map(str::parse::<u64>) else {
            return;
        };
        match words.next() {
            Some("passed") => self.passed += count,
            Some("failed") => self.failed += count,
            Some("ignored") => self.skipped += count,
            _other => {}
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn the_closing_lines_of_cargo_test_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test swagger_ui::signs_in       ... ignored",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.89s",
            "test a::b ... ok",
            "test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            tally.take(line);
        }
        assert_eq!(tally.to_string(), "17 passed, 2 failed, 1 skipped");
        assert_eq!(tally.names, ["swagger_ui::signs_in"]);
    }
}
