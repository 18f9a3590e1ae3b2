//! Cleaning of what people type and paste: invisible characters, dashes, spaces, and the digits of every
//! script.

use icu_properties::props::{
    BidiControl, Dash, DefaultIgnorableCodePoint, GeneralCategory, JoinControl,
    PrependedConcatenationMark, WhiteSpace,
};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::UnicodeNormalization;

/// The character that Windows writes at the start of text files.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Returns the text without a byte-order mark at its start.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Returns a code or a number without what people put between its characters or paste with it: spaces, dashes
/// and invisible characters. Digits of every script become ASCII digits, and full-width letters become plain
/// ones.
pub fn plain(text: &str) -> String {
    let filler = |c: &char| !is_invisible(*c) && !is_dash(*c) && !is_space(*c);
    let ascii = |c: char| digit(c).unwrap_or(c);
    text.nfkc().filter(filler).map(ascii).collect()
}

/// Returns a text without invisible characters. Joiners stay, since some words cannot be written without
/// them.
pub fn visible(text: &str) -> String {
    let seen = |c: &char| !is_invisible(*c) || joins(*c);
    text.chars().filter(seen).collect()
}

/// Returns a text that cannot contain spaces, such as a link's token, without the spaces and invisible
/// characters pasted with it.
pub fn unspaced(text: &str) -> String {
    let kept = |c: &char| !is_invisible(*c) && !is_space(*c);
    text.chars().filter(kept).collect()
}

/// Whether a name has any visible character.
pub fn shows(text: &str) -> bool {
    // An empty Braille cell is a symbol by its category, but looks like a space.
    text.chars()
        .any(|c| !is_invisible(c) && !is_space(c) && !c.is_control() && c != '\u{2800}')
}

/// Whether a character in a name could hide, or change the text around it: control characters, line ends,
/// direction marks and format characters. Format characters that letters, digits and emoji need are allowed.
pub fn is_harmful(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    match category {
        GeneralCategory::Control
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator => true,
        GeneralCategory::Format => {
            let written = joins(c)
                || CodePointSetData::new::<PrependedConcatenationMark>().contains(c)
                // The flags of England, Scotland and Wales are spelled with these.
                || ('\u{e0020}'..='\u{e007f}').contains(&c);
            !written || CodePointSetData::new::<BidiControl>().contains(c)
        }
        _ => false,
    }
}

/// Whether it is a mark written on or beside a letter (Unicode: Mn, Mc).
pub fn is_mark(c: char) -> bool {
    matches!(
        CodePointMapData::<GeneralCategory>::new().get(c),
        GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark
    )
}

/// Whether it looks like a dash. The minus sign does.
pub fn is_dash(c: char) -> bool {
    CodePointSetData::new::<Dash>().contains(c)
        || CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::DashPunctuation
}

/// Whether it is an invisible character that joins letters or keeps them apart.
pub fn joins(c: char) -> bool {
    CodePointSetData::new::<JoinControl>().contains(c)
}

fn is_invisible(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
}

fn is_space(c: char) -> bool {
    CodePointSetData::new::<WhiteSpace>().contains(c)
}

/// Returns the ASCII digit for a decimal digit of any script.
fn digit(c: char) -> Option<char> {
    let decimal = |c: &char| {
        CodePointMapData::<GeneralCategory>::new().get(*c) == GeneralCategory::DecimalNumber
    };
    if c.is_ascii() || !decimal(&c) {
        return None;
    }
    // Each script has its ten digits in a row, from zero to nine (Unicode §4.6).
    let before = (0..u32::from(c)).rev().map_while(char::from_u32);
    let place = before.take_while(decimal).count() % 10;
    char::from_digit(u32::try_from(place).ok()?, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_was_pasted() {
        for typed in [
            "123456",
            " 123 456\r\n",
            "123\u{200b}456",
            "\u{feff}123456",
            "12\u{ad}3456\u{2060}",
            "\u{202a}123456\u{202c}",
            "\u{2066}123\u{2069}456\u{200e}\u{200f}",
            "123\u{2212}456",
            "123\u{2011}456",
            "123\u{fe63}456",
            "123\u{202f}456\u{3000}",
            "\u{e0001}123456\u{fe0f}",
            "１２３４５６",
            "١٢٣٤٥٦",
            "۱۲۳۴۵۶",
            "१२३४५६",
            "𝟏𝟐𝟑𝟺𝟻𝟼",
        ] {
            assert_eq!(plain(typed), "123456", "{typed:?}");
        }
        assert_eq!(plain("７Ｆ３Ｋ－９ｑｗｍ"), "7F3K9qwm");
        assert_eq!(plain("12345O"), "12345O");
    }

    #[test]
    fn every_script_has_its_digits_in_runs_of_ten() {
        let decimal = CodePointMapData::<GeneralCategory>::new();
        let mut run = 0;
        for c in ('\0'..=char::MAX).chain(['\0']) {
            if decimal.get(c) == GeneralCategory::DecimalNumber {
                let value = char::from_digit(run % 10, 10);
                assert_eq!(digit(c).or(Some(c)), value, "{c:?}");
                run += 1;
            } else {
                assert_eq!(run % 10, 0, "before {c:?}");
                run = 0;
            }
        }
    }

    #[test]
    fn names_show_something_and_hide_nothing() {
        for empty in [
            "",
            " ",
            "\u{a0}\u{3000}",
            "\u{200b}",
            "\u{2060}\u{fe0f}",
            "\u{115f}\u{3164}\u{ffa0}",
            "\u{2800}",
            "\u{200d}",
            "\t",
        ] {
            assert!(!shows(empty), "{empty:?}");
        }
        for shown in ["A", "אב", "नमस्ते", "🙂", " x "] {
            assert!(shows(shown), "{shown:?}");
        }
        for bad in [
            '\0', '\n', '\u{85}', '\u{2028}', '\u{2029}', '\u{200b}', '\u{200e}', '\u{200f}',
            '\u{61c}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{feff}', '\u{ad}', '\u{2060}',
        ] {
            assert!(is_harmful(bad), "{bad:?}");
        }
        for good in ["می‌خواهم", "क्‍ष", "👩‍🔬", "❤️", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "Zoe\u{308}", "O’Neill"]
        {
            assert!(!good.chars().any(is_harmful), "{good:?}");
        }
    }

    #[test]
    fn a_mark_is_dropped_at_the_head_only() {
        assert_eq!(without_mark("\u{feff}{}"), "{}");
        assert_eq!(without_mark("{}\u{feff}"), "{}\u{feff}");
    }
}
