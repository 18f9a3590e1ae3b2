//! The baseline for HTTP alone: actix answers the same request with a body of the same size and
//! does nothing else.

use std::process::{Command, Stdio};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Result;

use super::server::{Child, free_address};

/// The path that it answers.
pub const PATH: &str = "/bare";

/// Serves until the process is killed.
///
/// # Errors
/// Fails if the port cannot be bound.
pub fn serve(port: u16, body: usize) -> Result<()> {
    let answer = web::Bytes::from("x".repeat(body));
    let server = HttpServer::new(move || {
        let answer = answer.clone();
        App::new().route(
            PATH,
            web::get().to(move || {
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

/// Starts the baseline in a process of its own.
///
/// # Errors
/// Fails if it does not start.
pub fn start(body: usize) -> Result<(Child, std::net::SocketAddr)> {
    let address = free_address()?;
    let mut child = Child(
        Command::new(std::env::current_exe()?)
            .args(["bench", "--serve-bare", &address.port().to_string()])
            .args(["--bare-body", &body.to_string()])
            .stdout(Stdio::null())
            .spawn()?,
    );
    child.wait_for(address)?;
    Ok((child, address))
}
