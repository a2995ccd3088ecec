//! What is answered over HTTP/1.1, as far as the gateway and the echo go: every answer says how long it is.

use std::fmt;

use anyhow::Context;

/// An answer that is whole.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    headers: &'a [u8],
    pub(super) body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// The value of a header; `name` is in small letters.
    pub(super) fn header(&self, name: &str) -> Option<&'a [u8]> {
        header(self.headers, name)
    }
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.status, String::from_utf8_lossy(self.body))
    }
}

/// Takes the whole answers at the front of `input`, and says how long they are.
pub(super) fn hear(input: &[u8], mut take: impl FnMut(Answer<'_>) -> anyhow::Result<()>) -> anyhow::Result<usize> {
    let mut at = 0;
    while let Some((answer, length)) = answer(&input[at..])? {
        take(answer)?;
        at += length;
    }
    Ok(at)
}

/// The answer at the front, if it is there whole, and how long it is.
fn answer(input: &[u8]) -> anyhow::Result<Option<(Answer<'_>, usize)>> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = input.windows(END.len()).position(|window| window == END) else { return Ok(None) };
    let head = &input[..end];
    let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(number);
    let status = status.context("what was answered is not HTTP/1.1")? as u16;
    let headers = head.iter().position(|byte| *byte == b'\n').map_or(&[][..], |first| &head[first + 1..]);
    let length = match header(headers, "content-length") {
        Some(digits) => number(digits).context("the length of an answer is none")?,
        None if status == 204 => 0,
        None => anyhow::bail!("an answer does not say how long it is"),
    };
    let body = end + END.len();
    let whole = input.get(body..body + length).map(|body| Answer { status, headers, body });
    Ok(whole.map(|answer| (answer, body + length)))
}

fn header<'a>(headers: &'a [u8], name: &str) -> Option<&'a [u8]> {
    headers.split(|byte| *byte == b'\n').find_map(|line| {
        let (known, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":").filter(|_| known.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(value.trim_ascii())
    })
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(input: &[u8]) -> anyhow::Result<(usize, Vec<String>)> {
        let mut answers = Vec::new();
        let length = hear(input, |answer| {
            answers.push(answer.to_string());
            Ok(())
        })?;
        Ok((length, answers))
    }

    #[test]
    fn answers_are_taken_when_they_are_whole() {
        let first = b"HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n";
        let second = b"HTTP/1.1 200 OK\r\nContent-Length:  6 \r\nx: y\r\n\r\na\r\n\r\nb";
        let all = [&first[..], second].concat();
        assert_eq!(heard(&all).unwrap(), (all.len(), vec!["204: ".to_owned(), "200: a\r\n\r\nb".to_owned()]));
        for cut in 1..second.len() {
            assert_eq!(heard(&second[..cut]).unwrap(), (0, Vec::new()), "{cut}");
        }
    }

    #[test]
    fn a_header_is_found_whatever_its_case_and_no_other_that_begins_like_it() {
        let headers = b"roundtrip-delivery-x: no\r\nRoundtrip-Delivery: /v1/x\r";
        assert_eq!(header(headers, "roundtrip-delivery"), Some(&b"/v1/x"[..]));
        assert_eq!(header(headers, "roundtrip"), None);
    }

    #[test]
    fn what_does_not_say_how_long_it_is_is_told() {
        assert!(heard(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(heard(b"HTTP/2 200 OK\r\n\r\n").is_err());
    }
}
