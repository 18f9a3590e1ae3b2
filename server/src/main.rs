//! The binary `countersign`. All its code is in the library.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    countersign::cli::main(std::env::args_os()).await
}
