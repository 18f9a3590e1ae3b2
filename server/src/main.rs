//! The binary `countersign`: everything is in the library.

use std::process::ExitCode;

/// A sixth of the work of a sign-in step was glibc's allocator, and it keeps what the start needed once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    countersign::cli::main(std::env::args_os()).await
}
