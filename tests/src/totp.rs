//! An authenticator app. Its codes come from `oathtool`, which we did not write, or from totp-rs
//! where thousands are needed.

use std::process::Command;
use std::sync::OnceLock;

use countersign::clock::Clock;
use countersign::model::Time;
use data_encoding::BASE32_NOPAD;

use crate::logs;
use crate::suite::Tool;

/// How many seconds a code is shown.
pub const STEP: i64 = 30;

/// An authenticator app with one secret.
#[derive(Clone, Debug)]
pub struct Authenticator {
    /// The secret in base32.
    pub secret: String,
    /// The newest step whose code was used.
    last: i64,
}

impl Authenticator {
    /// Adds a secret to a new app.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            last: i64::MIN,
        }
    }

    /// Returns the code that the app shows at a given time.
    pub fn code_at(&self, time: Time) -> String {
        let code = if has_oathtool() {
            self.by_oathtool(time)
        } else {
            self.by_library(time)
        };
        logs::code(&code);
        code
    }

    /// Returns that code from `oathtool`.
    ///
    /// # Panics
    /// Panics if it is missing.
    pub fn by_oathtool(&self, time: Time) -> String {
        let now = format!("@{}", time.seconds());
        let output = Command::new("oathtool")
            .args(["--totp", "--base32", "--now", &now, &self.secret])
            .output()
            .expect("oathtool");
        assert!(output.status.success(), "oathtool: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Returns that code from totp-rs.
    pub fn by_library(&self, time: Time) -> String {
        let secret = BASE32_NOPAD.decode(self.secret.as_bytes()).expect("base32");
        let totp = totp_rs::Builder::new()
            .with_secret(secret)
            .with_skew(0)
            .build()
            .expect("a secret");
        totp.generate(u64::try_from(time.seconds()).expect("after 1970"))
            .to_string()
    }

    /// Returns the code that the app shows now.
    pub fn code(&mut self, clock: &Clock) -> String {
        self.last = self.last.max(step(clock.now()));
        self.code_at(clock.now())
    }

    /// Returns a code that was not used yet. Moves the clock to the next one if necessary.
    pub fn fresh_code(&mut self, clock: &Clock) -> String {
        let missing = self
            .last
            .saturating_add(1)
            .saturating_mul(STEP)
            .saturating_sub(clock.now().seconds());
        if missing > 0 {
            clock.advance(missing);
        }
        self.code(clock)
    }

    /// Returns six digits that are wrong for every step around now.
    pub fn wrong_code(&self, clock: &Clock) -> String {
        let now = clock.now();
        let near: Vec<String> = (-3..=3)
            .map(|steps| self.by_library(now.plus_seconds(steps * STEP)))
            .collect();
        let candidates = (0..10).map(|digit| format!("11111{digit}"));
        candidates
            .into_iter()
            .find(|code| !near.contains(code))
            .expect("seven codes are not ten")
    }
}

/// Returns the step of a time.
pub fn step(time: Time) -> i64 {
    time.seconds().div_euclid(STEP)
}

fn has_oathtool() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| Tool::Oathtool.is_there())
}
