//! Takes the Rust programs out of README.md and GUIDE.md, so that `it/readme.rs` can run them.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script by its environment where everything is"
)]

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

/// How a program of the pages begins. A test runs several, each with a server of its own.
const MAIN: &str = "#[tokio::main]\nasync fn main() ->";

/// The address that the pages name.
const ADDRESS: &str = "\"http://localhost:8080\"";

fn main() -> Result<(), Box<dyn Error>> {
    let to = env::var("OUT_DIR")?;
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..");
    println!("cargo::rerun-if-changed=build.rs");
    for page in ["README", "GUIDE"] {
        let from = root.join(format!("{page}.md"));
        println!("cargo::rerun-if-changed={}", from.display());
        let text = fs::read_to_string(&from)?;
        let mut programs = String::new();
        for (number, block) in text.split("```rust\n").skip(1).enumerate() {
            let program = block.split("```").next().unwrap_or_default();
            if !program.contains(MAIN) || !program.contains(ADDRESS) {
                return Err(format!("{page}.md: program {number} cannot be run").into());
            }
            let program = program
                .replace(MAIN, "pub async fn run(address: &str) ->")
                .replace(ADDRESS, "address");
            writeln!(programs, "pub mod program_{number} {{\n{program}}}")?;
        }
        let file = format!("{}.rs", page.to_lowercase());
        fs::write(Path::new(&to).join(file), programs)?;
    }
    Ok(())
}
