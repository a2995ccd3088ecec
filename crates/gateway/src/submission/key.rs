//! `Idempotency-Key`, bare or as a quoted string.

use crate::problem::Problem;

/// The longest key, in bytes, as the contract has it.
const LONGEST: usize = 256;

/// The key itself: `"a-1"` and `a-1` are the same.
pub(super) fn parse(text: &str) -> Result<String, Problem> {
    let wrong = |what: &str| {
        Problem::invalid(format!(
            "Idempotency-Key must be 1 to {LONGEST} bytes, bare or between double quotes; {what}: send such a key."
        ))
    };
    let key = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(quoted) => unquoted(quoted).ok_or_else(|| wrong("its quotes do not match"))?,
    };
    match key.len() {
        0 => Err(wrong("it is empty")),
        1..=LONGEST => Ok(key),
        bytes => Err(wrong(&format!("it has {bytes}"))),
    }
}

/// What stands before the closing quote, which must be the last character.
fn unquoted(text: &str) -> Option<String> {
    let (mut key, mut letters) = (String::new(), text.chars());
    loop {
        match letters.next()? {
            '"' => return letters.next().is_none().then_some(key),
            '\\' => key.push(letters.next().filter(|letter| matches!(letter, '"' | '\\'))?),
            letter => key.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_key_is_the_bare_one() {
        assert_eq!(parse("smith-2026").unwrap(), "smith-2026");
        assert_eq!(parse("\"smith-2026\"").unwrap(), "smith-2026");
        assert_eq!(parse("\"a\\\"b\\\\c\"").unwrap(), "a\"b\\c");
        assert!(parse(&"k".repeat(256)).is_ok());
    }

    #[test]
    fn a_key_that_is_none_is_told_and_not_repeated() {
        for text in ["", "\"\"", "\"", "\"secret", "\"secret\"x", "\"secret\\", "\"\\secret\""] {
            let problem = format!("{:?}", parse(text).unwrap_err());
            assert!(problem.contains("Idempotency-Key") && !problem.contains("secret"), "{problem}");
        }
        assert!(parse(&"k".repeat(257)).is_err());
    }
}
