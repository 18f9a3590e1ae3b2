//! What the documents say of operations and of their errors, so that each of them can be brought about.

use std::sync::OnceLock;

use serde_json::Value;

use crate::http::problem::Problem;
use crate::model::{Fault, Result};

/// A document: its name, and what it says, in JSON.
pub type Text = (&'static str, &'static str);

/// All operations of some documents, read when they are first asked for.
pub struct Catalogue {
    texts: Vec<Text>,
    read: OnceLock<Vec<Operation>>,
}

/// An operation.
pub struct Operation {
    /// The document it stands in.
    pub api: &'static str,
    /// Its `operationId`, which is its own within its document.
    pub id: String,
    /// Its method, in capitals.
    pub method: String,
    /// Its path, with `{parameters}`.
    pub path: String,
    /// What it does, in a few words.
    pub summary: String,
    /// The errors that it can answer.
    pub errors: Vec<ErrorExample>,
}

/// An error as an operation documents it.
pub struct ErrorExample {
    /// The status.
    pub status: u16,
    /// Which problem it is.
    pub problem: Problem,
    /// The media type of its body.
    pub media: String,
    /// Its body: the document's example.
    pub body: Value,
}

impl ErrorExample {
    /// Its code.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Catalogue {
    /// The operations of these documents.
    pub fn new(texts: impl IntoIterator<Item = Text>) -> Self {
        Self {
            texts: texts.into_iter().collect(),
            read: OnceLock::new(),
        }
    }

    /// All operations, in the documents' order.
    ///
    /// # Errors
    /// A fault when a document is no JSON: they are compiled in, so that is a broken build.
    pub fn operations(&self) -> Result<&[Operation]> {
        if let Some(read) = self.read.get() {
            return Ok(read);
        }
        let mut found = Vec::new();
        for (api, text) in &self.texts {
            let document: Value = serde_json::from_str(text).map_err(Fault::bug)?;
            for (path, item) in members(&document["paths"]) {
                let operations = members(item).filter(|(_, one)| one["responses"].is_object());
                for (method, operation) in operations {
                    found.push(Operation::read(api, &document, (path, method), operation));
                }
            }
        }
        Ok(self.read.get_or_init(|| found))
    }

    /// The operation of this id: in the document that is named, else in the first that has one.
    ///
    /// # Errors
    /// As [`Catalogue::operations`].
    pub fn find(&self, api: Option<&str>, id: &str) -> Result<Option<&Operation>> {
        let fits = |one: &&Operation| one.id == id && api.is_none_or(|api| api == one.api);
        Ok(self.operations()?.iter().find(fits))
    }

    /// The operation that a request means; literal paths go before those with parameters.
    ///
    /// # Errors
    /// As [`Catalogue::operations`].
    pub fn matching(&self, method: &str, path: &str) -> Result<Option<&Operation>> {
        let all = self.operations()?;
        let literal = all
            .iter()
            .find(|one| one.method == method && one.path == path);
        let fits = |one: &&Operation| one.method == method && one.covers(path);
        Ok(literal.or_else(|| all.iter().find(fits)))
    }
}

impl Operation {
    fn read(
        api: &'static str,
        document: &Value,
        (path, method): (&str, &str),
        operation: &Value,
    ) -> Self {
        let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
        let answers = members(&operation["responses"]);
        let errors = answers.filter_map(|(status, answer)| {
            let status: u16 = status.parse().ok().filter(|status| *status >= 400)?;
            Some(errors(document, status, resolve(document, answer)))
        });
        Self {
            api,
            id: text("operationId"),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            summary: text("summary"),
            errors: errors.flatten().collect(),
        }
    }

    fn covers(&self, path: &str) -> bool {
        let mut ours = self.path.split('/');
        let mut theirs = path.split('/');
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(our), Some(their))
                    if our == their || (our.starts_with('{') && !their.is_empty()) => {}
                _different => return false,
            }
        }
    }

    /// The error of this code; the first one, where several statuses have it.
    pub fn error(&self, code: &str) -> Option<&ErrorExample> {
        self.errors.iter().find(|one| one.code() == code)
    }
}

/// The errors of one status: the first example of each code.
fn errors(document: &Value, status: u16, answer: &Value) -> Vec<ErrorExample> {
    let mut found: Vec<ErrorExample> = Vec::new();
    for (media, content) in members(&answer["content"]) {
        let named = members(&content["examples"]);
        let named = named.map(|(_, example)| &resolve(document, example)["value"]);
        for body in named.chain([&content["example"]]) {
            let code = body["code"].as_str().unwrap_or_default();
            let known = found.iter().any(|one| one.code() == code);
            let problem = Problem::ALL.iter().find(|one| one.code() == code);
            if let (false, Some(problem)) = (known, problem) {
                found.push(ErrorExample {
                    status,
                    problem: *problem,
                    media: media.clone(),
                    body: body.clone(),
                });
            }
        }
    }
    found
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"]
        .as_str()
        .and_then(|target| target.strip_prefix('#'));
    target
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(value)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
