//! A client of a test, with what can happen to its process.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::line::{Line, LineEnd};
use super::service::TestService;
use crate::{Client, Context, Failure, Message, Operation, RawFailure, Request};

/// A [`Client`] that stands for a process of its own: that process can crash, stall, and lose its connection.
///
/// It is a `Client` in all else, and lent as one to the code under test.
#[derive(Clone)]
pub struct TestClient {
    client: Client,
    process: Arc<Process>,
}

/// What dies together.
pub(super) struct Process {
    line: Arc<Line>,
    crashed: CancellationToken,
    handlers: TaskTracker,
}

impl TestClient {
    pub(super) fn over(line: Arc<Line>) -> Self {
        let client = Client::new(LineEnd(Arc::clone(&line)));
        let process = Process { line, crashed: CancellationToken::new(), handlers: TaskTracker::new() };
        Self { client, process: Arc::new(process) }
    }

    /// As [`Client::service`]; the handle of what it runs can [`crash`](super::TestServiceHandle::crash) and
    /// [`stall`](super::TestServiceHandle::stall).
    pub fn service<Op, Handler, Answer>(&self, handler: Handler) -> TestService
    where
        Op: Operation,
        Handler: Fn(Op, Context) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Op::Reply, Failure<Op::Error>>> + Send + 'static,
    {
        let process = Arc::clone(&self.process);
        let service = self.client.service(move |command: Op, job| process.run(handler(command, job)));
        TestService::new(service, Arc::clone(&self.process))
    }

    /// As [`Client::raw_service`]; see [`TestClient::service`].
    pub fn raw_service<Handler, Answer>(&self, channel: impl AsRef<str>, handler: Handler) -> TestService
    where
        Handler: Fn(Request, Context) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Message, RawFailure>> + Send + 'static,
    {
        let process = Arc::clone(&self.process);
        let service = self.client.raw_service(channel, move |request, job| process.run(handler(request, job)));
        TestService::new(service, Arc::clone(&self.process))
    }

    /// The process is gone: its connection breaks, its handlers are dropped where they wait, and nothing of it comes
    /// back. What this client, its requesters and its tickets are waited on for ends with `ClientClosed`.
    pub async fn crash(&self) {
        self.process.crash().await;
    }

    /// The process hangs: it takes work as long as it has credit, begins none of it and says nothing. What its handlers
    /// say stays with it. A service takes none that has not subscribed yet: [`TestBroker::services`](super::TestBroker::services)
    /// waits for that. The broker takes its connection as lost when the lease of its services has passed.
    pub fn stall(&self) {
        self.process.stall();
    }

    /// The process goes on after a stall: over the same connection, if that was shorter than the lease.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Breaks the connection now. The client connects again by itself.
    pub fn cut(&self) {
        self.process.line.cut();
    }
}

impl Deref for TestClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Test{:?}", self.client)
    }
}

impl Process {
    pub(super) async fn crash(&self) {
        self.line.go_down(); // First: nothing that a handler does as it is dropped is heard.
        self.crashed.cancel();
        self.handlers.close();
        self.handlers.wait().await;
    }

    pub(super) fn stall(&self) {
        self.line.fall_silent();
    }

    pub(super) fn resume(&self) {
        self.line.speak_again();
    }

    /// Runs a handler until it ends or the process crashes.
    fn run<A: Future>(&self, answer: A) -> impl Future<Output = A::Output> + use<A> {
        let alive = self.handlers.token();
        let crashed = self.crashed.clone();
        async move {
            let work = async move {
                let _alive = alive;
                answer.await
            };
            match crashed.run_until_cancelled(work).await {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }
    }
}
