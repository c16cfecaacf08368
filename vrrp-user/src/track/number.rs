//! Which number does a tracked file hold: as C reads one, which is how keepalived does.

/// Bytes that are looked at.
pub(super) const LONGEST: usize = 127;

/// The number at the start of `text`: decimal, `0x` hexadecimal or `0` octal, after white space and
/// a sign; whatever follows it is not looked at. 0 where there is none, and nothing where it is out
/// of keepalived's range: then the number before it stays.
pub(super) fn number(text: &[u8]) -> Option<i64> {
    let text = text.get(..LONGEST).unwrap_or(text);
    let text = text.trim_ascii_start();
    // C counts the vertical tab among the white space, Rust does not.
    let text = match text.iter().position(|byte| *byte != 0x0b) {
        Some(start) => text[start..].trim_ascii_start(),
        None => return Some(0),
    };
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let hexadecimal = digits.len() > 2
        && digits[0] == b'0'
        && digits[1].eq_ignore_ascii_case(&b'x')
        && digits[2].is_ascii_hexdigit();
    let (base, digits) = match digits {
        [b'0', _, rest @ ..] if hexadecimal => (16, rest),
        [b'0', rest @ ..] => (8, rest),
        _ => (10, digits),
    };
    let mut value: i64 = 0;
    for digit in digits.iter().map_while(|byte| char::from(*byte).to_digit(base)) {
        value = value.checked_mul(i64::from(base))?.checked_add(i64::from(digit))?;
    }
    let value = if negative { -value } else { value };
    (i64::from(i32::MIN)..=i64::from(i32::MAX) + 1).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, expected) in [
            ("", Some(0)),
            ("\n", Some(0)),
            ("10\n", Some(10)),
            ("  -7 rest", Some(-7)),
            ("\u{b} +12", Some(12)),
            ("+ 12", Some(0)),
            ("--1", Some(0)),
            ("0x1F", Some(31)),
            ("0X10z", Some(16)),
            ("0x", Some(0)),
            ("0xg", Some(0)),
            ("-0x10", Some(-16)),
            ("010", Some(8)),
            ("09", Some(0)),
            ("12abc", Some(12)),
            ("word", Some(0)),
            ("2147483648", Some(2_147_483_648)),
            ("2147483649", None),
            ("-2147483648", Some(-2_147_483_648)),
            ("-2147483649", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn only_the_start_of_a_file_counts() {
        let mut text = vec![b' '; LONGEST - 1];
        text.extend(b"12");
        assert_eq!(number(&text), Some(1));
    }
}
