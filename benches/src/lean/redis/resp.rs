//! What is said to Redis and what it answers, in memory.

use std::io::Write;

use anyhow::Context;
use bytes::{BufMut, BytesMut};

/// Appends a command.
pub(super) fn put_command(words: &[&[u8]], out: &mut BytesMut) {
    let [before @ .., last] = words else { return };
    put_head(before, last.len(), out);
    out.put_slice(last);
    out.put_slice(b"\r\n");
}

/// Appends a command up to its last word, which is this long.
pub(super) fn put_head(words: &[&[u8]], last: usize, out: &mut BytesMut) {
    put_length(b'*', words.len() + 1, out);
    for word in words {
        put_length(b'$', word.len(), out);
        out.put_slice(word);
        out.put_slice(b"\r\n");
    }
    put_length(b'$', last, out);
}

fn put_length(kind: u8, length: usize, out: &mut BytesMut) {
    out.put_u8(kind);
    write!(out.writer(), "{length}\r\n").ok(); // Appending to memory does not fail.
}

/// An answer of Redis.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    List(Vec<Answer<'a>>),
}

impl<'a> Answer<'a> {
    /// The values that were taken from a list: its name stands before them.
    pub(super) fn popped(self) -> anyhow::Result<impl Iterator<Item = &'a [u8]>> {
        let Answer::List(answer) = self else { anyhow::bail!("Redis popped no list") };
        let [_, Answer::List(values)] = <[Answer<'_>; 2]>::try_from(answer).ok().context("Redis popped no list")?
        else {
            anyhow::bail!("Redis popped no values");
        };
        Ok(values.into_iter().filter_map(|value| if let Answer::Bytes(bytes) = value { Some(bytes) } else { None }))
    }
}

/// Takes the whole answers at the front of `input`, and says how long they are.
pub(super) fn hear(input: &[u8], mut take: impl FnMut(Answer<'_>) -> anyhow::Result<()>) -> anyhow::Result<usize> {
    let mut at = 0;
    while let Some((answer, rest)) = answer(&input[at..])? {
        take(answer)?;
        at = input.len() - rest.len();
    }
    Ok(at)
}

/// The answer at the front, if it is there whole, and what follows it.
fn answer(input: &[u8]) -> anyhow::Result<Option<(Answer<'_>, &[u8])>> {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let line = input[..end].strip_suffix(b"\r").context("Redis ended a line without a return")?;
    let mut rest = &input[end + 1..];
    let (kind, text) = line.split_first().context("Redis answered an empty line")?;
    let text = std::str::from_utf8(text)?;
    let number = || text.parse::<usize>().context("Redis answered a length that is none");
    match kind {
        b':' => Ok(Some((Answer::Number(text.parse()?), rest))),
        b'$' => {
            let length = number()?;
            let there = rest.len() >= length + 2;
            Ok(there.then(|| (Answer::Bytes(&rest[..length]), &rest[length + 2..])))
        }
        b'*' => {
            let mut answers = Vec::new();
            for _ in 0..number()? {
                let Some((one, after)) = answer(rest)? else { return Ok(None) };
                answers.push(one);
                rest = after;
            }
            Ok(Some((Answer::List(answers), rest)))
        }
        b'-' => anyhow::bail!("Redis answered: {text}"),
        _ => anyhow::bail!("Redis answered something else"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_popped_when_all_of_them_are_there() {
        let input = b":7\r\n*2\r\n$1\r\nl\r\n*2\r\n$3\r\na\r\n\r\n$1\r\nb\r\n:8\r";
        let mut popped = Vec::new();
        let length = hear(input, |answer| {
            if answer != Answer::Number(7) {
                popped.extend(answer.popped()?.map(<[u8]>::to_vec));
            }
            Ok(())
        });
        assert_eq!(popped, [&b"a\r\n"[..], b"b"]);
        assert_eq!(&input[length.unwrap()..], b":8\r");
        assert_eq!(hear(&input[4..34], |_| Ok(())).unwrap(), 0);
    }

    #[test]
    fn an_error_that_redis_answers_is_told() {
        let error = hear(b"-ERR no\r\n", |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "Redis answered: ERR no");
    }

    #[test]
    fn a_command_is_its_words_with_their_lengths() {
        let mut out = BytesMut::new();
        put_command(&[b"RPUSH", b"list", b"value"], &mut out);
        assert_eq!(&out[..], b"*3\r\n$5\r\nRPUSH\r\n$4\r\nlist\r\n$5\r\nvalue\r\n");
    }
}
