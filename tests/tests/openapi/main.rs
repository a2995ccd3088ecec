//! The gateway against its own description: schemathesis reads `/openapi.json`, makes calls of it, good and bad ones, and
//! compares the answers with what is written there.
//!
//! Without schemathesis in the path this test says that it was skipped; with `ROUNDTRIP_NO_SKIP=1` it fails.
#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]

mod schemathesis;
mod stage;

use schemathesis::Schemathesis;
use stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_the_gateway_answers_contradicts_its_description() {
    let Some(schemathesis) = Schemathesis::found().await else { return };
    let stage = Stage::with_requests_in_every_state().await;
    schemathesis.finds_nothing(&stage).await;
}
