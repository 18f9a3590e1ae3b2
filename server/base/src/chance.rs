//! `Chance`: the only source of random bytes. It is the system's generator, or a seeded one in
//! tests.

use std::fmt;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::{ChaCha20Rng, SysRng};
use rand::{Rng, SeedableRng, TryRng};
use zeroize::Zeroize;

use crate::model::ids::Id;
use crate::model::{Secret, Time};

/// Length of a TOTP secret in bytes: 160 bits (RFC 4226 §4 R6).
const TOTP_SECRET_BYTES: usize = 20;

/// A source of random bytes. It is passed to all code that draws some.
#[derive(Clone)]
pub struct Chance(Source);

#[derive(Clone)]
enum Source {
    /// The operating system's generator (ASVS 11.5.1).
    System,
    /// ChaCha20 from a seed, shared by all clones.
    Seeded(Arc<Mutex<ChaCha20Rng>>),
}

impl Chance {
    /// Uses the operating system's generator.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// Makes a generator that yields the same bytes for the same seed. For tests and the sandbox only.
    pub fn seeded(seed: u64) -> Self {
        let generator = ChaCha20Rng::seed_from_u64(seed);
        Self(Source::Seeded(Arc::new(Mutex::new(generator))))
    }

    /// Restarts a seeded generator and all its clones with `seed`. Does nothing to the system's generator.
    pub fn reseed(&self, seed: u64) {
        match &self.0 {
            Source::System => {}
            Source::Seeded(generator) => {
                let mut generator = generator.lock().unwrap_or_else(PoisonError::into_inner);
                *generator = ChaCha20Rng::seed_from_u64(seed);
            }
        }
    }

    /// Fills `bytes` with random bytes.
    ///
    /// Aborts the process if the system has no random bytes: no request could be served safely any
    /// more, and a supervisor sees the exit (fail closed).
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::System => {
                if let Err(error) = SysRng.try_fill_bytes(bytes) {
                    tracing::error!(%error, "the system's random generator failed, stopping");
                    crate::log::finish();
                    process::abort();
                }
            }
            Source::Seeded(generator) => generator
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .fill_bytes(bytes),
        }
    }

    /// Draws a 256-bit secret for a reference.
    pub fn secret(&self) -> Secret<[u8; 32]> {
        let mut bytes = self.bytes();
        let secret = Secret::new(bytes);
        bytes.zeroize();
        secret
    }

    /// Draws a nonce for sealing once with XChaCha20-Poly1305. It is long enough to be random (ASVS
    /// 11.3.4).
    pub fn nonce(&self) -> [u8; 24] {
        self.bytes()
    }

    /// Draws a salt for one password hash (RFC 9106 §4).
    pub fn salt(&self) -> [u8; 16] {
        self.bytes()
    }

    /// Draws the id of a row made at `now`: a UUIDv7 that begins with the time in microseconds and
    /// has 62 random bits.
    pub fn id<K>(&self, now: Time) -> Id<K> {
        let micros = u64::try_from(now.micros()).unwrap_or(0);
        let (millis, part) = (micros / 1000, micros % 1000);
        let mut bytes: [u8; 10] = self.bytes();
        // RFC 9562 §6.2, method 3: the twelve bits after the milliseconds hold their fraction, so
        // that rows of the same millisecond stay in order.
        let fraction = u16::try_from(part * 4096 / 1000).unwrap_or(0);
        bytes[..2].copy_from_slice(&fraction.to_be_bytes());
        Id::new(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
    }

    /// Draws a code of `digits` decimal digits, all equally likely, with leading zeros (NIST SP
    /// 800-63B-4 §3.1.3.2).
    pub fn code(&self, digits: u32) -> Secret<String> {
        let width = digits as usize;
        let number = self.below(10_u64.saturating_pow(digits));
        Secret::new(format!("{number:0width$}"))
    }

    /// Draws a TOTP secret of 160 bits.
    pub fn totp_secret(&self) -> Secret<Vec<u8>> {
        let mut bytes = vec![0; TOTP_SECRET_BYTES];
        self.fill(&mut bytes);
        Secret::new(bytes)
    }

    /// Draws a number below `bound`, all equally likely; 0 if `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // The last, incomplete round of numbers would favour small remainders, so it is drawn
        // again.
        let whole_rounds = u64::MAX - u64::MAX % bound;
        loop {
            let drawn = u64::from_le_bytes(self.bytes());
            if drawn < whole_rounds {
                return drawn % bound;
            }
        }
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System => "Chance(system)",
            Source::Seeded(_) => "Chance(seeded)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;
    use crate::model::{Time, UserId};

    #[test]
    fn a_seed_repeats_and_the_system_does_not() {
        let twin = |seed| Chance::seeded(seed).nonce();
        assert_eq!(twin(7), twin(7));
        assert_ne!(twin(7), twin(8));
        assert_ne!(Chance::system().nonce(), Chance::system().nonce());
        let chance = Chance::seeded(7);
        let clone = chance.clone();
        assert_ne!(clone.nonce(), chance.nonce());
    }

    #[test]
    fn codes_are_uniform_and_keep_their_zeros() {
        let chance = Chance::seeded(1);
        let mut first = [0_u32; 10];
        let mut last = [0_u32; 10];
        for _ in 0..20_000 {
            let code = chance.code(6);
            let digits = code.expose().as_bytes();
            assert_eq!(digits.len(), 6);
            first[usize::from(digits[0] - b'0')] += 1;
            last[usize::from(digits[5] - b'0')] += 1;
        }
        // With 9 degrees of freedom, chi-square stays below 27.9 with probability 0.999.
        for counts in [first, last] {
            let chi: f64 = counts
                .iter()
                .map(|&count| (f64::from(count) - 2_000.0).powi(2) / 2_000.0)
                .sum();
            assert!(chi < 27.9, "{counts:?}");
        }
        assert_eq!(chance.code(10).expose().len(), 10);
    }

    #[test]
    fn below_stays_below() {
        let chance = Chance::seeded(3);
        assert_eq!((chance.below(0), chance.below(1)), (0, 0));
        assert!((0..1_000).all(|_| chance.below(3) < 3));
    }

    #[test]
    fn ids_are_version_seven_and_in_the_order_of_time() {
        let chance = Chance::seeded(2);
        let ids: Vec<UserId> = (0..1_500)
            .map(|n| chance.id(Time::from_micros(1_700_000_000_000_000 + n * 10)))
            .collect();
        assert!(
            ids.windows(2)
                .all(|pair| pair[0].as_bytes() < pair[1].as_bytes())
        );
        assert_eq!(ids[0].uuid().get_version_num(), 7);
        let early: UserId = chance.id(Time::from_seconds(-1));
        assert_eq!(early.as_bytes()[..6], [0; 6]);
    }

    #[test]
    fn secrets_have_their_sizes() {
        let chance = Chance::seeded(4);
        assert_eq!(chance.totp_secret().expose().len(), 20);
        assert_ne!(chance.secret().expose(), chance.secret().expose());
    }
}
