//! What an authenticator app shows, for whoever has no phone at hand.

use data_encoding::BASE32_NOPAD;
use totp_rs::Builder;

use crate::factor::totp::step;
use crate::model::Time;

/// Seconds of one code.
const STEP: i64 = 30;

/// What an authenticator app shows at a moment.
pub struct AppCodes {
    /// The code.
    pub code: String,
    /// The one after it.
    pub next: String,
    /// Seconds until then.
    pub left: u32,
}

/// What an app with this secret, in base32, shows at `now`; `None` if the secret is none.
pub fn codes_of(secret: &str, now: Time) -> Option<AppCodes> {
    let typed: String = secret
        .chars()
        .filter(|letter| !matches!(letter, ' ' | '-' | '='))
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    let secret = BASE32_NOPAD.decode(typed.as_bytes()).ok()?;
    let totp = Builder::new()
        .with_secret(secret)
        .with_skew(0)
        .build()
        .ok()?;
    let code = |step: i64| -> Option<String> {
        let time = u64::try_from(step.saturating_mul(STEP)).ok()?;
        Some(totp.generate(time).to_string())
    };
    let current = step(now);
    let ends = Time::from_seconds((current + 1).saturating_mul(STEP));
    Some(AppCodes {
        code: code(current)?,
        next: code(current + 1)?,
        left: ends.seconds_after(now),
    })
}

#[cfg(test)]
mod tests {
    use super::codes_of;
    use crate::model::Time;

    #[test]
    fn it_shows_what_rfc_6238_says() {
        // The shared secret of RFC 6238, appendix B; six of its eight digits.
        let secret = "GEZD GNBV-GY3TQOJQ gezdgnbvgy3tqojq";
        let codes = codes_of(secret, Time::from_seconds(59)).expect("a secret");
        assert_eq!((codes.code.as_str(), codes.left), ("287082", 1));
        assert!(codes_of("1", Time::from_seconds(59)).is_none());
    }
}
