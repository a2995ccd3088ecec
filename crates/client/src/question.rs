//! Waiting for the answer to a question.

use crate::link::Link;
use crate::state::{CallAnswer, CallKey};

/// Waits for the answer to a call; none if the client was closed first. Dropped, it forgets the call.
pub(crate) async fn answer(link: &Link, key: CallKey) -> Option<CallAnswer> {
    let asked = Asked { link, key };
    asked.link.wait(|state, waker| state.poll_call(asked.key, waker)).await
}

struct Asked<'a> {
    link: &'a Link,
    key: CallKey,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.link.with(|state| state.release_call(self.key));
    }
}
