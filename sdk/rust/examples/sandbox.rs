//! The README's first sign-in in the sandbox, word for word; a test compares the two.
//!
//! Start `cargo run --release -- sandbox`, then run this in another shell:
//!
//! ```sh
//! cargo run --package countersign-sdk --features sandbox --example sandbox
//! ```

use countersign_sdk::{Client, identity::SignIn, sandbox, sandbox::types::*};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new("http://localhost:8080")?;
    let (tools, email) = (sandbox::Client::from(&client), "authenticator@example.com");
    tools.advance_clock(AdvanceClockRequest::new(30)).await?;
    let whose = ShowAuthenticatorCodeRequest::new().email(email);
    let app = tools.show_authenticator_code(whose).await?;
    let step = client
        .sign_in(email, "correct horse battery staple")
        .await?;
    if let SignIn::Challenge(challenge) = step {
        challenge.answer(app.code).await?;
    }
    println!("Hello, {}.", client.get_current_user().await?.email);
    Ok(())
}
