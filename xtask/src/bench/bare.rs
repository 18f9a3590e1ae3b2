//! The upper bound: actix answering the same request with an answer of the same size, and doing nothing else.

use std::process::{Command, Stdio};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Result;

use super::load::{self, Measured};
use super::server::{Child, free_address};
use super::{Sizes, all_well, seed};

/// As long as the answer to a sign-in.
const ANSWER_BYTES: usize = 1200;

/// Serves until it is killed.
///
/// # Errors
/// When the port cannot be bound.
pub fn serve(port: u16) -> Result<()> {
    let answer = format!("{{\"message\":\"{}\"}}", "x".repeat(ANSWER_BYTES));
    let server = HttpServer::new(move || {
        let answer = answer.clone();
        App::new().route(
            "/verify",
            web::post().to(move |_body: web::Bytes| {
                let answer = answer.clone();
                async move {
                    HttpResponse::Ok()
                        .content_type("application/json")
                        .body(answer)
                }
            }),
        )
    });
    actix_web::rt::System::new().block_on(server.bind(("127.0.0.1", port))?.run())?;
    Ok(())
}

/// Measures it, in a process of its own.
///
/// # Errors
/// When it does not start or an answer is no success.
pub fn measure(sizes: Sizes) -> Result<Measured> {
    let address = free_address()?;
    let child = Child(
        Command::new(std::env::current_exe()?)
            .args(["bench", "--serve-bare", &address.port().to_string()])
            .stdout(Stdio::null())
            .spawn()?,
    );
    child.wait_for(address)?;
    let body = format!(
        "{{\"mfaToken\":\"{}\",\"code\":\"123456\"}}",
        seed::token(1)
    );
    let request = load::post("/verify", &body);
    let measured = load::run(
        address,
        sizes.connections,
        sizes.duration(),
        std::sync::Arc::new(move |_| Some(request.clone())),
    )?;
    all_well(&measured)?;
    Ok(measured)
}
