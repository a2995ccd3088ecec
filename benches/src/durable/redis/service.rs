//! The service: answers each request with what it carries.

use super::connection::{Answer, Connection};

#[derive(Debug)]
pub(super) struct Service(Connection);

impl Service {
    pub(super) fn new(connection: Connection) -> Self {
        Self(connection)
    }

    /// Takes so many requests and settles them.
    pub(super) fn serve(&mut self, requests: u64) -> anyhow::Result<()> {
        let Connection { commands, answers } = &mut self.0;
        let take = [
            &b"XREADGROUP"[..],
            b"GROUP",
            b"services",
            b"bench",
            b"COUNT",
            super::MOST.as_bytes(),
            b"BLOCK",
            b"0",
            b"STREAMS",
            b"requests",
            b">",
        ];
        commands.push(&take);
        commands.send()?;
        let mut taken = 0;
        while taken < requests {
            let entries = answers.next()?.entries()?;
            taken += entries.len() as u64;
            for entry in &entries {
                commands.push_entry("replies", &entry.payload);
            }
            commands.push_about(&[b"XACK", b"requests", b"services"], &entries);
            commands.push_about(&[b"XDEL", b"requests"], &entries);
            if taken < requests {
                commands.push(&take);
            }
            commands.send()?;
            for _ in &entries {
                anyhow::ensure!(matches!(answers.next()?, Answer::Bytes(_)), "Redis did not take a reply");
            }
            for settled in [answers.next()?, answers.next()?] {
                anyhow::ensure!(settled == Answer::Number(entries.len() as u64), "Redis did not settle all requests");
            }
        }
        Ok(())
    }
}
