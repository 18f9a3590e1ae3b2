//! The clock, which can be held, set and advanced.

use actix_web::web::Json;
use actix_web::{get, post, put};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;
use validator::Validate;

use super::error::refuses;
use super::{Answer, Body, Box};
use crate::Sandbox;
use crate::http::input::present;
use crate::model::{Refusal, Time};

/// The latest time it can be put to: 9000-01-01, so that whatever lives from then on ends in the year 9999 at the latest.
const LATEST: i64 = 221_845_392_000;

/// The longest stretch it can be advanced by: ten years, in seconds.
const FARTHEST: i64 = 315_360_000;

refuses!(GetClock: ALONE, ForeignPage);

/// Tells the time.
#[utoipa::path(operation_id = "getClock", tag = "Clock",
    responses((status = 200, body = ClockState), GetClock))]
#[get("/sandbox/clock")]
pub async fn get_clock(sandbox: Box) -> Json<ClockState> {
    Json(ClockState::of(&sandbox))
}

refuses!(SetClock: WITH_BODY_ALONE, Validation, ForeignPage);

/// Sets the clock, holds it, or lets it go on.
#[utoipa::path(operation_id = "setClock", tag = "Clock", request_body = SetClockRequest,
    responses((status = 200, body = ClockState), SetClock))]
#[put("/sandbox/clock")]
pub async fn set_clock(sandbox: Box, body: Body<SetClockRequest>) -> Answer<ClockState> {
    let wanted = body.into_inner();
    let time = wanted.time()?;
    if let Some(held) = wanted.held {
        sandbox.hold(held);
    }
    if let Some(time) = time {
        sandbox.set_time(time);
    }
    Ok(Json(ClockState::of(&sandbox)))
}

refuses!(AdvanceClock: WITH_BODY_ALONE, Validation, ForeignPage);

/// Advances the clock.
#[utoipa::path(operation_id = "advanceClock", tag = "Clock", request_body = AdvanceClockRequest,
    responses((status = 200, body = ClockState), AdvanceClock))]
#[post("/sandbox/clock/advance")]
pub async fn advance_clock(sandbox: Box, body: Body<AdvanceClockRequest>) -> Answer<ClockState> {
    let then = sandbox.now().plus_seconds(body.into_inner().seconds);
    sandbox.set_time(judged(then, "seconds")?);
    Ok(Json(ClockState::of(&sandbox)))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetClockRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 20, max = 40))]
    #[schema(format = DateTime, min_length = 20, max_length = 40, nullable = false)]
    now: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    held: Option<bool>,
}

impl SetClockRequest {
    fn time(&self) -> Result<Option<Time>, Refusal> {
        let Some(text) = &self.now else {
            return Ok(None);
        };
        let sentence = "This must be a time, such as 2026-11-22T14:15:00Z.";
        let read = OffsetDateTime::parse(text, &Rfc3339);
        let read = read.map_err(|_| Refusal::field("now", sentence))?;
        let micros = i64::try_from(read.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX);
        judged(Time::from_micros(micros), "now").map(Some)
    }
}

/// A time that everything can be reckoned from.
fn judged(time: Time, field: &str) -> Result<Time, Refusal> {
    match (0..=LATEST).contains(&time.seconds()) {
        true => Ok(time),
        false => {
            let sentence = "Send a time from the year 1970 to the year 9000.";
            Err(Refusal::field(field, sentence))
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdvanceClockRequest {
    #[validate(range(min = 0, max = FARTHEST))]
    #[schema(format = Int32, minimum = 0, maximum = 315_360_000)]
    seconds: i64,
}

/// The clock.
#[derive(Serialize, ToSchema)]
pub struct ClockState {
    #[schema(format = DateTime)]
    now: String,
    held: bool,
}

impl ClockState {
    /// As it is now.
    pub fn of(sandbox: &Sandbox) -> Self {
        Self {
            now: sandbox.now().to_string(),
            held: sandbox.is_held(),
        }
    }
}
