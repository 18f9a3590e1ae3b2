//! `Time`: a moment in UTC, in microseconds, as all tables have it.

use std::fmt;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::BigInt;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// A moment: microseconds since 1970-01-01T00:00:00Z. Leap seconds are ignored, as in Unix time.
///
/// Arithmetic saturates. A clock that jumps can give a wrong time, but never a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = BigInt)]
pub struct Time(i64);

const MICROS: i64 = 1_000_000;

/// The seconds by which the clocks of two replicas may differ, or a clock may go back, without any effect on
/// waits and limits.
pub const SKEW: i64 = 10;

impl Time {
    /// Returns the moment `micros` microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the moment `seconds` seconds after the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS))
    }

    /// Returns the microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    /// Returns the moment `seconds` later, or earlier if negative.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(MICROS)))
    }

    /// Returns the seconds from `now` until this moment, for `Retry-After`: rounded up, never negative.
    pub fn seconds_after(self, now: Self) -> u32 {
        let micros = self.0.saturating_sub(now.0);
        if micros <= 0 {
            return 0;
        }
        let seconds = micros.saturating_add(MICROS - 1) / MICROS;
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// Returns the seconds from `now` until this moment, which ends a wait or a life of `length` seconds.
    ///
    /// If more than the whole length is left, the clock has gone back since it began. Then nobody knows how
    /// much is over, so this returns 0. No wait is ever longer than its length.
    pub fn left_of(self, length: u32, now: Self) -> u32 {
        match self > now.plus_seconds(i64::from(length) + SKEW) {
            true => 0,
            false => self.seconds_after(now),
        }
    }

    /// Whether this moment is in the future by more than clocks may differ: the clock has gone back since.
    pub fn is_to_come(self, now: Self) -> bool {
        self > now.plus_seconds(SKEW)
    }
}

const RFC3339_MILLIS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Prints RFC 3339 in UTC with milliseconds: `2026-11-22T14:15:22.123Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .ok()
            .and_then(|moment| moment.format(RFC3339_MILLIS).ok())
            .ok_or(fmt::Error)?;
        f.write_str(&text)
    }
}

impl<DB: Backend> ToSql<BigInt, DB> for Time
where
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl<DB: Backend> FromSql<BigInt, DB> for Time
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(bytes).map(Self)
    }
}
