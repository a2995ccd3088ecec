//! What is said where nothing happens: seen in virtual time, which real sockets do not have.

use std::task::{Context, Poll};

use super::*;

struct Nothing;

impl Stream for Nothing {
    type Item = Result<Event, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_says_every_fifteen_seconds_that_it_is_there() {
    let mut body = told(Nothing).into_body().into_data_stream();
    let since = tokio::time::Instant::now();
    for times in 1..=3 {
        let comment = std::future::poll_fn(|context| Pin::new(&mut body).poll_next(context)).await.unwrap().unwrap();
        assert_eq!(&comment[..], b":\n\n");
        assert_eq!(since.elapsed().as_secs(), 15 * times);
    }
}
