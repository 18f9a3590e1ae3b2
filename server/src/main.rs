//! The binary `countersign`. All its code is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign::cli::main(std::env::args_os())
}
