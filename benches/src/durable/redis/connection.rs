//! A connection to Redis: commands are gathered and sent at once, answers are read in their order.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

/// How long an answer may take, so that a lost one ends the run.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both ends of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) commands: Commands,
    pub(super) answers: Answers<BufReader<TcpStream>>,
}

impl Connection {
    pub(super) fn to(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let answers = Answers(BufReader::with_capacity(256 * 1024, socket.try_clone()?));
        Ok(Self { commands: Commands { socket, gathered: Vec::new() }, answers })
    }

    /// Sends a command and waits for its answer.
    pub(super) fn ask(&mut self, words: &[&[u8]]) -> anyhow::Result<Answer> {
        self.commands.push(words);
        self.commands.send()?;
        self.answers.next()
    }
}

/// Commands on their way.
#[derive(Debug)]
pub(super) struct Commands {
    socket: TcpStream,
    gathered: Vec<u8>,
}

impl Commands {
    pub(super) fn push(&mut self, words: &[&[u8]]) {
        self.gathered.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.gathered.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.gathered.extend_from_slice(word);
            self.gathered.extend_from_slice(b"\r\n");
        }
    }

    /// Adds an entry with this payload to a stream.
    pub(super) fn push_entry(&mut self, stream: &str, payload: &[u8]) {
        self.push(&[b"XADD", stream.as_bytes(), b"*", b"payload", payload]);
    }

    /// A command about these entries.
    pub(super) fn push_about(&mut self, command: &[&[u8]], entries: &[Entry]) {
        let mut words = command.to_vec();
        words.extend(entries.iter().map(|entry| entry.id.as_slice()));
        self.push(&words);
    }

    /// Sends what was gathered.
    pub(super) fn send(&mut self) -> anyhow::Result<()> {
        self.socket.write_all(&self.gathered)?;
        self.gathered.clear();
        Ok(())
    }
}

/// An answer of Redis.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Word,
    Number(u64),
    Bytes(Vec<u8>),
    Nothing,
    List(Vec<Answer>),
}

/// An entry of a stream.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

impl Answer {
    /// The entries that were read from one stream.
    pub(super) fn entries(self) -> anyhow::Result<Vec<Entry>> {
        let Answer::List(streams) = self else { anyhow::bail!("Redis read nothing") };
        let Some(Answer::List(stream)) = streams.into_iter().next() else { anyhow::bail!("Redis read no stream") };
        let Some(Answer::List(entries)) = stream.into_iter().nth(1) else { anyhow::bail!("Redis read no entries") };
        entries.into_iter().map(|entry| entry.entry().context("Redis read an entry that is none")).collect()
    }

    /// An id, and a list of the name and the value of its only field.
    fn entry(self) -> Option<Entry> {
        let Answer::List(entry) = self else { return None };
        let [Answer::Bytes(id), Answer::List(fields)] = <[Answer; 2]>::try_from(entry).ok()? else { return None };
        let [_, Answer::Bytes(payload)] = <[Answer; 2]>::try_from(fields).ok()? else { return None };
        Some(Entry { id, payload })
    }
}

/// Answers as they come.
#[derive(Debug)]
pub(super) struct Answers<R>(R);

impl<R: BufRead> Answers<R> {
    /// The next answer; an error that Redis answers is one here.
    pub(super) fn next(&mut self) -> anyhow::Result<Answer> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line)?;
        let text =
            std::str::from_utf8(&line)?.strip_suffix("\r\n").context("Redis ended in the middle of an answer")?;
        let (kind, rest) = text.split_at_checked(1).context("Redis answered an empty line")?;
        match (kind, rest) {
            ("+", _) => Ok(Answer::Word),
            ("-", error) => anyhow::bail!("Redis answered: {error}"),
            (":", number) => Ok(Answer::Number(number.parse()?)),
            ("$" | "*", "-1") => Ok(Answer::Nothing),
            ("$", length) => self.bytes(length.parse()?),
            ("*", length) => {
                (0..length.parse::<usize>()?).map(|_| self.next()).collect::<Result<_, _>>().map(Answer::List)
            }
            _ => anyhow::bail!("Redis answered something else"),
        }
    }

    fn bytes(&mut self, length: usize) -> anyhow::Result<Answer> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        self.0.read_exact(&mut [0; 2])?;
        Ok(Answer::Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_one_after_the_other() {
        let mut answers = Answers(&b"+OK\r\n:2\r\n$3\r\na\r\n\r\n*-1\r\n*2\r\n:1\r\n$-1\r\n"[..]);
        assert_eq!(answers.next().unwrap(), Answer::Word);
        assert_eq!(answers.next().unwrap(), Answer::Number(2));
        assert_eq!(answers.next().unwrap(), Answer::Bytes(b"a\r\n".to_vec()));
        assert_eq!(answers.next().unwrap(), Answer::Nothing);
        assert_eq!(answers.next().unwrap(), Answer::List(vec![Answer::Number(1), Answer::Nothing]));
    }

    #[test]
    fn an_error_that_redis_answers_is_told() {
        let error = Answers(&b"-ERR no such key\r\n"[..]).next().unwrap_err();
        assert_eq!(error.to_string(), "Redis answered: ERR no such key");
    }

    #[test]
    fn the_entries_of_a_stream_have_an_id_and_a_payload() {
        let read = b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$7\r\npayload\r\n$1\r\nx\r\n";
        let entries = Answers(&read[..]).next().unwrap().entries().unwrap();
        assert_eq!((entries[0].id.as_slice(), entries[0].payload.as_slice()), (&b"1-0"[..], &b"x"[..]));
    }
}
