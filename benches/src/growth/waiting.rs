//! Requests that wait: put there by a requester that follows none of them, and taken, the oldest first, by a service.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::{Buf, BytesMut};

use crate::lean::Service;
use crate::lean::roundtrip::{Backlog, Roundtrip};
use crate::server::Server;

/// How many requests are submitted, and then taken, while the others wait.
const MEASURED: usize = 50_000;

/// How many submissions are sent before their answers are read.
const AT_ONCE: usize = 1_000;

/// The server's processor time for a request, in microseconds, while so many others wait before it.
pub(super) fn cost(server: &Server, address: &str, waiting: usize) -> anyhow::Result<f64> {
    let doors = Roundtrip::new(address.to_owned());
    let (mut socket, mut backlog) = doors.backlog()?;
    fill(&mut socket, &mut backlog, waiting)?;
    let before = server.cpu()?;
    fill(&mut socket, &mut backlog, MEASURED)?;
    drain(&doors)?;
    let cpu = server.cpu()?.saturating_sub(before);
    Ok(cpu.as_secs_f64() * 1e6 / MEASURED as f64)
}

/// Submits, and waits until all is accepted.
fn fill(socket: &mut TcpStream, backlog: &mut Backlog, requests: usize) -> anyhow::Result<()> {
    let (mut out, mut input) = (BytesMut::new(), BytesMut::new());
    let mut left = requests;
    while left > 0 {
        let now = left.min(AT_ONCE);
        (0..now).for_each(|_| backlog.submit(&mut out));
        left -= now;
        socket.write_all(&out)?;
        out.clear();
        while backlog.under_way() > 0 {
            read(socket, &mut input)?;
            let heard = backlog.hear(&input, &mut out)?;
            input.advance(heard);
        }
    }
    Ok(())
}

/// Takes so many deliveries and settles them. The connection ends with others under way, which wait again then.
fn drain(doors: &Roundtrip) -> anyhow::Result<()> {
    let (mut socket, mut service) = doors.answering(0)?;
    let (mut out, mut input) = (BytesMut::new(), BytesMut::new());
    while service.settled() < MEASURED as u64 {
        read(&mut socket, &mut input)?;
        let heard = service.hear(&input, &mut out)?;
        input.advance(heard);
        socket.write_all(&out)?;
        out.clear();
    }
    Ok(())
}

fn read(socket: &mut TcpStream, input: &mut BytesMut) -> anyhow::Result<()> {
    let before = input.len();
    input.resize(before + 64 * 1024, 0);
    let read = socket.read(&mut input[before..])?;
    input.truncate(before + read);
    anyhow::ensure!(read > 0, "the broker closed the connection");
    Ok(())
}
