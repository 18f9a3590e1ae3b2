//! Decides which calls are repeated automatically, how often, and after what pause.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};

use super::platform::chance;
use super::sending::Outcome;
use crate::call::About;

/// The first pause if the server names none. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Up to this much is added to the pause that a server asks for, so that its callers do not all
/// return at once.
const SPREAD: Duration = Duration::from_millis(250);

/// How often a call may be repeated automatically.
///
/// ```
/// use std::time::Duration;
/// use countersign_sdk::{Client, Retry};
///
/// # fn main() -> Result<(), countersign_sdk::BuildError> {
/// let patient = Retry::new(5, Duration::from_secs(60));
/// let client = Client::builder("https://id.example.com").retry(patient).build()?;
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
///
/// Whatever is set here, only safe calls are repeated:
///
/// * a call that only reads, if the server was busy (429, 502, 503, 504) or the connection broke;
/// * any other call, if the connection could not be made, or the server itself says that it was too
///   busy to begin (503 `SERVICE_UNAVAILABLE`);
/// * never a call with a code or a refresh token. A code is good for one try, and the user decides
///   about it.
///
/// The server's `Retry-After` is respected. If it asks for more than the time left here, the error
/// is returned at once, and [`Problem::retry_after`](crate::Problem::retry_after) tells how long to
/// wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    tries: u32,
    within: Duration,
}

impl Retry {
    /// Allows at most `tries` tries in all. The last one starts no later than `within` after the
    /// first.
    #[must_use]
    pub const fn new(tries: u32, within: Duration) -> Self {
        Self { tries, within }
    }

    /// Makes every call once.
    #[must_use]
    pub const fn never() -> Self {
        Self::new(1, Duration::ZERO)
    }

    /// Returns the pause before the next try, or `None` if this outcome is final.
    pub(super) fn pause(&self, made: Made, about: &About, outcome: &Outcome) -> Option<Duration> {
        if made.tries >= self.tries || !may_retry(about, outcome) {
            return None;
        }
        let asked = outcome
            .as_ref()
            .ok()
            .and_then(|answer| retry_after(&answer.headers));
        let pause = match asked {
            Some(asked) => asked + SPREAD.mul_f64(chance()),
            None => backoff(made.tries),
        };
        (made.took + pause <= self.within).then_some(pause)
    }
}

/// Three tries within twenty seconds.
impl Default for Retry {
    fn default() -> Self {
        Self::new(3, Duration::from_secs(20))
    }
}

/// The tries of a call so far.
#[derive(Clone, Copy)]
pub(super) struct Made {
    /// The number of tries, including the current one.
    pub(super) tries: u32,
    /// The time since the first try started.
    pub(super) took: Duration,
}

fn may_retry(about: &About, outcome: &Outcome) -> bool {
    if about.one_time {
        return false;
    }
    let only_reads = about.method == Method::GET || about.method == Method::HEAD;
    match outcome {
        Ok(answer) if only_reads => matches!(
            answer.status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        ),
        // A proxy's 503 does not tell what the server did. The server's own one says that nothing
        // took effect.
        Ok(answer) => {
            answer.status == StatusCode::SERVICE_UNAVAILABLE
                && answer.code().as_deref() == Some("SERVICE_UNAVAILABLE")
        }
        Err(error) if only_reads => !error.is_builder(),
        Err(error) => never_arrived(error),
    }
}

/// Tells whether the connection was never made.
fn never_arrived(error: &reqwest::Error) -> bool {
    #[cfg(not(target_arch = "wasm32"))]
    let never = error.is_connect();
    #[cfg(target_arch = "wasm32")]
    let never = error.is_builder();
    never
}

/// Returns a pause that doubles with each try. Half of it is random.
fn backoff(tries: u32) -> Duration {
    let pause = FIRST_PAUSE * 2_u32.saturating_pow(tries.saturating_sub(1).min(10));
    pause.mul_f64(0.5 + chance() / 2.0)
}

/// Parses the header Retry-After: seconds or, from a proxy, a date (RFC 9110 §10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some(
        (date.to_utc() - chrono::Utc::now())
            .to_std()
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
    use reqwest::{Method, StatusCode};

    use super::{About, Made, Outcome, Retry, retry_after};
    use crate::client::answer::Received;

    const READS: About = about(Method::GET, false);
    const ACTS: About = about(Method::POST, false);
    const CARRIES_A_CODE: About = about(Method::POST, true);

    const fn about(method: Method, one_time: bool) -> About {
        About {
            name: "do_it",
            method,
            path: "/it",
            opened_by: &[],
            one_time,
            ends_session: false,
        }
    }

    const FIRST: Made = Made {
        tries: 1,
        took: Duration::ZERO,
    };

    fn answered(status: u16, retry_after: Option<&str>, code: &str) -> Outcome {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = retry_after {
            headers.insert(
                RETRY_AFTER,
                HeaderValue::from_str(seconds).expect("a header"),
            );
        }
        Ok(Received {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: format!(r#"{{"code":"{code}"}}"#).into(),
        })
    }

    fn pause(about: &About, outcome: &Outcome) -> Option<Duration> {
        Retry::default().pause(FIRST, about, outcome)
    }

    #[test]
    fn reading_is_repeated_when_the_server_is_busy_and_not_otherwise() {
        for (status, again) in [
            (200, false),
            (401, false),
            (404, false),
            (429, true),
            (500, false),
            (502, true),
            (503, true),
            (504, true),
        ] {
            let outcome = answered(status, None, "X");
            assert_eq!(pause(&READS, &outcome).is_some(), again, "{status}");
        }
    }

    #[test]
    fn what_acts_is_repeated_only_on_the_servers_own_word() {
        for (status, code, again) in [
            (503, "SERVICE_UNAVAILABLE", true),
            (503, "A_PROXY", false),
            (502, "SERVICE_UNAVAILABLE", false),
            (429, "TOO_MANY_REQUESTS", false),
        ] {
            let outcome = answered(status, Some("1"), code);
            assert_eq!(pause(&ACTS, &outcome).is_some(), again, "{status} {code}");
            assert_eq!(pause(&CARRIES_A_CODE, &outcome), None);
        }
    }

    #[test]
    fn the_servers_pause_is_kept_and_the_bounds_hold() {
        let busy = answered(503, Some("2"), "SERVICE_UNAVAILABLE");
        let pause = pause(&READS, &busy).expect("it is repeated");
        assert!(
            (Duration::from_secs(2)..=Duration::from_millis(2250)).contains(&pause),
            "{pause:?}"
        );
        let retry = Retry::new(3, Duration::from_secs(5));
        for (tries, took, again) in [(2, 1, true), (2, 4, false), (3, 1, false)] {
            let made = Made {
                tries,
                took: Duration::from_secs(took),
            };
            let pause = retry.pause(made, &READS, &busy);
            assert_eq!(pause.is_some(), again, "{tries} tries, {took} s");
        }
        assert_eq!(Retry::never().pause(FIRST, &READS, &busy), None);
    }

    #[test]
    fn a_date_is_read_as_well() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).expect("a header"));
            retry_after(&headers)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(read("Fri, 01 Jan 2100 00:00:00 GMT").is_some_and(|wait| wait.as_secs() > 1_000));
        assert_eq!(read("soon"), None);
    }
}
