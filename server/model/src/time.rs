//! `Time`: a moment in UTC, in microseconds, as every table keeps it.

use std::fmt;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::BigInt;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// A moment: microseconds since 1970-01-01T00:00:00Z, leap seconds ignored as in Unix time.
///
/// Arithmetic saturates, so a clock that jumps can give a silly time but never a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = BigInt)]
pub struct Time(i64);

const MICROS: i64 = 1_000_000;

/// Seconds by which the clocks of two replicas may differ, and a clock may go back, with all waits and
/// limits as before.
pub const SKEW: i64 = 10;

impl Time {
    /// The moment `micros` microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment `seconds` seconds after the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    /// This moment `seconds` later (earlier when negative).
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(MICROS)))
    }

    /// Seconds from `now` until this moment, rounded up, never negative: what `Retry-After` says.
    pub fn seconds_after(self, now: Self) -> u32 {
        let micros = self.0.saturating_sub(now.0);
        if micros <= 0 {
            return 0;
        }
        let seconds = micros.saturating_add(MICROS - 1) / MICROS;
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// Seconds from `now` until this moment, which ends a wait or a life of `length` seconds.
    ///
    /// Where more than the whole length is left, the clock went back since it began: nobody knows then
    /// how much of it is over, so all of it is, and no wait lasts longer than it is long.
    pub fn left_of(self, length: u32, now: Self) -> u32 {
        match self > now.plus_seconds(i64::from(length) + SKEW) {
            true => 0,
            false => self.seconds_after(now),
        }
    }

    /// Whether `now` lies before this moment, by more than clocks may differ: the clock went back since.
    pub fn is_to_come(self, now: Self) -> bool {
        self > now.plus_seconds(SKEW)
    }
}

const RFC3339_MILLIS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// RFC 3339, UTC, with milliseconds: `2026-11-22T14:15:22.123Z`.
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
