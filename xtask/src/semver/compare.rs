//! Finds the differences between two public APIs, and which of them break programs.
//!
//! It compares the text, not its meaning: what the compiler would still accept, such as a wider
//! bound, counts as changed.

use std::collections::{HashMap, HashSet};

use super::listing::Listing;

/// Marks a type whose users must expect additions.
const OPEN: &str = "#[non_exhaustive] ";

/// The differences.
#[derive(Default)]
pub struct Difference {
    /// Items and features that no longer exist.
    pub gone: Vec<String>,
    /// Items in another form: before and now.
    pub changed: Vec<(String, String)>,
    /// New items that break programs: parts of types that were complete, and of traits that others
    /// implement.
    pub breaking: Vec<String>,
    /// How many new items break nothing.
    pub added: usize,
}

impl Difference {
    /// Tells whether a difference breaks programs.
    pub fn breaks(&self) -> bool {
        !(self.gone.is_empty() && self.changed.is_empty() && self.breaking.is_empty())
    }

    /// Returns one line for each difference that breaks programs.
    pub fn lines(&self) -> Vec<String> {
        let gone = self.gone.iter().map(|item| format!("gone: {item}"));
        let changed = self.changed.iter();
        let changed = changed.map(|(old, new)| format!("changed: {old}\n     now: {new}"));
        let breaking = self.breaking.iter();
        let breaking = breaking.map(|item| format!("added to what was complete: {item}"));
        gone.chain(changed).chain(breaking).collect()
    }
}

/// Compares two APIs.
pub fn compare(old: &Listing, new: &Listing) -> Difference {
    let before: HashSet<&str> = old.items.iter().map(String::as_str).collect();
    let now: HashSet<&str> = new.items.iter().map(String::as_str).collect();
    let fresh: Vec<&str> = unique(&new.items)
        .filter(|item| !before.contains(item))
        .collect();
    let by_name: HashMap<&str, &str> = fresh
        .iter()
        .filter_map(|item| Some((name(item)?, *item)))
        .collect();
    let mut difference = Difference::default();
    let mut accounted: HashSet<&str> = HashSet::new();
    for item in unique(&old.items).filter(|item| !now.contains(item)) {
        let same = name(item).and_then(|name| by_name.get(name)).copied();
        accounted.extend(same);
        match same {
            // Code that expects more than there is still compiles.
            Some(form) if item.strip_prefix(OPEN) == Some(form) => {}
            Some(form) => difference.changed.push((item.to_owned(), form.to_owned())),
            None => difference.gone.push(item.to_owned()),
        }
    }
    for feature in old
        .features
        .iter()
        .filter(|one| !new.features.contains(one))
    {
        difference.gone.push(format!("the feature {feature}"));
    }
    let owners = Owners::of(&old.items);
    for item in fresh.into_iter().filter(|item| !accounted.contains(item)) {
        if owners.are_complete_without(item) {
            difference.breaking.push(item.to_owned());
        } else {
            difference.added += 1;
        }
    }
    difference.added += new
        .features
        .iter()
        .filter(|one| !old.features.contains(one))
        .count();
    difference
}

/// Returns each item once.
fn unique(items: &[String]) -> impl Iterator<Item = &str> {
    let mut seen = HashSet::new();
    items
        .iter()
        .map(String::as_str)
        .filter(move |item| seen.insert(*item))
}

/// Returns the path of an item; `None` for implementations.
fn name(item: &str) -> Option<&str> {
    let item = item.strip_prefix(OPEN).unwrap_or(item);
    let item = item.strip_prefix("pub ")?;
    let start = item.find("countersign_")?;
    let path = &item[start..];
    let end = path
        .char_indices()
        .find(|(at, letter)| {
            let colon = *letter == ':' && path[*at..].starts_with(": ");
            colon || matches!(letter, '(' | '<' | ' ' | '{')
        })
        .map_or(path.len(), |(at, _)| at);
    Some(&path[..end])
}

/// The types and traits of the old API to which nothing can be added without breaking programs.
struct Owners<'a> {
    /// Structs, enums and variants without `#[non_exhaustive]`.
    types: HashSet<&'a str>,
    /// Traits that others can implement.
    traits: HashSet<&'a str>,
}

impl<'a> Owners<'a> {
    fn of(items: &'a [String]) -> Self {
        let mut owners = Self {
            types: HashSet::new(),
            traits: HashSet::new(),
        };
        for item in items.iter().map(String::as_str) {
            let Some(name) = name(item) else { continue };
            if item.starts_with("pub trait ") && !item.contains("sealed::") {
                owners.traits.insert(name);
            }
            let closed = ["pub struct ", "pub enum ", "pub countersign_"];
            if closed.iter().any(|start| item.starts_with(start)) {
                owners.types.insert(name);
            }
        }
        owners
    }

    /// Tells whether an item of the new API is a field or variant of a complete type, or belongs to
    /// a trait that others implement.
    fn are_complete_without(&self, item: &str) -> bool {
        let part = item.strip_prefix(OPEN).unwrap_or(item);
        let owner = name(item).and_then(|name| name.rsplit_once("::"));
        let Some((owner, _)) = owner else {
            return false;
        };
        let of_type = part.starts_with("pub countersign_") && self.types.contains(owner);
        of_type || self.traits.contains(owner)
    }
}
