//! A toy method, `push`: the sign-in shows two digits, and the owner types them on a device that was set up.
//! It is all that [`Method`] asks for. A real one also has a row in `methods!` and in `METHODS`, words in the
//! APIs, and, since no sign-in calls [`Method::ask`] for it yet, changes in `flow/login.rs`. The recipe "A method"
//! in `server/README.md` has the list.

use std::slice::from_ref;

use serde_json::json;
use uuid::Uuid;

use super::{
    AnswerRequest, ComparisonInput, Expectation, METHODS, Method, NewCeremony, Preparation, SetUp,
    of,
};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Settings;
use crate::factor::{Answer, Fit, Verdict};
use crate::model::challenge::Challenge;
use crate::model::factor::Factor;
use crate::model::ids::Id;
use crate::model::kinds::{FactorKind, FactorState, Purpose, Role};
use crate::model::policy::Policy;
use crate::model::user::{PasswordHash, User};
use crate::model::{Refusal, Result, Secret, Time};
use crate::outcome::SetupNeeds;
use crate::store::Tx;
use crate::vault::Vault;

struct Push;

impl Method for Push {
    fn kind(&self) -> FactorKind {
        // A toy has no row in the model, so it borrows one.
        FactorKind::Passkey
    }

    fn may_be_several(&self) -> bool {
        true
    }

    fn prepare(&self, set_up: &SetUp<'_>, factor: &mut Factor) -> Result<Preparation> {
        let device = set_up.chance.code(6).expose().clone();
        factor.target = Some(device.clone());
        let options = json!({ "device": device });
        Ok(Preparation::code(SetupNeeds::Passkey { options }))
    }

    fn ask(&self, asked: &AnswerRequest<'_>) -> Result<Option<NewCeremony>> {
        let on = |factor: &&Factor| factor.state == FactorState::On;
        let device = asked.factors.iter().find(on);
        let device = device.ok_or(Refusal::MfaMethodNotEnabled)?;
        Ok(Some(NewCeremony {
            options: json!({ "device": device.target }),
            state: "17".to_owned(),
        }))
    }

    fn expect(&self, expecting: ComparisonInput<'_>) -> Result<Box<dyn Expectation>> {
        Ok(Box::new(Digits(expecting.challenge.ceremony.clone())))
    }
}

/// The digits that are shown.
struct Digits(Option<String>);

impl Expectation for Digits {
    fn fit(&self, answer: &Answer, _policy: &Policy, _now: Time) -> Fit {
        let typed = answer.code().map(|code| code.expose());
        let fits = typed.is_some() && typed == self.0.as_deref();
        Fit(vec![fits.then_some(0)])
    }

    fn accept(&self, _tx: &mut Tx, fit: &Fit, _now: Time) -> Result<Verdict> {
        Ok(match fit.is_any() {
            true => Verdict::Right,
            false => Verdict::Wrong,
        })
    }
}

const NOW: Time = Time::from_seconds(1_800_000_000);

fn alice() -> User {
    User {
        id: Id::new(Uuid::from_u128(7)),
        number: 1,
        email: "alice@example.com".to_owned(),
        first_name: None,
        last_name: None,
        role: Role::User,
        password_hash: PasswordHash::new(String::new()),
        created_at: NOW,
        disabled_at: None,
        mailbox: true,
        description: None,
        organisation_id: None,
        organisation_role: None,
        password_changes: 0,
    }
}

fn challenge(ceremony: &NewCeremony) -> Challenge {
    Challenge {
        user_id: alice().id,
        id: Id::new(Uuid::from_u128(9)),
        secret_hash: Vec::new(),
        purpose: Purpose::Login,
        kind: Push.kind().into(),
        factor_id: None,
        session_id: None,
        code_hash: None,
        attempts: 0,
        resends: 0,
        last_sent_at: None,
        created_at: NOW,
        expires_at: NOW.plus_seconds(300),
        consumed_at: None,
        link_hash: None,
        link_expires_at: None,
        ceremony: Some(ceremony.state.clone()),
        action: None,
        source: None,
        opened_at: None,
    }
}

#[test]
fn each_row_is_the_method_of_its_kind() {
    assert_eq!(METHODS.map(|method| method.kind()), *FactorKind::ALL);
    for kind in FactorKind::ALL {
        assert_eq!(of(*kind).kind(), *kind);
    }
}

#[test]
fn a_method_is_one_file() {
    let push: &dyn Method = &Push;
    let (chance, user) = (Chance::seeded(1), alice());
    let folder = std::env::temp_dir().join(format!("countersign-push-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let settings = Settings::for_test(&folder).expect("the defaults");
    let vault = Vault::open(&settings, &Clock::held(NOW), &chance).expect("a vault");

    let mut factor = Factor::pending(user.id, chance.id(NOW), push.kind(), NOW);
    let set_up = SetUp {
        chance: &chance,
        vault: &vault,
        settings: &settings,
        now: NOW,
        user: &user,
        standing: &[],
        phone: None,
    };
    let prepared = push.prepare(&set_up, &mut factor).expect("prepared");
    assert!(factor.target.is_some() && prepared.ceremony.is_none());

    let ask = |factors: &[Factor]| {
        push.ask(&AnswerRequest {
            settings: &settings,
            purpose: Purpose::Login,
            now: NOW,
            ends: NOW.plus_seconds(300),
            factors,
        })
    };
    assert!(ask(from_ref(&factor)).is_err(), "it is not on");
    factor.state = FactorState::On;
    let asked = ask(from_ref(&factor)).expect("it is on");
    let asked = asked.expect("digits are shown");

    let expected = push.expect(ComparisonInput {
        vault: &vault,
        challenge: &challenge(&asked),
        candidates: vec![factor],
        by_policy: false,
    });
    let expected = expected.expect("prepared");
    for (typed, right) in [("17", true), (" 1 7 ", true), ("18", false), ("", false)] {
        let answer = Answer::typed(&Secret::new(typed.to_owned()));
        let fit = expected.fit(&answer, &settings.policy, NOW);
        assert_eq!(fit.is_any(), right, "{typed}");
    }
    std::fs::remove_dir_all(&folder).expect("the folder is there");
}
