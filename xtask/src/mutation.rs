//! Changes to a document, one at a time, to test the checkers of documents. Tables list one change
//! a line.

use serde_json::Value;

/// A single change to a document.
pub struct Mutation {
    /// What is changed, in words.
    pub name: &'static str,
    /// The change: a verb, a place, and a key or a value.
    edit: &'static str,
    /// Text that one of the sentences must contain.
    pub says: &'static str,
}

/// Returns the mutations of one section of a table.
pub fn table(text: &'static str, section: &str) -> Vec<Mutation> {
    let head = format!("[{section}]");
    text.lines()
        .skip_while(|line| *line != head)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut columns = line.split('|').map(str::trim);
            let mut next = || columns.next().expect("three columns");
            Mutation {
                name: next(),
                edit: next(),
                says: next(),
            }
        })
        .collect()
}

impl Mutation {
    /// Returns the document with the change.
    pub fn applied(&self, document: &Value) -> Value {
        let mut changed = document.clone();
        let mut words = self.edit.splitn(3, ' ');
        let verb = words.next().expect("a verb");
        let mut keys: Vec<&str> = words.next().expect("a place").split('.').collect();
        let argument = words.next().unwrap_or_default();
        let value = || serde_json::from_str::<Value>(argument).expect("JSON");
        let last = keys.pop().expect("a key");
        let mut parent = &mut changed;
        for key in keys {
            parent = parent
                .get_mut(key)
                .unwrap_or_else(|| panic!("{}: no {key}", self.name));
        }
        let missing = || -> &mut Vec<Value> { panic!("{}: no {last}", self.name) };
        match verb {
            "set" => parent[last] = value(),
            "push" => parent[last]
                .as_array_mut()
                .unwrap_or_else(missing)
                .push(value()),
            "pop" => {
                parent[last].as_array_mut().unwrap_or_else(missing).pop();
            }
            "copy" => parent[argument] = parent[last].clone(),
            "move" | "take" => {
                let map = parent.as_object_mut().expect("an object");
                let Some(taken) = map.remove(last) else {
                    panic!("{}: no {last}", self.name)
                };
                if verb == "move" {
                    map.insert(argument.to_owned(), taken);
                }
            }
            other => panic!("{}: what is {other}?", self.name),
        }
        assert!(changed != *document, "{}: this changes nothing", self.name);
        changed
    }

    /// Asserts that one of the sentences contains the expected text.
    pub fn assert_caught(&self, found: &[String]) {
        assert!(
            found.iter().any(|sentence| sentence.contains(self.says)),
            "not caught: {}\nexpected: {}\nfound: {found:#?}",
            self.name,
            self.says
        );
    }
}
