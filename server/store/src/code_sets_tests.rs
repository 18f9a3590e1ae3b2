//! Tests of code sets: pending, live and replaced sets, and codes that work once.

use uuid::Uuid;

use super::{
    codes, delete_all, delete_kind, end, insert, live, make_live, of_factor, remaining, spend,
};
use crate::conn::{self, Engine, Use};
use crate::forget::{Times, Walk, forget, look};
use crate::model::code_set::{CodeSet, RecoveryCode};
use crate::model::factor::Factor;
use crate::model::ids::Id;
use crate::model::kinds::{CodeSetKind, FactorKind};
use crate::model::{Time, UserId};
use crate::{Tx, factors};

const NOW: Time = Time::from_micros(1);

fn tx() -> Tx {
    let mut conn = conn::open(&Engine::Sqlite(":memory:".to_owned()), Use::Write).expect("opened");
    conn::migrate(&mut conn).expect("a schema");
    Tx { conn }
}

fn user() -> UserId {
    Id::new(Uuid::from_u128(1))
}

fn set(tx: &mut Tx, number: u128, kind: CodeSetKind, factor: Option<u128>, live: bool) -> CodeSet {
    let set = CodeSet {
        user_id: user(),
        id: Id::new(Uuid::from_u128(number)),
        kind,
        salt: vec![1; 16],
        factor_id: factor.map(|factor| Id::new(Uuid::from_u128(factor))),
        created_at: NOW,
        live_at: live.then_some(NOW),
        ended_at: None,
    };
    let rows: Vec<RecoveryCode> = (0..3)
        .map(|ordinal| RecoveryCode {
            user_id: user(),
            set_id: set.id,
            ordinal,
            code_hash: vec![u8::try_from(ordinal).expect("small"); 32],
            used_at: None,
        })
        .collect();
    insert(tx, &set, &rows).expect("kept");
    set
}

fn factor(tx: &mut Tx, number: u128) {
    let id = Id::new(Uuid::from_u128(number));
    let factor = Factor::pending(user(), id, FactorKind::Authenticator, NOW);
    factors::insert(tx, &factor).expect("a factor");
}

#[test]
fn a_code_is_spent_once_and_not_after_its_set_ended() {
    let mut tx = tx();
    let set = set(&mut tx, 10, CodeSetKind::Recovery, None, true);
    assert!(spend(&mut tx, &set, 1, NOW).expect("asked"));
    assert!(!spend(&mut tx, &set, 1, NOW).expect("asked"));
    assert!(!spend(&mut tx, &set, 9, NOW).expect("asked"));
    assert_eq!(
        remaining(&mut tx, user(), CodeSetKind::Recovery).expect("counted"),
        2
    );
    end(&mut tx, user(), CodeSetKind::Recovery, NOW).expect("ended");
    assert!(!spend(&mut tx, &set, 2, NOW).expect("asked"));
    assert_eq!(
        remaining(&mut tx, user(), CodeSetKind::Recovery).expect("counted"),
        0
    );
    assert!(codes(&mut tx, &set).expect("read").is_empty());
}

#[test]
fn a_pending_set_counts_once_its_factor_is_proved_and_ends_the_older_one() {
    let mut tx = tx();
    let scratch = CodeSetKind::Scratch;
    let old = set(&mut tx, 10, scratch, None, true);
    let recovery = set(&mut tx, 11, CodeSetKind::Recovery, None, true);
    factor(&mut tx, 20);
    let pending = set(&mut tx, 12, scratch, Some(20), false);
    let found = live(&mut tx, user(), scratch).expect("read").expect("one");
    assert_eq!(found.id, old.id);
    let found = of_factor(&mut tx, user(), Id::new(Uuid::from_u128(20)));
    assert_eq!(found.expect("read").expect("one").id, pending.id);
    make_live(&mut tx, user(), Id::new(Uuid::from_u128(20)), NOW).expect("live");
    let found = live(&mut tx, user(), scratch).expect("read").expect("one");
    assert_eq!(found.id, pending.id);
    assert!(!spend(&mut tx, &old, 0, NOW).expect("asked"));
    let other = live(&mut tx, user(), CodeSetKind::Recovery).expect("read");
    assert_eq!(other.expect("one").id, recovery.id);
    delete_kind(&mut tx, user(), scratch).expect("deleted");
    assert!(live(&mut tx, user(), scratch).expect("read").is_none());
    assert!(codes(&mut tx, &pending).expect("read").is_empty());
    delete_all(&mut tx, user()).expect("deleted");
    assert!(
        live(&mut tx, user(), CodeSetKind::Recovery)
            .expect("read")
            .is_none()
    );
}

#[test]
fn a_set_whose_factor_is_gone_is_forgotten_by_the_next_one() {
    let mut tx = tx();
    let orphan = set(&mut tx, 10, CodeSetKind::Scratch, Some(20), false);
    factor(&mut tx, 21);
    set(&mut tx, 11, CodeSetKind::Scratch, Some(21), false);
    assert!(codes(&mut tx, &orphan).expect("read").is_empty());
    let gone = of_factor(&mut tx, user(), Id::new(Uuid::from_u128(20)));
    assert!(gone.expect("read").is_none());
}

/// Forgets expired rows in all tables, two rows at a time.
fn forget_before(tx: &mut Tx, before: Time) {
    let times = Times {
        now: before,
        idle: before,
        ended: before,
        sessions: before,
        audit: before,
    };
    let mut walk = Walk::default();
    while let Some(stretch) = look(tx, &walk, &times, 2).expect("read") {
        if stretch.is_over() {
            forget(tx, &stretch, &times).expect("deleted");
        }
        walk = stretch.behind();
    }
}

#[test]
fn what_is_over_is_forgotten_and_nothing_else() {
    let mut tx = tx();
    let kept = set(&mut tx, 10, CodeSetKind::Recovery, None, true);
    factor(&mut tx, 20);
    let waiting = set(&mut tx, 11, CodeSetKind::Scratch, Some(20), false);
    forget_before(&mut tx, NOW);
    assert_eq!(codes(&mut tx, &waiting).expect("read").len(), 3);
    forget_before(&mut tx, Time::from_micros(2));
    assert!(codes(&mut tx, &waiting).expect("read").is_empty());
    assert_eq!(codes(&mut tx, &kept).expect("read").len(), 3);
}
