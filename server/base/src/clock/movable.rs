//! The sandbox's clock: the system's, moved by what it was told, or held still.

use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_model::Time;

/// A clock that goes on by itself and can be held, set and moved.
#[derive(Debug, Default)]
pub struct Movable(Mutex<Pace>);

/// How a movable clock goes.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// Like the system's, so many microseconds ahead of it.
    Going { ahead: i64 },
    /// Not at all.
    Held { at: Time },
}

impl Default for Pace {
    fn default() -> Self {
        Self::Going { ahead: 0 }
    }
}

impl Movable {
    /// The time, when the system's clock says `system`.
    pub fn at(&self, system: Time) -> Time {
        self.pace().at(system)
    }

    /// Whether it is held.
    pub fn is_held(&self) -> bool {
        matches!(*self.pace(), Pace::Held { .. })
    }

    /// Sets it to `time`, held or going on as it was.
    pub fn set(&self, system: Time, time: Time) {
        let mut pace = self.pace();
        *pace = match *pace {
            Pace::Held { .. } => Pace::Held { at: time },
            Pace::Going { .. } => Pace::ahead_at(system, time),
        };
    }

    /// Holds it where it is, or lets it go on from there.
    pub fn hold(&self, system: Time, held: bool) {
        let mut pace = self.pace();
        let now = pace.at(system);
        *pace = match held {
            true => Pace::Held { at: now },
            false => Pace::ahead_at(system, now),
        };
    }

    /// Goes like the system's again.
    pub fn reset(&self) {
        *self.pace() = Pace::default();
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    const fn ahead_at(system: Time, time: Time) -> Self {
        Self::Going {
            ahead: time.micros().saturating_sub(system.micros()),
        }
    }

    const fn at(self, system: Time) -> Time {
        match self {
            Self::Going { ahead } => Time::from_micros(system.micros().saturating_add(ahead)),
            Self::Held { at } => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Movable;
    use countersign_model::Time;

    #[test]
    fn it_goes_on_from_where_it_was_put() {
        let at = Time::from_seconds;
        let clock = Movable::default();
        assert_eq!(clock.at(at(100)), at(100));
        clock.set(at(100), at(5_000));
        assert_eq!((clock.at(at(101)), clock.is_held()), (at(5_001), false));
        clock.hold(at(102), true);
        assert_eq!((clock.at(at(900)), clock.is_held()), (at(5_002), true));
        clock.set(at(900), at(6_000));
        assert_eq!(clock.at(at(950)), at(6_000));
        clock.hold(at(1_000), false);
        assert_eq!(clock.at(at(1_001)), at(6_001));
        clock.reset();
        assert_eq!(clock.at(at(1_002)), at(1_002));
    }
}
