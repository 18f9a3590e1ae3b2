//! The texts of the pages: one file for each language, for the templates and for the scripts.

use std::collections::BTreeMap;

use anyhow::Context;

/// The languages, each with its file. The first one is for browsers that want none of them.
const FILES: [(&str, &str); 2] = [
    ("en", include_str!("en.json")),
    ("de", include_str!("de.json")),
];

/// The texts of one language. A text has fields in braces, which the scripts fill in.
pub struct Texts {
    /// The language's tag (RFC 5646).
    pub language: &'static str,
    texts: BTreeMap<String, String>,
}

impl Texts {
    /// Returns a text; nothing if there is none, which the tests rule out.
    pub fn get(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }

    /// Returns all texts as a script's module.
    ///
    /// # Errors
    /// Fails if they cannot be written as JSON.
    pub fn module(&self) -> anyhow::Result<String> {
        Ok(format!(
            "export default {};\n",
            serde_json::to_string(&self.texts)?
        ))
    }
}

/// Reads the texts of all languages.
///
/// # Errors
/// Fails if a file is not an object of strings.
pub fn all() -> anyhow::Result<Vec<Texts>> {
    let read = |(language, file)| {
        let texts =
            serde_json::from_str(file).with_context(|| format!("the texts in {language}"))?;
        Ok(Texts { language, texts })
    };
    FILES.into_iter().map(read).collect()
}

#[cfg(test)]
#[path = "texts_tests.rs"]
mod tests;
