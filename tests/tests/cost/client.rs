//! The public client, and the broker with it: one client that asks, one that answers.

use roundtrip_client::{Client, Context, Failure, Operation, Requester, ServiceHandle};
use roundtrip_transport::Connect;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::count::uncounted_share;
use crate::party::CHANNEL;

/// A command of 128 bytes in JSON.
#[derive(Serialize, Deserialize)]
struct Echo {
    text: String,
}

impl Operation for Echo {
    const NAME: &'static str = "echo";
    const CHANNEL: &'static str = CHANNEL;
    type Reply = String;
    type Error = ();
}

fn text() -> String {
    "x".repeat(128 - r#"{"text":""}"#.len())
}

pub(crate) struct Pair {
    requester: Requester,
    _service: ServiceHandle,
}

impl Pair {
    pub(crate) async fn connect(asking: impl Connect, answering: impl Connect) -> Self {
        let answering = Client::builder().connect(answering).await.unwrap();
        let echo = |echo: Echo, _: Context| std::future::ready(Ok::<_, Failure<()>>(echo.text));
        let service = answering.service(echo).spawn();
        let requester = Client::builder().connect(asking).await.unwrap().requester("asking");
        Self { requester, _service: service }
    }

    /// Has so many requests done by each of so many tasks. Their making and ending is not counted.
    pub(crate) async fn run(&self, tasks: u32, each: u32) {
        let spawn = |_| tokio::spawn(call(self.requester.clone(), each));
        let tasks: Vec<JoinHandle<()>> = uncounted_share(|| (0..tasks).map(spawn).collect());
        for task in tasks {
            task.await.unwrap();
        }
    }
}

async fn call(requester: Requester, times: u32) {
    for _ in 0..times {
        let echo = uncounted_share(|| Echo { text: text() });
        let reply = requester.call(echo).await.unwrap();
        uncounted_share(|| assert_eq!(reply, text()));
    }
}
