//! What the suite found.

use std::fmt;

use super::Case;

/// How one case ended.
///
/// ```
/// use countersign_testkit::backend::Outcome;
///
/// assert_ne!(Outcome::Passed, Outcome::Skipped("this back end has no sign-out".to_owned()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The door stayed closed.
    Passed,
    /// Somebody got in. The text says how.
    Failed(String),
    /// The case could not be tried, for this reason. Something is wrong, so the report does not
    /// pass.
    Untried(String),
    /// The case does not apply to this back end, for this reason.
    Skipped(String),
}

/// The outcome of every case.
///
/// It prints as a list that a developer can act on.
///
/// ```
/// # use countersign_testkit::{Sandbox, backend};
/// # async fn example(sandbox: Sandbox, my_app: impl backend::Backend) {
/// let report = backend::check(&sandbox, my_app).await;
/// assert!(report.passed(), "{report}");
/// # }
/// ```
#[derive(Clone)]
pub struct Report {
    outcomes: Vec<(Case, Outcome)>,
}

impl Report {
    pub(super) fn of(outcomes: Vec<(Case, Outcome)>) -> Self {
        Self { outcomes }
    }

    /// Tells whether every case passed or does not apply.
    ///
    /// ```
    /// # fn example(report: countersign_testkit::backend::Report) {
    /// assert!(report.passed(), "{report}");
    /// # }
    /// ```
    #[must_use]
    pub fn passed(&self) -> bool {
        let good = |outcome: &Outcome| matches!(outcome, Outcome::Passed | Outcome::Skipped(_));
        self.outcomes.iter().all(|(_, outcome)| good(outcome))
    }

    /// Returns every case with its outcome, in the order in which they were tried.
    ///
    /// ```
    /// # fn example(report: countersign_testkit::backend::Report) {
    /// for (case, outcome) in report.outcomes() {
    ///     println!("{case}: {outcome:?}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn outcomes(&self) -> &[(Case, Outcome)] {
        &self.outcomes
    }

    /// Returns the outcome of one case.
    ///
    /// ```
    /// # fn example(report: countersign_testkit::backend::Report) {
    /// use countersign_testkit::backend::{Case, Outcome};
    ///
    /// assert_eq!(report.outcome(Case::WrongCode), Some(&Outcome::Passed));
    /// # }
    /// ```
    #[must_use]
    pub fn outcome(&self, case: Case) -> Option<&Outcome> {
        let mut all = self.outcomes.iter();
        all.find(|(tried, _)| *tried == case)
            .map(|(_, outcome)| outcome)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bad = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_) | Outcome::Untried(_));
        let bad = self.outcomes.iter().filter(|(_, outcome)| bad(outcome));
        writeln!(
            formatter,
            "The second factor of this back end: {} of {} cases are not as they should be.",
            bad.count(),
            self.outcomes.len()
        )?;
        for (case, outcome) in &self.outcomes {
            let line = match outcome {
                Outcome::Passed => format!("  ok       {case}"),
                Outcome::Skipped(why) => format!("  skipped  {case}: {why}"),
                Outcome::Untried(why) => format!("  UNTRIED  {case}\n           {why}"),
                Outcome::Failed(how) => format!(
                    "  FAILED   {case}\n           {how}\n           {}",
                    case.meaning()
                ),
            };
            writeln!(formatter, "{line}")?;
        }
        Ok(())
    }
}

/// The same as `Display`, since a test that fails shows this one.
impl fmt::Debug for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for Report {}

#[cfg(test)]
mod tests {
    use super::{Case, Outcome, Report};

    #[test]
    fn it_says_what_is_wrong_and_what_to_do() {
        let report = Report::of(vec![
            (Case::RightSignIn, Outcome::Passed),
            (Case::EndedSession, Outcome::Skipped("not asked".to_owned())),
            (Case::WrongCode, Outcome::Failed("It opened.".to_owned())),
            (Case::EmptyCode, Outcome::Untried("No answer.".to_owned())),
        ]);
        assert!(!report.passed());
        assert_eq!(
            report.to_string(),
            "The second factor of this back end: 2 of 4 cases are not as they should be.\n\
             \x20 ok       password and code open the resource\n\
             \x20 skipped  a session that was ended opens nothing: not asked\n\
             \x20 FAILED   a wrong code is refused\n\
             \x20          It opened.\n\
             \x20          The second factor is not checked. Let in only after a 200 of the server.\n\
             \x20 UNTRIED  an empty code is refused\n\
             \x20          No answer.\n"
        );
        assert_eq!(format!("{report:?}"), report.to_string());
    }

    #[test]
    fn every_case_is_tried_once() {
        for case in Case::ALL {
            let found = Case::ALL.iter().filter(|other| **other == case);
            assert_eq!(found.count(), 1, "{case}");
        }
    }
}
