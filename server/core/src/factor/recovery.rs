//! Recovery codes and Veeam's scratch codes: drawn, read as people type them, and compared by a slow hash.

use crate::chance::Chance;
use crate::factor::Code;
use crate::model::code_set::CodeSet;
use crate::model::kinds::CodeSetKind;
use crate::model::{Result, Secret, Time};
use crate::store::{Tx, code_sets};
use crate::vault::{Vault, same};

/// The symbols of Crockford's base32: no I, L, O and U.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Symbols of a recovery code: 80 bits. NIST SP 800-63B-4 §4.2.1.1 asks for 64.
const RECOVERY_SYMBOLS: usize = 16;
/// Symbols per printed group.
const GROUP: usize = 4;
/// Codes per recovery set.
const RECOVERY_CODES: usize = 10;
/// Digits of a scratch code.
pub const SCRATCH_DIGITS: u32 = 8;
/// Codes per scratch set.
const SCRATCH_CODES: usize = 5;

/// The purpose that the pepper is derived for.
const DOMAIN: &str = "recovery code";

/// Draws the codes of a new set, as they are printed. No two are equal.
pub fn draw(chance: &Chance, kind: CodeSetKind) -> Vec<Secret<String>> {
    let (count, one): (usize, fn(&Chance) -> Secret<String>) = match kind {
        CodeSetKind::Recovery => (RECOVERY_CODES, recovery_code),
        CodeSetKind::Scratch => (SCRATCH_CODES, |chance| chance.code(SCRATCH_DIGITS)),
    };
    let mut codes: Vec<Secret<String>> = Vec::with_capacity(count);
    while codes.len() < count {
        let code = one(chance);
        if !codes.iter().any(|drawn| drawn.expose() == code.expose()) {
            codes.push(code);
        }
    }
    codes
}

/// Draws 80 random bits and prints them as four groups of four symbols.
fn recovery_code(chance: &Chance) -> Secret<String> {
    let mut printed = String::with_capacity(RECOVERY_SYMBOLS + RECOVERY_SYMBOLS / GROUP);
    // The bound is a power of two, so all symbols are equally likely, with five bits each.
    for place in 0..RECOVERY_SYMBOLS {
        if place > 0 && place % GROUP == 0 {
            printed.push('-');
        }
        let drawn = usize::try_from(chance.below(SYMBOLS.len() as u64)).unwrap_or(0);
        printed.push(char::from(SYMBOLS[drawn]));
    }
    Secret::new(printed)
}

/// Returns the form of a code that is hashed: upper case, without spaces and dashes, and with digits in place
/// of letters that look like them.
fn normalized(code: &Code) -> Secret<String> {
    let symbol = |c: char| match c.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    };
    Secret::new(code.expose().chars().map(symbol).collect())
}

/// Returns the kind of set that a code could belong to, by its form alone. Eight digits may also be a code
/// that was sent.
pub fn form(code: &Code) -> Option<CodeSetKind> {
    const SCRATCH: usize = SCRATCH_DIGITS as usize;
    // Most codes are shorter. The form that is hashed has as many bytes.
    let (kind, symbols): (_, &[u8]) = match code.expose().len() {
        RECOVERY_SYMBOLS => (CodeSetKind::Recovery, SYMBOLS),
        SCRATCH => (CodeSetKind::Scratch, b"0123456789"),
        _other => return None,
    };
    let hashed = normalized(code);
    let fits = |symbol: &u8| symbols.contains(symbol);
    hashed.expose().as_bytes().iter().all(fits).then_some(kind)
}

/// Returns what is hashed for a code: its keyed hash. So the database alone is not enough to guess eight
/// digits.
pub fn peppered(vault: &Vault, code: &Code) -> Secret<String> {
    let keyed = vault.keyed_hash(DOMAIN, &[normalized(code).expose().as_bytes()]);
    Secret::new(data_encoding::HEXLOWER.encode(&keyed))
}

/// Uses up the code with this hash, in a set that has not ended. Returns `false` if there is none, or it was
/// used. Call it only after the try was taken.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub fn spend(tx: &mut Tx, set: &CodeSet, hash: &[u8; 32], now: Time) -> Result<bool> {
    let mut found = None;
    // All rows are compared, each in constant time.
    for row in code_sets::codes(tx, set)? {
        if same(&row.code_hash, hash) {
            found = Some(row.ordinal);
        }
    }
    match found {
        Some(ordinal) => code_sets::spend(tx, set, ordinal, now),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::{draw, form, normalized};
    use crate::chance::Chance;
    use crate::factor::Code;
    use crate::model::Secret;
    use crate::model::kinds::CodeSetKind;

    fn typed(text: &str) -> Code {
        Code::typed(&Secret::new(text.to_owned()))
    }

    #[test]
    fn a_set_has_its_codes_in_their_form() {
        let chance = Chance::seeded(1);
        let codes = draw(&chance, CodeSetKind::Recovery);
        assert_eq!(codes.len(), 10);
        for code in &codes {
            assert_eq!(form(&Code::typed(code)), Some(CodeSetKind::Recovery));
            assert_eq!(code.expose().len(), 19);
            let groups: Vec<&str> = code.expose().split('-').collect();
            assert!(groups.iter().all(|group| group.len() == 4), "{groups:?}");
        }
        let codes = draw(&chance, CodeSetKind::Scratch);
        assert_eq!(codes.len(), 5);
        for code in &codes {
            assert_eq!(form(&Code::typed(code)), Some(CodeSetKind::Scratch));
        }
    }

    #[test]
    fn every_symbol_is_drawn() {
        let chance = Chance::seeded(2);
        let all: String = (0..40)
            .flat_map(|_| draw(&chance, CodeSetKind::Recovery))
            .map(|code| code.expose().clone())
            .collect();
        assert!(
            super::SYMBOLS
                .iter()
                .all(|&symbol| all.contains(char::from(symbol)))
        );
        assert!(!all.contains(['I', 'L', 'O', 'U']));
    }

    #[test]
    fn case_dashes_spaces_and_look_alikes_are_forgiven() {
        let printed = normalized(&typed("7F3K-9QWM-0123-1ABC"));
        for same in [
            "7f3k-9qwm-0123-1abc",
            " 7F3K 9QWM\tOI23 LABC ",
            "7f3k9qwmo123iabc",
            "7F3K\u{2013}9QWM\u{2013}o123\u{2013}labc",
        ] {
            assert_eq!(
                normalized(&typed(same)).expose(),
                printed.expose(),
                "{same}"
            );
            assert_eq!(form(&typed(same)), Some(CodeSetKind::Recovery));
        }
    }

    #[test]
    fn other_codes_are_none() {
        for other in [
            "",
            "123456",
            "1234567",
            "123456789",
            "7F3K-9QWM-0123-1AB",
            "7F3K-9QWM-0123-1ABCD",
            "7F3K-9QWM-0123-1ABU",
            "7F3K-9QWM-0123-1AB\u{e9}",
            "ml_7F3K9QWM01231",
        ] {
            assert_eq!(form(&typed(other)), None, "{other}");
        }
    }
}
