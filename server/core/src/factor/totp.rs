//! Authenticator apps: time-based one-time passwords (RFC 6238) with SHA-1, six digits and thirty seconds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qrcode::{Color, QrCode};
use totp_rs::{Builder, Totp};

use crate::factor::{
    Answer, Code, ComparisonInput, Expectation, Fit, Method, Preparation, SetUp, Verdict,
};
use crate::model::factor::Factor;
use crate::model::kinds::{CodeSetKind, FactorKind};
use crate::model::policy::Policy;
use crate::model::{Fault, Refusal, Result, Secret, Time};
use crate::outcome::SetupNeeds;
use crate::store::{Tx, factors, sealed};
use crate::vault::{Place, Vault};

/// Seconds per time step.
const STEP: i64 = 30;
/// The greatest clock error that users are told about, in steps: ten minutes.
const TELL_STEPS: i64 = 20;

/// The method: the current code of an authenticator app.
pub struct AuthenticatorApp;

impl Method for AuthenticatorApp {
    fn kind(&self) -> FactorKind {
        FactorKind::Authenticator
    }

    fn may_be_several(&self) -> bool {
        true
    }

    fn own_codes(&self) -> Option<CodeSetKind> {
        Some(CodeSetKind::Scratch)
    }

    fn gone(&self) -> Refusal {
        Refusal::AuthenticatorNotConfigured
    }

    fn prepare(&self, set_up: &SetUp<'_>, factor: &mut Factor) -> Result<Preparation> {
        let secret = set_up.chance.totp_secret();
        let place = Place::factor_secret(factor.user_id, factor.id);
        let nonce = set_up.chance.nonce();
        factor.sealed_secret = Some(set_up.vault.seal(&place, nonce, secret.expose())?);
        let printed = provision(&secret, &set_up.settings.issuer_name, &set_up.user.email)?;
        Ok(Preparation::code(SetupNeeds::Authenticator {
            secret: printed.secret,
            otpauth_url: printed.otpauth_url,
            qr_code: printed.qr_code,
        }))
    }

    fn expect(&self, expecting: ComparisonInput<'_>) -> Result<Box<dyn Expectation>> {
        let unseal = |factor| Authenticator::unseal(expecting.vault, factor);
        let all: Result<_> = expecting.candidates.into_iter().map(unseal).collect();
        Ok(Box::new(Authenticators(all?)))
    }
}

/// The authenticators of a user. One try covers them all.
struct Authenticators(Vec<Authenticator>);

impl Expectation for Authenticators {
    fn fit(&self, answer: &Answer, policy: &Policy, now: Time) -> Fit {
        let step = |one: &Authenticator| one.matching_step(answer.code()?, policy, now);
        Fit(self.0.iter().map(step).collect())
    }

    fn accept(&self, tx: &mut Tx, fit: &Fit, now: Time) -> Result<Verdict> {
        accept(tx, self.0.iter().zip(&fit.0), now)
    }

    fn clock_offset(&self, tx: &mut Tx, code: &Code, now: Time) -> Result<Option<i32>> {
        for one in &self.0 {
            if let Some(offset) = one.clock_offset(tx, code, now)? {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }

    fn only(&self, fit: &Fit) -> Option<(&Factor, i64)> {
        let mut fitting = self
            .0
            .iter()
            .zip(&fit.0)
            .filter_map(|(one, step)| step.map(|step| (one, step)));
        match (fitting.next(), fitting.next()) {
            (Some((one, step)), None) => Some((one.settled()?, step)),
            _ => None,
        }
    }
}

/// An authenticator with its secret unsealed.
pub struct Authenticator {
    factor: Factor,
    totp: Totp,
    /// The secret sealed with the newest key, if an older key sealed it.
    anew: Option<Vec<u8>>,
}

impl Authenticator {
    /// Unseals the factor's secret.
    ///
    /// # Errors
    /// Returns a fault if it has none, or it cannot be opened with these keys.
    pub fn unseal(vault: &Vault, factor: Factor) -> Result<Self> {
        let sealed = factor
            .sealed_secret
            .as_ref()
            .ok_or_else(|| Fault::bug(anyhow::anyhow!("an authenticator without a secret")))?;
        let place = Place::factor_secret(factor.user_id, factor.id);
        let secret = vault.unseal(&place, sealed)?;
        let anew = vault.reseal(&place, sealed)?;
        let totp = Builder::new()
            .with_secret(secret.expose().clone())
            .with_skew(0)
            .build()
            .map_err(|error| Fault::bug(anyhow::anyhow!("an authenticator's secret: {error}")))?;
        Ok(Self { factor, totp, anew })
    }

    /// Returns the factor, unless its secret has to be sealed anew.
    const fn settled(&self) -> Option<&Factor> {
        match self.anew {
            None => Some(&self.factor),
            Some(_) => None,
        }
    }

    /// Stores the secret as the newest key sealed it, so that the older key can be retired one day.
    fn keep_anew(&self, tx: &mut Tx) -> Result<()> {
        match (&self.anew, &self.factor.sealed_secret) {
            (Some(anew), Some(sealed)) => {
                let there = (self.factor.user_id, self.factor.id, sealed.as_slice());
                sealed::replace_secret(tx, there, anew)
            }
            _ => Ok(()),
        }
    }

    /// Returns the accepted time step that this code is for, the newest first (RFC 6238 §5.2).
    fn matching_step(&self, code: &Code, policy: &Policy, now: Time) -> Option<i64> {
        let current = step(now);
        let newest = newest_step(policy, now);
        (current - 1..=newest).rev().find(|step| {
            // Times before 1970 have no code.
            u64::try_from(step * STEP)
                .is_ok_and(|time| self.totp.check(code.expose(), time).is_some())
        })
    }
}

/// Returns the time step of a moment.
pub fn step(now: Time) -> i64 {
    now.seconds().div_euclid(STEP)
}

impl Authenticator {
    /// Returns how many seconds the device's clock is ahead (negative if behind), if the code is right within
    /// ten minutes of now. The step of a code from the future is stored, so that this is told once only and
    /// the code does not work later. Otherwise an attacker could guess a code and wait for its time.
    fn clock_offset(&self, tx: &mut Tx, code: &Code, now: Time) -> Result<Option<i32>> {
        let current = step(now);
        let fits = |offset: &i64| {
            u64::try_from((current + offset) * STEP)
                .is_ok_and(|time| self.totp.check(code.expose(), time).is_some())
        };
        // The nearest step comes first, so that a distant match by chance does not hide the true one.
        let nearest = (1..=TELL_STEPS).flat_map(|steps| [-steps, steps]);
        let Some(found) = nearest.into_iter().find(fits) else {
            return Ok(None);
        };
        if found > 0 {
            factors::tell_step(tx, &self.factor, current + found)?;
        }
        Ok(i32::try_from(found * STEP).ok())
    }
}

/// Marks the time step of a right code as used. `all` has each authenticator with the step that its code was
/// found for.
fn accept<'a>(
    tx: &mut Tx,
    all: impl Iterator<Item = (&'a Authenticator, &'a Option<i64>)>,
    now: Time,
) -> Result<Verdict> {
    let mut verdict = Verdict::Wrong;
    for (authenticator, step) in all {
        let Some(step) = *step else {
            continue;
        };
        if factors::accept_step(tx, &authenticator.factor, step, now)? {
            authenticator.keep_anew(tx)?;
            return Ok(Verdict::Right);
        }
        let used = authenticator.factor.last_step.unwrap_or(step).max(step);
        let next = Time::from_seconds((used + 1) * STEP);
        verdict = Verdict::Used {
            retry_after: next.seconds_after(now).max(1),
        };
    }
    Ok(verdict)
}

/// Returns the newest step whose code is accepted at `now` (RFC 6238 §5.2).
pub fn newest_step(policy: &Policy, now: Time) -> i64 {
    step(now) + i64::from(policy.totp_accept_next_step)
}

/// What a person enters into an authenticator app.
pub struct Provisioning {
    /// The secret in base32, to be typed.
    pub secret: Secret<String>,
    /// The secret as an `otpauth://` URI.
    pub otpauth_url: Secret<String>,
    /// That URI as a QR code: a PNG in a data URI.
    pub qr_code: Secret<String>,
}

/// Prints a new secret in the three forms that apps accept.
///
/// # Errors
/// Returns a fault if no URI or QR code can be made of it.
pub fn provision(secret: &Secret<Vec<u8>>, issuer: &str, account: &str) -> Result<Provisioning> {
    // In the label, a colon separates issuer and account (Key URI Format), so neither may contain one.
    let plain = |text: &str, most: usize| {
        let shown = text.chars().take(most).collect::<String>();
        shown.replace(':', " ")
    };
    // An address is shown in full, so that its owner recognises the account. It is short enough (RFC 5321
    // §4.5.3.1). A name can be as long, and its characters may take nine bytes each in a URI.
    let most = if account.contains('@') {
        usize::MAX
    } else {
        LABEL
    };
    let url = Builder::new()
        .with_secret(secret.expose().clone())
        .with_account_name(plain(account, most))
        .with_issuer(Some(plain(issuer, LABEL)))
        .build()
        .and_then(|totp| totp.to_url())
        .map_err(|error| Fault::bug(anyhow::anyhow!("an otpauth URI: {error}")))?;
    let image = picture(&url)?;
    Ok(Provisioning {
        secret: Secret::new(data_encoding::BASE32_NOPAD.encode(secret.expose())),
        otpauth_url: Secret::new(url),
        qr_code: Secret::new(format!("data:image/png;base64,{}", STANDARD.encode(image))),
    })
}

/// Draws a text as a QR code, in a PNG, which all devices can show.
fn picture(text: &str) -> Result<Vec<u8>> {
    let failed = |error| Fault::bug(anyhow::anyhow!("a QR code: {error}"));
    let code = QrCode::new(text).map_err(|error| failed(error.to_string()))?;
    let modules = code.width();
    let side = (modules + 2 * QUIET_ZONE) * MODULE_PIXELS;
    let colors = code.into_colors();
    let mut pixels = Vec::with_capacity(side * side);
    for row in 0..side {
        for column in 0..side {
            let at = |pixel: usize| (pixel / MODULE_PIXELS).checked_sub(QUIET_ZONE);
            let module = at(row).zip(at(column));
            let dark = module.is_some_and(|(row, column)| {
                row < modules
                    && column < modules
                    && colors.get(row * modules + column) == Some(&Color::Dark)
            });
            pixels.push(if dark { 0 } else { u8::MAX });
        }
    }
    let side = u32::try_from(side).map_err(|error| failed(error.to_string()))?;
    let mut image = Vec::new();
    let mut encoder = png::Encoder::new(&mut image, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels));
    written.map_err(|error| failed(error.to_string()))?;
    Ok(image)
}

/// Most characters of an issuer, or of a name that is not an address. More would not fit into a QR code.
const LABEL: usize = 64;
/// Width of the white margin around a QR code, in modules (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;
/// Side of a module, in pixels. This gives about 300 pixels in all, enough for a camera.
const MODULE_PIXELS: usize = 5;
