//! Codes by text message: which numbers may be sent one.

use phonenumber::country;
use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, Type};

/// The digits of a number that make its prefix (P-26): country, area, and who sold it.
const PREFIX: usize = 7;

/// A number that text messages can be sent to, in E.164: `+` and digits, nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(String);

/// Why a number is none that we send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is no phone number in international form.
    NoNumber,
    /// It is one that is dearer than a text message to a person, or reaches no person.
    NoPerson,
    /// Its country is not on the list (P-26).
    Country,
}

impl Flaw {
    /// What to do about it.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoNumber => {
                "Send a phone number in international form, with a plus sign, as +12025550123."
            }
            Self::NoPerson => "Send the number of a mobile phone.",
            Self::Country => {
                "Text messages are not sent to this country. Use another number or method."
            }
        }
    }
}

impl Phone {
    /// Reads a number as typed: a plus sign first, and whatever people put between digits.
    ///
    /// # Errors
    /// Why it is none that we send to.
    pub fn parse(text: &str, countries: &[country::Id]) -> Result<Self, Flaw> {
        let filler = |c: &char| !matches!(c, ' ' | '\u{a0}' | '-' | '.' | '(' | ')' | '/');
        let bare: String = text.trim().chars().filter(filler).collect();
        let digits = bare.strip_prefix('+').ok_or(Flaw::NoNumber)?;
        // E.164 §6.2.1: fifteen digits at most.
        let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !fits {
            return Err(Flaw::NoNumber);
        }
        let number = phonenumber::parse(None, &bare).map_err(|_| Flaw::NoNumber)?;
        if !number.is_valid() {
            return Err(Flaw::NoNumber);
        }
        match number.number_type(&DATABASE) {
            Type::Mobile | Type::FixedLineOrMobile | Type::FixedLine | Type::Voip => {}
            Type::TollFree
            | Type::PremiumRate
            | Type::SharedCost
            | Type::PersonalNumber
            | Type::Pager
            | Type::Uan
            | Type::Emergency
            | Type::Voicemail
            | Type::ShortCode
            | Type::StandardRate
            | Type::Carrier
            | Type::NoInternational
            | Type::Unknown => return Err(Flaw::NoPerson),
        }
        match number.country().id() {
            Some(country) if countries.contains(&country) => {
                Ok(Self(number.format().mode(Mode::E164).to_string()))
            }
            Some(_) | None => Err(Flaw::Country),
        }
    }

    /// The number.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The beginning that numbers of one range have in common (P-26).
pub fn prefix(number: &str) -> &str {
    let digits = number.trim_start_matches('+');
    digits.get(..PREFIX).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use phonenumber::country::Id;

    fn read(text: &str) -> Result<String, Flaw> {
        Phone::parse(text, &[Id::US, Id::DE]).map(|phone| phone.0)
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for text in ["+12025550123", " +1 (202) 555-0123 ", "+1.202.555.0123"] {
            assert_eq!(read(text).as_deref(), Ok("+12025550123"), "{text}");
        }
        assert_eq!(
            read("+49 (0) 1512 3456789").as_deref(),
            Ok("+4915123456789")
        );
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "+",
            "12025550123",
            "0012025550123",
            "2025550123",
            "+1202555012",
            "+120255501234",
            "+1202555O123",
            "+12025550123;ext=5",
            "tel:+12025550123",
            "+12025550123x5",
            "+999123456789",
            "+٠١٢٣٤٥٦٧٨٩",
            "++12025550123",
            "+1202555012300000",
        ] {
            assert_eq!(read(text), Err(Flaw::NoNumber), "{text}");
        }
    }

    #[test]
    fn numbers_that_cost_are_refused() {
        for text in ["+19002345678", "+18007233456", "+15005550006"] {
            assert_eq!(read(text), Err(Flaw::NoPerson), "{text}");
        }
    }

    #[test]
    fn other_countries_are_refused() {
        // Canada and the Caymans share +1 with the United States.
        for text in ["+16137827274", "+13459492311", "+33631966543"] {
            assert_eq!(read(text), Err(Flaw::Country), "{text}");
        }
        assert_eq!(Phone::parse("+12025550123", &[]).err(), Some(Flaw::Country));
    }

    #[test]
    fn numbers_of_one_range_have_one_prefix() {
        assert_eq!(prefix("+12025550123"), "1202555");
        assert_eq!(prefix("+12"), "12");
    }
}
