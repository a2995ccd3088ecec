//! Garbage on the port harms nobody.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{BrokerProgram, LIMIT};

#[tokio::test]
async fn garbage_on_the_port_harms_nobody() {
    let broker = BrokerProgram::start().await;
    let _service = broker.serve("shout_request", &["tr", "a-z", "A-Z"]).await;
    let mut held_open = Vec::new();
    for garbage in garbage() {
        let mut stream = TcpStream::connect(&broker.address).await.unwrap();
        // The broker may close while this is on its way: that is an answer too.
        stream.write_all(&garbage).await.ok();
        held_open.push(stream);
        let answered = broker.run(&["request", "shout_request", "hello"]).await.with_exit(0);
        assert_eq!(answered.stdout.trim_end(), "HELLO");
    }
    for stream in held_open {
        drop(stream);
    }
    assert_eq!(broker.run(&["request", "shout_request", "again"]).await.with_exit(0).stdout.trim_end(), "AGAIN");
}

#[tokio::test]
async fn what_is_certainly_no_frame_is_closed() {
    let broker = BrokerProgram::start().await;
    for garbage in [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), vec![0xff; 64]] {
        let mut stream = TcpStream::connect(&broker.address).await.unwrap();
        stream.write_all(&garbage).await.ok();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "the broker hangs on to it");
        assert!(answer.len() < 4096, "an error and no more: {} bytes", answer.len());
    }
}

fn garbage() -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64; // Every run sends the same.
    let mut random = |bytes: usize| -> Vec<u8> {
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        std::iter::repeat_with(next).take(bytes).collect()
    };
    vec![
        Vec::new(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        random(10_000),
        random(7),
        vec![0; 5_000],
        vec![0x10, 0, 0, 0, 0x01, 0x0c],                            // Half a frame.
        vec![0xff, 0xff, 0xff, 0xff, 0x01, 8, 0, 0],                // 4 GiB to come.
        vec![0x03, 0, 0, 0, 0x01, 0, 0, 0],                         // Shorter than its own prefix.
        vec![0x14, 0, 0, 0, 0x01, 0xff, 0xff, 0xff, 1, 2],          // A header longer than its frame.
        vec![0x04, 0, 0, 0, 0xee, 0, 0, 0],                         // A type that nobody knows, first.
        vec![0x0c, 0, 0, 0, 0x04, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], // A ping before the handshake.
    ]
}
