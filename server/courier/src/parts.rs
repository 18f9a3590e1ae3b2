//! Counts how many text messages a text takes on phone networks (3GPP TS 23.038, GSM 7-bit default
//! alphabet).

/// The characters of the default alphabet, without the escape.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The characters of its extension. Each takes two places.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// Tells whether a text fits the alphabet in which a message has 160 characters.
pub(super) fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| BASIC.contains(c) || EXTENDED.contains(c))
}

/// Returns how many messages a text is sent as. Joined messages each have less room, because of
/// their numbering.
pub(super) fn parts(text: &str) -> usize {
    let (units, alone, joined) = if is_plain(text) {
        let extended = text.chars().filter(|&c| EXTENDED.contains(c)).count();
        (text.chars().count() + extended, 160, 153)
    } else {
        (text.encode_utf16().count(), 70, 67)
    };
    if units <= alone {
        1
    } else {
        units.div_ceil(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::{is_plain, parts};

    #[test]
    fn a_text_costs_what_networks_count() {
        assert_eq!(BASIC_LENGTH, super::BASIC.chars().count());
        for (text, expected) in [
            ("", 1),
            (&"a".repeat(160), 1),
            (&"a".repeat(161), 2),
            (&"€".repeat(80), 1),
            (&"€".repeat(81), 2),
            (&"ω".repeat(70), 1),
            (&"ω".repeat(71), 2),
            (&"ω".repeat(135), 3),
            (&"😀".repeat(36), 2),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
        assert!(is_plain("Ünïcode".replace('ï', "i").as_str()) && !is_plain("Ünïcode"));
    }

    /// 128 places, without the escape.
    const BASIC_LENGTH: usize = 127;
}
