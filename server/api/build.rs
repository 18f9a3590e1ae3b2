//! Writes each OpenAPI document as JSON, so that no start has to read YAML.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script by its environment where everything is"
)]

use std::error::Error;
use std::path::Path;
use std::{env, fs};

const NAMES: [&str; 5] = ["identity", "netevia", "flashback", "veeam", "sandbox"];

fn main() -> Result<(), Box<dyn Error>> {
    let to = env::var("OUT_DIR")?;
    let documents = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../openapi");
    println!("cargo::rerun-if-changed=build.rs");
    fs::create_dir_all(Path::new(&to).join("lenient"))?;
    for name in NAMES {
        for stem in [name.to_owned(), format!("lenient/{name}")] {
            let from = documents.join(format!("{stem}.yaml"));
            println!("cargo::rerun-if-changed={}", from.display());
            let document: yaml_serde::Value = yaml_serde::from_str(&fs::read_to_string(&from)?)?;
            let json = serde_json::to_string(&document)?;
            fs::write(Path::new(&to).join(format!("{stem}.json")), json)?;
        }
    }
    Ok(())
}
