//! Authenticator apps: time-based one-time passwords (RFC 6238), SHA-1, six digits, thirty seconds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qrcode::{Color, QrCode};
use totp_rs::{Builder, Totp};

use crate::factor::{Code, Verdict};
use crate::model::factor::Factor;
use crate::model::policy::Policy;
use crate::model::{Fault, Result, Secret, Time};
use crate::store::{Tx, factors, sealed};
use crate::vault::{Place, Vault};

/// Seconds of one time step.
const STEP: i64 = 30;
/// How far a device's clock may be off and still be told so, in steps: ten minutes.
const TELL_STEPS: i64 = 20;

/// An authenticator with its secret unsealed.
pub struct Authenticator {
    factor: Factor,
    totp: Totp,
    /// The secret sealed with the newest key, where an older one sealed it.
    anew: Option<Vec<u8>>,
}

impl Authenticator {
    /// Unseals the factor's secret.
    ///
    /// # Errors
    /// A fault when there is none, or it does not open here.
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

    /// Keeps the secret as the newest key sealed it, so that an older key can be retired some day.
    fn keep_anew(&self, tx: &mut Tx) -> Result<()> {
        match (&self.anew, &self.factor.sealed_secret) {
            (Some(anew), Some(sealed)) => {
                let there = (self.factor.user_id, self.factor.id, sealed.as_slice());
                sealed::replace_secret(tx, there, anew)
            }
            _ => Ok(()),
        }
    }

    /// The accepted step whose code this is, newest first (RFC 6238 §5.2).
    pub(super) fn matching_step(&self, code: &Code, policy: &Policy, now: Time) -> Option<i64> {
        let current = step(now);
        let newest = newest_step(policy, now);
        (current - 1..=newest).rev().find(|step| {
            // Before 1970 no step fits.
            u64::try_from(step * STEP)
                .is_ok_and(|time| self.totp.check(code.expose(), time).is_some())
        })
    }
}

/// The time step of a moment: what a code accepted now is of.
pub fn step(now: Time) -> i64 {
    now.seconds().div_euclid(STEP)
}

impl Authenticator {
    /// How far the device's clock is off, in seconds, if the code is one of the ten minutes around;
    /// positive when it is ahead. A code of a time to come is told once and then worth nothing, or a
    /// guesser would only have to wait for it.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub fn clock_offset(&self, tx: &mut Tx, code: &Code, now: Time) -> Result<Option<i32>> {
        let current = step(now);
        let fits = |offset: &i64| {
            u64::try_from((current + offset) * STEP)
                .is_ok_and(|time| self.totp.check(code.expose(), time).is_some())
        };
        // The nearest first, so that a chance match far away does not hide the true one.
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

/// Marks the time step of the authenticator whose code it is as used. With each authenticator comes the step that its
/// code was found to be of.
///
/// # Errors
/// A fault when the database does not answer.
pub fn accept<'a>(
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

/// The newest step whose code is accepted at `now` (RFC 6238 §5.2).
pub fn newest_step(policy: &Policy, now: Time) -> i64 {
    step(now) + i64::from(policy.totp_accept_next_step)
}

/// What a person puts into an authenticator app.
pub struct Provisioning {
    /// The secret in base32, for typing.
    pub secret: Secret<String>,
    /// The same as an `otpauth://` URI.
    pub otpauth_url: Secret<String>,
    /// The URI as a QR code: a PNG as a data URI.
    pub qr_code: Secret<String>,
}

/// Prints a new secret in the three forms that apps take.
///
/// # Errors
/// A fault when the account or the issuer cannot stand in a URI.
pub fn provision(secret: &Secret<Vec<u8>>, issuer: &str, account: &str) -> Result<Provisioning> {
    // A colon ends the issuer in the label (Key URI Format), so neither part may hold one.
    let plain = |text: &str, most: usize| {
        let shown = text.chars().take(most).collect::<String>();
        shown.replace(':', " ")
    };
    // An address is shown whole, or its owner could not tell whose code it is; it is short enough
    // (RFC 5321 §4.5.3.1). A name may be as long, and in signs that take nine in a URI.
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

/// A text as a QR code: a PNG, which every device can show.
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

/// Characters of an issuer, or of a name that is no address, in an app: more would not fit into a QR code.
const LABEL: usize = 64;
/// Modules of the white margin around a QR code (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;
/// Pixels of a module's side: large enough for a camera, at some 300 pixels in all.
const MODULE_PIXELS: usize = 5;
