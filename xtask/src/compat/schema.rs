//! Compares schemas: does the new contract accept what an old client sends, and answer what it can
//! read?

use std::ptr;

use serde_json::Value;

use super::limits::unfit;
use super::place::{Place, shown};
use super::shape::{Constants, Shape, only_value, shapes};
use crate::openapi::resolve;

/// What an old client does with values of a schema.
#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    /// It sends what the old schema allows, and the new one must accept it.
    Sends,
    /// It reads what the old schema allows, and the new one must allow nothing else.
    Reads,
}

/// A comparison of schemas in two contracts.
pub struct Check<'a> {
    /// The released document.
    old: &'a Value,
    /// The current document.
    new: &'a Value,
    side: Side,
    /// What sentences call the clients: `clients of 0.1.0`.
    clients: String,
    /// The pairs being compared, since schemas may contain themselves.
    open: Vec<(*const Value, *const Value)>,
}

impl<'a> Check<'a> {
    /// Starts a comparison of two documents for one side.
    pub fn new(old: &'a Value, new: &'a Value, side: Side, clients: &str) -> Self {
        Self {
            old,
            new,
            side,
            clients: clients.to_owned(),
            open: Vec::new(),
        }
    }

    /// Returns the breaks between two schemas.
    pub fn schema(&mut self, place: &Place, old: &'a Value, new: &'a Value) -> Vec<String> {
        let (old, new) = (resolve(self.old, old), resolve(self.new, new));
        let pair = (ptr::from_ref(old), ptr::from_ref(new));
        if self.open.contains(&pair) {
            return Vec::new();
        }
        self.open.push(pair);
        let found = match (
            shapes(self.old, old).as_slice(),
            shapes(self.new, new).as_slice(),
        ) {
            ([old], [new]) => self.shape(place, old, new),
            (old, new) => self.unions(place, old, new),
        };
        self.open.pop();
        found
    }

    /// Checks that each shape of the giver has one that accepts it. If none does, the most similar
    /// one says what is missing.
    fn unions(&mut self, place: &Place, old: &[Shape<'a>], new: &[Shape<'a>]) -> Vec<String> {
        let (givers, takers, from, to) = match self.side {
            Side::Sends => (old, new, self.old, self.new),
            Side::Reads => (new, old, self.new, self.old),
        };
        let mut found = Vec::new();
        for giver in givers {
            let constants = giver.constants(from);
            let place = match constants.first_key_value() {
                Some((field, value)) => place.shaped(field, value),
                None => place.clone(),
            };
            let mut best: Option<(bool, Vec<String>)> = None;
            let mut known = false;
            for taker in takers {
                let sentences = match self.side {
                    Side::Sends => self.shape(&place, giver, taker),
                    Side::Reads => self.shape(&place, taker, giver),
                };
                let like = likeness(&constants, &taker.constants(to));
                known |= like != Some(false);
                let rank = (!sentences.is_empty() && like != Some(true), sentences);
                if best
                    .as_ref()
                    .is_none_or(|(strange, least)| (rank.0, rank.1.len()) < (*strange, least.len()))
                {
                    best = Some(rank);
                }
            }
            match best {
                Some((_, sentences)) if known => found.extend(sentences),
                _none => found.push(self.without_taker(&place)),
            }
        }
        found
    }

    fn without_taker(&self, place: &Place) -> String {
        let (words, clients) = (place.words(), &self.clients);
        match self.side {
            Side::Sends => format!("{words} is no longer taken, which {clients} send"),
            Side::Reads => format!("{words} is new, which {clients} do not read"),
        }
    }

    /// Returns the breaks between two shapes.
    pub fn shape(&mut self, place: &Place, old: &Shape<'a>, new: &Shape<'a>) -> Vec<String> {
        let (giver, taker) = match self.side {
            Side::Sends => (old, new),
            Side::Reads => (new, old),
        };
        let unfit = unfit(giver, taker);
        let mut found: Vec<String> = unfit
            .iter()
            .map(|key| self.changed(place, key, old, new))
            .collect();
        if unfit.contains(&"type") {
            return found;
        }
        if self.side == Side::Sends {
            self.taken(place, old, new, &mut found);
        }
        self.fields(place, old, new, &mut found);
        if let Some(inner) = taker.get("items") {
            let given = giver.get("items").unwrap_or(&Value::Null);
            found.extend(self.inner(&place.members(), given, inner));
        }
        if let (Some(given), Some(inner)) = (
            giver.get("additionalProperties"),
            taker.get("additionalProperties"),
        ) && given.is_object()
            && inner.is_object()
        {
            found.extend(self.inner(&place.field("*"), given, inner));
        }
        found
    }

    /// Compares two schemas inside giver and taker.
    fn inner(&mut self, place: &Place, given: &'a Value, taken: &'a Value) -> Vec<String> {
        match self.side {
            Side::Sends => self.schema(place, given, taken),
            Side::Reads => self.schema(place, taken, given),
        }
    }

    /// Describes a keyword that no longer fits.
    fn changed(&self, place: &Place, key: &str, old: &Shape, new: &Shape) -> String {
        let value = |shape: &Shape| shape.get(key).map_or_else(|| "none".to_owned(), shown);
        let end = match self.side {
            Side::Sends => format!("and refuses what {} send", self.clients),
            Side::Reads => format!("which {} do not read", self.clients),
        };
        format!(
            "{} has {key} {} instead of {}, {end}",
            place.words(),
            value(new),
            value(old)
        )
    }

    /// Checks what else an old client sends: values of an enum, unknown fields, and nothing where
    /// there is a default.
    fn taken(&self, place: &Place, old: &Shape, new: &Shape, found: &mut Vec<String>) {
        let (words, clients) = (place.words(), &self.clients);
        if let Some(allowed) = new.get("enum").and_then(Value::as_array) {
            match old.get("enum").and_then(Value::as_array) {
                None => found.push(self.changed(place, "enum", old, new)),
                Some(values) => {
                    let gone = values.iter().filter(|value| !allowed.contains(value));
                    found.extend(gone.map(|value| {
                        format!(
                            "{words} no longer takes {}, which {clients} send",
                            shown(value)
                        )
                    }));
                }
            }
        }
        let closed = |shape: &Shape| shape.get("additionalProperties") == Some(&Value::Bool(false));
        if closed(new) && !closed(old) {
            found.push(format!(
                "{words} no longer takes fields that it does not know, which {clients} may send"
            ));
        }
        let default = old.get("default");
        if default.is_some() && default != new.get("default") {
            let now = new.get("default").map_or_else(|| "none".to_owned(), shown);
            found.push(format!(
                "{words} has the default {now}, which {clients} do not expect"
            ));
        }
    }

    /// Checks fields that always have one value, by which a client tells answers apart. Other enums
    /// in answers may gain values.
    fn constant(&self, place: &Place, old: &Value, new: &Value) -> Vec<String> {
        let Some(only) = only_value(self.old, old) else {
            return Vec::new();
        };
        let always = format!("and is always {} for {}", shown(only), self.clients);
        let words = place.words();
        match resolve(self.new, new)["enum"].as_array() {
            None => vec![format!("{words} may be anything, {always}")],
            Some(now) => now
                .iter()
                .filter(|value| *value != only)
                .map(|value| format!("{words} may be {}, {always}", shown(value)))
                .collect(),
        }
    }

    /// Checks that all fields of the old shape stay, and that no field is required that an old
    /// client does not know.
    fn fields(&mut self, place: &Place, old: &Shape<'a>, new: &Shape<'a>, found: &mut Vec<String>) {
        for (name, field) in &old.properties {
            if let Some(now) = new.properties.get(name) {
                let place = place.field(name);
                if self.side == Side::Reads && old.required.contains(name) {
                    found.extend(self.constant(&place, field, now));
                }
                found.extend(self.schema(&place, field, now));
                continue;
            }
            let (verb, end) = match self.side {
                Side::Sends => ("takes", "send"),
                Side::Reads => ("has", "read"),
            };
            found.push(format!(
                "{} no longer {verb} the field `{name}`, which {} {end}",
                place.words(),
                self.clients
            ));
        }
        let words = place.words();
        let clients = &self.clients;
        match self.side {
            Side::Sends => found.extend(new.required.difference(&old.required).map(|name| {
                let end = if old.properties.contains_key(name) {
                    "may leave out"
                } else {
                    "do not send"
                };
                format!("{words} requires the field `{name}`, which {clients} {end}")
            })),
            Side::Reads => {
                let lost = old.required.difference(&new.required);
                let still = lost.filter(|name| new.properties.contains_key(*name));
                found.extend(still.map(|name| {
                    format!("{words} may lack the field `{name}`, which {clients} rely on")
                }));
            }
        }
    }
}

/// Tells whether two shapes are the same one by their constants; `None` if they share none.
fn likeness(giver: &Constants, taker: &Constants) -> Option<bool> {
    let mut shared = giver
        .iter()
        .filter_map(|(name, value)| Some((value, taker.get(name)?)));
    let (value, other) = shared.next()?;
    Some(value == other && shared.all(|(value, other)| value == other))
}
