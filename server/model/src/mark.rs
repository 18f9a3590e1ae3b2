//! Marks: how far a database had come when it was last seen, to notice one that went back to an older state.

use diesel::Queryable;
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// How far a database had come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Queryable)]
pub struct Mark {
    /// Identifies the database. It is drawn once, and all copies of it have the same.
    pub database_id: String,
    /// When its epoch began, in UTC microseconds; 0 if it never went back.
    pub epoch: i64,
    /// How often it was marked.
    pub sequence: i64,
}

impl Mark {
    /// Whether a database with this mark is a different one from `seen`, or an older state of it. Each mark
    /// increases the sequence, so an equal mark is older too.
    pub fn went_back(&self, seen: &Self) -> bool {
        self.database_id != seen.database_id
            || (self.epoch, self.sequence) <= (seen.epoch, seen.sequence)
    }

    /// Returns when the epoch began.
    pub const fn began(&self) -> Time {
        Time::from_micros(self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::Mark;

    fn mark(id: &str, epoch: i64, sequence: i64) -> Mark {
        Mark {
            database_id: id.to_owned(),
            epoch,
            sequence,
        }
    }

    #[test]
    fn what_does_not_count_on_went_back() {
        let seen = mark("a", 5, 10);
        for (now, back) in [
            (mark("a", 5, 11), false),
            (mark("a", 5, 10), true),
            (mark("a", 5, 9), true),
            (mark("a", 6, 1), false),
            (mark("a", 0, 99), true),
            (mark("b", 9, 99), true),
        ] {
            assert_eq!(now.went_back(&seen), back, "{now:?}");
        }
    }
}
