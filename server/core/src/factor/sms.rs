//! Codes by SMS: which phone numbers they may be sent to.

use phonenumber::country;
use phonenumber::metadata::DATABASE;
use phonenumber::{Metadata, Mode, Type};

use crate::config::Settings;
use crate::factor::{ComparisonInput, Expectation, Method, Preparation, SetUp, sent_code};
use crate::model::factor::Factor;
use crate::model::kinds::FactorKind;
use crate::model::notice::Channel;
use crate::model::{Refusal, typed};
use crate::outcome::SetupNeeds;

/// How many digits make a number's prefix: country, area and operator.
const PREFIX: usize = 7;

/// The method: a code by SMS.
pub struct Texts;

impl Method for Texts {
    fn kind(&self) -> FactorKind {
        FactorKind::Sms
    }

    fn channel(&self) -> Option<Channel> {
        Some(Channel::Text)
    }

    fn prepare(
        &self,
        set_up: &SetUp<'_>,
        factor: &mut Factor,
    ) -> crate::model::Result<Preparation> {
        let phone = Phone::typed(set_up.settings, set_up.phone.unwrap_or_default())?.0;
        factor.target = Some(phone.clone());
        Ok(Preparation::code(SetupNeeds::Sms { phone }))
    }

    fn expect(&self, expecting: ComparisonInput<'_>) -> crate::model::Result<Box<dyn Expectation>> {
        Ok(sent_code::expect(expecting, Channel::Text))
    }
}

/// A phone number that text messages can be sent to, in E.164: `+`, then digits only.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(String);

/// Why no text message is sent to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not a phone number in international form.
    NoNumber,
    /// It costs more than a text message to a person, or does not reach a person.
    NoPerson,
    /// Its country is not allowed.
    Country,
}

impl Flaw {
    /// Returns a sentence that says what to do.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoNumber => {
                "Send a phone number in international form, with a plus sign, such as +12025550123."
            }
            Self::NoPerson => "Send the number of a mobile phone.",
            Self::Country => {
                "Text messages are not sent to this country. Use another number or method."
            }
        }
    }
}

impl Phone {
    /// Reads the phone number for a new SMS factor.
    ///
    /// # Errors
    /// Refuses if the server sends no text messages, since no country is in `sms_countries`, and a number that
    /// messages are not sent to.
    pub fn typed(settings: &Settings, text: &str) -> Result<Self, Refusal> {
        if settings.sms_countries.is_empty() {
            return Err(Refusal::MfaMethodUnavailable);
        }
        Self::parse(text, &settings.sms_countries)
            .map_err(|flaw| Refusal::field("phoneNumber", flaw.sentence()))
    }

    /// Reads a number as people type it: a plus sign, then digits with anything usual between them.
    ///
    /// # Errors
    /// Returns why no text message is sent to it.
    pub fn parse(text: &str, countries: &[country::Id]) -> Result<Self, Flaw> {
        let plain = typed::plain(text);
        let number = match plain.get(..SCHEME.len()) {
            Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => &plain[SCHEME.len()..],
            _ => &plain,
        };
        let bare: String = number
            .chars()
            .filter(|c| !matches!(c, '.' | '(' | ')' | '/'))
            .collect();
        let digits = bare.strip_prefix('+').ok_or(Flaw::NoNumber)?;
        // At most fifteen digits (E.164 §6.2.1).
        let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !fits {
            return Err(Flaw::NoNumber);
        }
        let found = KnownNumber::as_it_stands(digits)
            .or_else(|| KnownNumber::without_trunk(digits))
            .or_else(|| KnownNumber::as_dialled_at_home(&bare))
            .ok_or(Flaw::NoNumber)?;
        if !found.kinds.iter().all(|&(_, kind)| is_of_a_person(kind)) {
            return Err(Flaw::NoPerson);
        }
        let sent_to = |(country, _): &(country::Id, Type)| countries.contains(country);
        if !found.kinds.iter().any(sent_to) {
            return Err(Flaw::Country);
        }
        Ok(Self(found.number))
    }

    /// Returns the number in E.164.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The beginning of a phone number in a link (RFC 3966).
const SCHEME: &str = "tel:";

/// A number that the library's table knows. The library's own parser removes zeros that belong to the number
/// in some countries, so the table is asked first.
struct KnownNumber {
    number: String,
    /// The countries that have it, and its kind in each. Some countries share a code, and a few even a range
    /// of numbers.
    kinds: Vec<(country::Id, Type)>,
}

impl KnownNumber {
    fn as_it_stands(digits: &str) -> Option<Self> {
        let (code, regions, national) = split(digits)?;
        let kinds: Vec<_> = regions
            .into_iter()
            .map(|region| (region, kind(region, national)))
            .filter(|(_, kind)| *kind != Type::Unknown)
            .collect();
        let known = !kinds.is_empty();
        let named = kinds.into_iter().filter_map(|(region, kind)| {
            // Worldwide numbers belong to no country.
            Some((region.id().parse().ok()?, kind))
        });
        known.then(|| Self {
            number: format!("+{code}{national}"),
            kinds: named.collect(),
        })
    }

    /// Reads a number without the zero that is dialled only inside the country. People write it in brackets.
    fn without_trunk(digits: &str) -> Option<Self> {
        let (code, regions, national) = split(digits)?;
        let trunk = regions.first()?.national_prefix()?;
        let rest = national.strip_prefix(trunk)?;
        Self::as_it_stands(&format!("{code}{rest}"))
    }

    /// Reads a number in its domestic form, which differs for mobile phones in some countries. The library
    /// knows these forms.
    fn as_dialled_at_home(bare: &str) -> Option<Self> {
        let number = phonenumber::parse(None, bare).ok()?;
        let number = number.format().mode(Mode::E164).to_string();
        Self::as_it_stands(number.strip_prefix('+')?)
    }
}

/// Splits digits into the country code, the regions that have it, and the rest.
fn split(digits: &str) -> Option<(u16, Vec<&'static Metadata>, &str)> {
    // No country code is the beginning of another.
    (1..=3).find_map(|length| {
        let (code, national) = digits.split_at_checked(length)?;
        let code = code.parse().ok().filter(|_| !code.starts_with('0'))?;
        Some((code, DATABASE.by_code(&code)?, national))
    })
}

/// Returns the kind of a number in a region, checked in the library's order: the most expensive first.
fn kind(region: &Metadata, national: &str) -> Type {
    let all = region.descriptors();
    let order = [
        Type::PremiumRate,
        Type::TollFree,
        Type::SharedCost,
        Type::Voip,
        Type::PersonalNumber,
        Type::Pager,
        Type::Uan,
        Type::Voicemail,
        Type::FixedLine,
        Type::Mobile,
    ];
    let is = |kind: &Type| all.get(*kind).is_some_and(|one| one.is_match(national));
    if !all.general().is_match(national) {
        return Type::Unknown;
    }
    order.into_iter().find(is).unwrap_or(Type::Unknown)
}

const fn is_of_a_person(kind: Type) -> bool {
    match kind {
        Type::Mobile | Type::FixedLineOrMobile | Type::FixedLine | Type::Voip => true,
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
        | Type::Unknown => false,
    }
}

/// Returns the first digits, which all numbers of one range share.
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
        for text in [
            "+12025550123",
            " +1 (202) 555-0123 ",
            "+1.202.555.0123",
            "tel:+1-202-555-0123",
            "TEL:+12025550123",
            "+1\u{2011}202\u{2011}555\u{2011}0123",
            "+1\u{202f}202\u{2013}555\u{2013}0123",
            "\u{ff0b}1\u{3000}２０２５５５０１２３",
            "\u{202a}+12025550123\u{202c}",
            "+١٢٠٢٥٥٥٠١٢٣",
        ] {
            assert_eq!(read(text).as_deref(), Ok("+12025550123"), "{text}");
        }
        assert_eq!(
            read("+49 (0) 1512 3456789").as_deref(),
            Ok("+4915123456789")
        );
    }

    #[test]
    fn a_zero_that_is_part_of_a_number_stays() {
        let read =
            |text| Phone::parse(text, &[Id::CI, Id::BJ, Id::IT, Id::GB]).map(|phone| phone.0);
        for text in ["+2250708123456", "+2290195123456", "+390236618300"] {
            assert_eq!(read(text).as_deref(), Ok(text));
        }
        assert_eq!(read("+44 (0) 7400 123456").as_deref(), Ok("+447400123456"));
    }

    #[test]
    fn the_example_of_every_region_is_read() {
        let mut read = 0;
        for region in DATABASE.iter() {
            let Ok(country) = region.id().parse::<Id>() else {
                continue;
            };
            let all = region.descriptors();
            for one in [all.mobile(), all.fixed_line()].into_iter().flatten() {
                let Some(example) = one.example() else {
                    continue;
                };
                let number = format!("+{}{example}", region.country_code());
                let phone = Phone::parse(&number, &[country]).map(|phone| phone.0);
                assert_eq!(phone.as_deref(), Ok(&*number), "{}", region.id());
                read += 1;
            }
        }
        assert!(read > 450, "{read} numbers of some 245 regions");
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
            "tel:12025550123",
            "tel:+12025550123;ext=5",
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
        // Canada and the Cayman Islands share +1 with the United States.
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
