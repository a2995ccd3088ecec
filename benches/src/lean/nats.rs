//! The client of NATS, in its text protocol. A request is published with a subject to reply on, and the services share a
//! queue group. NATS knows neither `accepted` nor an acknowledgement.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::Context;
use bytes::{BufMut, BytesMut};

use super::{Doors, Entrance, Replied, Requester, Service};
use crate::payload::Mark;

const SUBJECT: &str = "bench.request";

/// What is sent first, and answered with `PONG` when all before it is done.
const GREETING: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"rust\",\"version\":\"0\"}\r\n";

/// A NATS server at this address.
pub(crate) struct Nats(pub(crate) SocketAddr);

impl Nats {
    /// A connection that is greeted and has subscribed.
    fn connect(&self, subscription: &str) -> anyhow::Result<TcpStream> {
        let mut socket = TcpStream::connect(self.0)?;
        let info = read_line(&mut socket)?;
        anyhow::ensure!(info.starts_with("INFO "), "NATS did not begin with INFO");
        socket.write_all(format!("{GREETING}{subscription}PING\r\n").as_bytes())?;
        let pong = read_line(&mut socket)?;
        anyhow::ensure!(pong == "PONG", "NATS answered: {pong}");
        Ok(socket)
    }
}

fn read_line(socket: &mut TcpStream) -> anyhow::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok(String::from_utf8(line)?.trim_end().to_owned())
}

impl Doors for Nats {
    fn requester(&self, number: usize) -> anyhow::Result<Entrance> {
        let inbox = format!("_INBOX.{number}");
        let socket = self.connect(&format!("SUB {inbox}.* 1\r\n"))?;
        Ok(Entrance::new(socket, Asking { inbox }))
    }

    fn service(&self, _number: usize) -> anyhow::Result<(TcpStream, Box<dyn Service>)> {
        Ok((self.connect(&format!("SUB {SUBJECT} services 1\r\n"))?, Box::new(Answering)))
    }

    fn idle(&self, _number: usize) -> anyhow::Result<TcpStream> {
        self.connect("")
    }
}

struct Asking {
    inbox: String,
}

impl Requester for Asking {
    /// The last part of the reply's subject is the place of the request.
    fn submit(&mut self, mark: Mark, size: usize, out: &mut BytesMut) {
        out.put_slice(b"PUB ");
        out.put_slice(SUBJECT.as_bytes());
        out.put_u8(b' ');
        out.put_slice(self.inbox.as_bytes());
        out.put_u8(b'.');
        put_number(mark.slot as usize, out);
        out.put_u8(b' ');
        put_number(Mark::payload_len(size), out);
        out.put_slice(b"\r\n");
        mark.put(size, out);
        out.put_slice(b"\r\n");
    }

    fn hear(&mut self, input: &[u8], out: &mut BytesMut, reply: &mut Replied<'_>) -> anyhow::Result<usize> {
        hear(input, out, |message, _| {
            let place = message.subject.strip_prefix(self.inbox.as_bytes()).and_then(|rest| rest.strip_prefix(b"."));
            let slot = Mark::of(message.payload).map(|mark| mark.slot as usize);
            anyhow::ensure!(slot == place.and_then(number), "a reply came on another subject than it belongs to");
            reply(message.payload)
        })
    }
}

struct Answering;

impl Service for Answering {
    fn hear(&mut self, input: &[u8], out: &mut BytesMut) -> anyhow::Result<usize> {
        hear(input, out, |message, out| {
            out.put_slice(b"PUB ");
            out.put_slice(message.reply_to.context("a request came without a subject to reply on")?);
            out.put_u8(b' ');
            put_number(message.payload.len(), out);
            out.put_slice(b"\r\n");
            out.put_slice(message.payload);
            out.put_slice(b"\r\n");
            Ok(())
        })
    }
}

/// What `MSG` brings.
#[derive(Debug, PartialEq, Eq)]
struct Message<'a> {
    subject: &'a [u8],
    reply_to: Option<&'a [u8]>,
    payload: &'a [u8],
}

/// Takes the whole messages at the front of `input`, and says how long they are.
fn hear(
    input: &[u8],
    out: &mut BytesMut,
    mut take: impl FnMut(Message<'_>, &mut BytesMut) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let mut at = 0;
    while let Some(end) = input[at..].iter().position(|byte| *byte == b'\n') {
        let line = input[at..at + end].strip_suffix(b"\r").context("NATS ended a line without a return")?;
        let after = at + end + 1;
        if let Some(head) = line.strip_prefix(b"MSG ") {
            let mut words = head.split(|byte| *byte == b' ');
            let (subject, _subscription) = words.next().zip(words.next()).context("NATS sent half a head")?;
            let third = words.next().context("NATS sent half a head")?;
            let (reply_to, length) = words.next().map_or((None, third), |fourth| (Some(third), fourth));
            let length = number(length).context("NATS sent a length that is none")?;
            let Some(payload) = input.get(after..after + length) else { break };
            if input.len() < after + length + 2 {
                break;
            }
            take(Message { subject, reply_to, payload }, out)?;
            at = after + length + 2;
        } else {
            match line {
                b"PING" => out.put_slice(b"PONG\r\n"),
                b"PONG" | b"+OK" => {}
                _ if line.starts_with(b"INFO ") => {}
                _ => anyhow::bail!("NATS said: {}", String::from_utf8_lossy(line)),
            }
            at = after;
        }
    }
    Ok(at)
}

fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |sum, digit| {
        digit.is_ascii_digit().then(|| sum.checked_mul(10)?.checked_add(usize::from(digit - b'0'))).flatten()
    })
}

/// Writes a number without asking for memory.
fn put_number(mut number: usize, out: &mut BytesMut) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(input: &[u8]) -> (usize, Vec<String>, BytesMut) {
        let (mut said, mut messages) = (BytesMut::new(), Vec::new());
        let length = hear(input, &mut said, |message, _| {
            messages.push(format!("{message:?}"));
            Ok(())
        });
        (length.unwrap(), messages, said)
    }

    #[test]
    fn messages_are_taken_when_they_are_whole() {
        let input = b"PING\r\nMSG a.1 1 3\r\nx\r\n\r\nMSG b 1 a.2 2\r\nyz\r\nMSG c 1 4\r\nab";
        let (length, messages, said) = heard(input);
        let first = Message { subject: b"a.1", reply_to: None, payload: b"x\r\n" };
        let second = Message { subject: b"b", reply_to: Some(b"a.2"), payload: b"yz" };
        assert_eq!(messages, [format!("{first:?}"), format!("{second:?}")]);
        assert_eq!((&input[length..], &said[..]), (&b"MSG c 1 4\r\nab"[..], &b"PONG\r\n"[..]));
        assert_eq!(heard(b"MSG c 1 2\r\nab").0, 0);
    }

    #[test]
    fn an_error_of_the_server_is_told() {
        let error = hear(b"-ERR 'Slow Consumer'\r\n", &mut BytesMut::new(), |_, _| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "NATS said: -ERR 'Slow Consumer'");
    }

    #[test]
    fn a_number_is_written_as_it_is_read() {
        for written in [0, 7, 10, 16_384, usize::MAX] {
            let mut out = BytesMut::new();
            put_number(written, &mut out);
            assert_eq!(number(&out), Some(written));
        }
        assert_eq!((number(b""), number(b"1x")), (None, None));
    }
}
