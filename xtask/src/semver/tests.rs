//! Tests of the check: one difference at a time.

use super::compare::{Difference, compare};
use super::listing::Listing;
use super::verdict;
use crate::compat::release::Version;

const OLD: [&str; 9] = [
    "pub struct countersign_sdk::Point",
    "pub countersign_sdk::Point::x: i32",
    "#[non_exhaustive] pub enum countersign_sdk::Kind",
    "pub countersign_sdk::Kind::One",
    "impl core::clone::Clone for countersign_sdk::Kind",
    "pub trait countersign_sdk::Problem",
    "pub trait countersign_sdk::Sealed: countersign_sdk::sealed::Core",
    "pub fn countersign_sdk::go(&str) -> bool",
    "pub enum countersign_sdk::Whole",
];

fn listing(items: impl IntoIterator<Item = &'static str>, features: &[&str]) -> Listing {
    Listing {
        items: items.into_iter().map(str::to_owned).collect(),
        features: features.iter().map(|one| (*one).to_owned()).collect(),
    }
}

fn with(item: &'static str) -> Difference {
    compare(
        &listing(OLD, &[]),
        &listing(OLD.into_iter().chain([item]), &[]),
    )
}

fn instead(old: &str, item: &'static str) -> Difference {
    let items = OLD.map(|one| if one == old { item } else { one });
    assert!(OLD.contains(&old), "{old}");
    compare(&listing(OLD, &[]), &listing(items, &[]))
}

#[test]
fn what_goes_or_changes_breaks() {
    for missing in OLD {
        let rest = OLD.into_iter().filter(|one| *one != missing);
        let difference = compare(&listing(OLD, &[]), &listing(rest, &[]));
        assert_eq!(difference.lines(), [format!("gone: {missing}")]);
    }
    let difference = instead(OLD[7], "pub fn countersign_sdk::go(&str) -> u8");
    let sentence = format!(
        "changed: {}\n     now: pub fn countersign_sdk::go(&str) -> u8",
        OLD[7]
    );
    assert_eq!(difference.lines(), [sentence]);
    assert!(
        instead(
            OLD[0],
            "#[non_exhaustive] pub struct countersign_sdk::Point"
        )
        .breaks()
    );
    let difference = compare(&listing(OLD, &["blocking"]), &listing(OLD, &[]));
    assert_eq!(difference.lines(), ["gone: the feature blocking"]);
}

#[test]
fn what_is_added_breaks_where_something_was_complete() {
    for (item, breaks) in [
        ("pub countersign_sdk::Point::y: i32", true),
        ("pub countersign_sdk::Whole::Two", true),
        ("#[non_exhaustive] pub countersign_sdk::Whole::Three", true),
        ("pub countersign_sdk::Kind::Two", false),
        ("pub fn countersign_sdk::Problem::why(&self) -> u8", true),
        ("pub fn countersign_sdk::Sealed::why(&self) -> u8", false),
        ("pub fn countersign_sdk::Point::length(&self) -> i32", false),
        ("pub struct countersign_sdk::Circle", false),
        ("impl core::fmt::Debug for countersign_sdk::Kind", false),
    ] {
        let difference = with(item);
        assert_eq!(difference.breaks(), breaks, "{item}");
        assert_eq!(difference.added, usize::from(!breaks), "{item}");
    }
    let opened = instead(OLD[2], "pub enum countersign_sdk::Kind");
    assert!(!opened.breaks() && opened.added == 0);
}

#[test]
fn the_version_says_what_became_of_the_api() {
    let version = |text| Version::parse(text).expect("it is a version");
    let same = compare(&listing(OLD, &[]), &listing(OLD, &[]));
    let more = with("pub struct countersign_sdk::Circle");
    let broken = with("pub countersign_sdk::Whole::Two");
    for (old, new, allows) in [
        ("0.1.0", "0.0.9", [false, false, false]),
        ("0.1.0", "0.1.0", [true, false, false]),
        ("0.1.0", "0.1.1", [true, true, false]),
        ("0.1.0", "0.2.0", [true, true, true]),
        ("1.1.0", "1.1.1", [true, false, false]),
        ("1.1.0", "1.2.0", [true, true, false]),
        ("1.1.0", "2.0.0", [true, true, true]),
    ] {
        let all = [&same, &more, &broken];
        let verdicts = all.map(|one| verdict(one, version(old), version(new)).is_ok());
        assert_eq!(verdicts, allows, "{old} to {new}");
    }
}
