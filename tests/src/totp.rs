//! An authenticator app: codes by `oathtool`, which we did not write, or by totp-rs where there are thousands.

use std::process::Command;
use std::sync::OnceLock;

use countersign::clock::Clock;
use countersign::model::Time;
use data_encoding::BASE32_NOPAD;

use crate::logs;
use crate::suite::Tool;

/// Seconds of one code.
pub const STEP: i64 = 30;

/// An authenticator app that scanned one secret.
#[derive(Clone, Debug)]
pub struct Authenticator {
    /// The secret in base32.
    pub secret: String,
    /// The newest step whose code was typed in.
    last: i64,
}

impl Authenticator {
    /// Scans a secret.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            last: i64::MIN,
        }
    }

    /// The code that the app shows at a moment.
    pub fn code_at(&self, time: Time) -> String {
        let code = if has_oathtool() {
            self.by_oathtool(time)
        } else {
            self.by_library(time)
        };
        logs::code(&code);
        code
    }

    /// The same by `oathtool`.
    ///
    /// # Panics
    /// When it is missing.
    pub fn by_oathtool(&self, time: Time) -> String {
        let now = format!("@{}", time.seconds());
        let output = Command::new("oathtool")
            .args(["--totp", "--base32", "--now", &now, &self.secret])
            .output()
            .expect("oathtool");
        assert!(output.status.success(), "oathtool: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The same by totp-rs.
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

    /// The code that the app shows now.
    pub fn code(&mut self, clock: &Clock) -> String {
        self.last = self.last.max(step(clock.now()));
        self.code_at(clock.now())
    }

    /// A code that was not typed in yet: waits for the next one if need be.
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

    /// Six digits that fit at no step about now.
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

/// The step of a moment.
pub fn step(time: Time) -> i64 {
    time.seconds().div_euclid(STEP)
}

fn has_oathtool() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| Tool::Oathtool.is_there())
}
