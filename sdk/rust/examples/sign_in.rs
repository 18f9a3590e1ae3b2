//! The whole main job against a running server: register, set up an authenticator app, sign out, sign in with its code.
//!
//! Start a server, then run this in another shell in the same folder:
//!
//! ```sh
//! cargo run --release
//! cargo run --package countersign-sdk --example sign_in
//! ```
//!
//! It takes `--url` (or `COUNTERSIGN_URL`), by default `http://localhost:8080`; `--outbox` (or `COUNTERSIGN_OUTBOX`), the
//! folder the server writes its mails to, by default `data/outbox`, and without one it asks you for the code; and `--email`, by
//! default a new address each time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, io, path::PathBuf};

use anyhow::{Context, Result, bail};
use countersign_sdk::identity::types::*;
use countersign_sdk::{Client, Secret};

const PASSWORD: &str = "correct horse battery staple";

#[tokio::main]
async fn main() -> Result<()> {
    let url = option("--url", "COUNTERSIGN_URL", "http://localhost:8080");
    let email = option("--email", "", &format!("alice+{}@example.com", now()));
    let client = Client::new(&url)?;
    client.get_health().await.with_context(|| {
        format!("is a server running at {url}? `cargo run --release` starts one")
    })?;

    register(&client, &email).await?;
    let phone = set_up_authenticator(&client).await?;
    client.logout().await?;
    println!("Signed out.");

    sign_in(&client, &email, &phone).await?;
    let me = client.get_current_user().await?;
    println!(
        "You are {} ({}), signed in at {} with {}.",
        me.email,
        me.id,
        me.session.acr,
        me.session.amr.join(" + ")
    );
    Ok(())
}

/// Makes an account: a code by mail proves the address. Who proves it is signed in.
async fn register(client: &Client, email: &str) -> Result<()> {
    let request = RegisterRequest::new(email, PASSWORD).first_name("Alice");
    let registered = match client.register_user(request).await {
        Ok(registered) => registered,
        Err(RegisterUserError::Validation {
            errors, message, ..
        }) => {
            for wrong in errors {
                eprintln!("{}: {}", wrong.field, wrong.message);
            }
            bail!("{message}")
        }
        Err(RegisterUserError::TooManyRequests {
            message,
            retry_after,
            ..
        }) => bail!("{message} ({retry_after} s)"),
        Err(other) => return Err(other.into()),
    };
    println!("{}", registered.message);

    let code = mailed_code(email).await?;
    let proof = RegisterVerifyRequest::new(registered.registration_token, code);
    let tokens = client.verify_registration(proof).await?;
    client.sign_in_with(&tokens);
    println!("Registered and signed in: {}.", tokens.user.email);
    Ok(())
}

/// Turns codes from an authenticator app on. A real app would show `qr_code`; here we are the phone as well.
async fn set_up_authenticator(client: &Client) -> Result<Phone> {
    let request = MfaSetupRequest::new(MfaMethod::Authenticator, PASSWORD);
    let setup = client.setup_mfa(request).await?;
    let MfaSetupResponse::Authenticator(setup) = setup else {
        bail!("asked for an authenticator, and got {setup:?}")
    };
    let phone = Phone::scan(&setup.otpauth_url)?;

    let proof = MfaVerifyRequest::new(setup.mfa_token, phone.code());
    let done = client.verify_mfa_setup(proof).await?;
    println!("{}", done.message);
    Ok(phone)
}

/// Signs in with password and code. The user mistypes the first code, and is quick enough to send a used one next.
async fn sign_in(client: &Client, email: &str, phone: &Phone) -> Result<()> {
    let step = match client.login(LoginRequest::new(email, PASSWORD)).await {
        Ok(LoginAnswer::MfaRequired(step)) => step,
        Ok(other) => bail!("no second factor was asked for: {other:?}"),
        Err(LoginError::InvalidCredentials { message, .. }) => bail!("{message}"),
        Err(LoginError::TooManyPasswordAttempts {
            message,
            retry_after,
            ..
        }) => bail!("{message} ({retry_after} s)"),
        Err(other) => return Err(other.into()),
    };
    println!("The password is right. {}", step.message);

    let mut code = Secret::from("000000");
    loop {
        let proof = MfaVerifyRequest::new(step.mfa_token.clone(), code);
        match client.verify_mfa_login(proof).await {
            Ok(tokens) => {
                client.sign_in_with(&tokens);
                println!("{}", tokens.message);
                return Ok(());
            }
            Err(VerifyMfaLoginError::InvalidMfaCode {
                message,
                attempts_remaining,
                reason,
                retry_after,
                ..
            }) if attempts_remaining > 0 => {
                println!("{message} {attempts_remaining} tries left.");
                if reason == Some(InvalidCodeReason::AlreadyUsed) {
                    let wait = retry_after.unwrap_or(30);
                    println!("Waiting {wait} s for the app's next code; each one works once.");
                    tokio::time::sleep(Duration::from_secs(wait.into())).await;
                }
            }
            Err(other) => bail!("sign in again: {other}"),
        }
        code = phone.code();
    }
}

/// An authenticator app.
struct Phone(totp_rs::Totp);

impl Phone {
    fn scan(otpauth_url: &Secret) -> Result<Self> {
        Ok(Self(totp_rs::Totp::from_url(otpauth_url.expose())?))
    }

    /// The code that the app shows now.
    fn code(&self) -> Secret {
        self.0.generate(now()).to_string().into()
    }
}

/// The code of the newest mail to the address: on a line of its own, in a file of the outbox.
async fn mailed_code(email: &str) -> Result<Secret> {
    let outbox = PathBuf::from(option("--outbox", "COUNTERSIGN_OUTBOX", "data/outbox"));
    if !outbox.is_dir() {
        println!(
            "There is no folder {}. The code from the mail:",
            outbox.display()
        );
        let mut code = String::new();
        io::stdin().read_line(&mut code)?;
        return Ok(code.into());
    }
    for _ in 0..50 {
        let mut mails: Vec<PathBuf> = fs::read_dir(&outbox)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<_>>()?;
        // Their names begin with the time.
        mails.sort();
        for mail in mails.iter().rev() {
            let mail = fs::read_to_string(mail).unwrap_or_default();
            let code = mail
                .lines()
                .find(|line| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit()));
            if let Some(code) = code
                && mail.contains(email)
            {
                return Ok(code.into());
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("no mail to {email} has come to {}", outbox.display())
}

/// The value after a flag, else of an environment variable, else the one given.
fn option(flag: &str, variable: &str, default: &str) -> String {
    env::args()
        .skip_while(|argument| argument != flag)
        .nth(1)
        .or_else(|| env::var(variable).ok().filter(|text| !text.is_empty()))
        .unwrap_or_else(|| default.to_owned())
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
