//! `Clock`: the only place that reads the system's time. In tests, it can be held still.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use crate::model::Time;

mod movable;

pub use movable::Movable;

/// The source of the server's time. It is passed to all code that needs the time.
///
/// Nothing else reads a clock, not even the database. One server therefore has one time, and a test
/// can hold it still.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A clock that moves only when set: microseconds since 1970, shared by all clones.
    Held(Arc<AtomicI64>),
    /// The sandbox's: the system's, moved by what it was told, or held.
    Movable(Arc<Movable>),
}

impl Clock {
    /// Makes a clock that stands at `time`.
    pub fn held(time: Time) -> Self {
        Self::Held(Arc::new(AtomicI64::new(time.micros())))
    }

    /// Returns the current time.
    pub fn now(&self) -> Time {
        match self {
            Self::System => system_time(),
            Self::Held(micros) => Time::from_micros(micros.load(Ordering::SeqCst)),
            Self::Movable(clock) => clock.at(system_time()),
        }
    }

    /// Returns a clock that runs like the system's until it is moved or held.
    pub fn movable() -> (Self, Arc<Movable>) {
        let clock = Arc::new(Movable::default());
        (Self::Movable(Arc::clone(&clock)), clock)
    }

    /// Moves a held clock by `seconds`, back if negative. Does nothing on [`Clock::System`].
    pub fn advance(&self, seconds: i64) {
        self.set(self.now().plus_seconds(seconds));
    }

    /// Sets a held or a movable clock; does nothing on [`Clock::System`].
    pub fn set(&self, time: Time) {
        match self {
            Self::System => {}
            Self::Held(micros) => micros.store(time.micros(), Ordering::SeqCst),
            Self::Movable(clock) => clock.set(system_time(), time),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the system's clock"
)]
fn system_time() -> Time {
    // A clock before 1970 is broken, but no reason to panic.
    let micros = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)
        }
    };
    Time::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use crate::model::Time;

    #[test]
    fn a_held_clock_moves_only_when_told_and_for_all_clones() {
        let clock = Clock::held(Time::from_seconds(1_000));
        let clone = clock.clone();
        assert_eq!(clone.now(), Time::from_seconds(1_000));
        clock.advance(60);
        assert_eq!(clone.now(), Time::from_seconds(1_060));
        clone.advance(-61);
        assert_eq!(clock.now(), Time::from_seconds(999));
        clock.set(Time::from_seconds(20_000_000_000));
        assert_eq!(clone.now().seconds(), 20_000_000_000);
    }

    #[test]
    fn the_systems_clock_is_not_moved() {
        let before = Clock::System.now();
        Clock::System.advance(3_600);
        let after = Clock::System.now();
        assert!(after >= before && after.seconds_after(before) < 600);
    }
}
