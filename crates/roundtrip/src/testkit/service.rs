//! A service of a test, which can crash and stall.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::client::Process;
use crate::{Service, ServiceError, ServiceHandle};

/// A service that is about to run. Its settings are those of [`Service`].
#[must_use = "a service does nothing until it is spawned"]
pub struct TestService {
    service: Service,
    process: Arc<Process>,
}

impl TestService {
    pub(super) fn new(service: Service, process: Arc<Process>) -> Self {
        Self { service, process }
    }

    /// As [`Service::concurrency`].
    pub fn concurrency(self, handlers: u32) -> Self {
        Self { service: self.service.concurrency(handlers), ..self }
    }

    /// As [`Service::with_graceful_shutdown`].
    pub fn with_graceful_shutdown(self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { service: self.service.with_graceful_shutdown(signal), ..self }
    }

    /// As [`Service::spawn`].
    pub fn spawn(self) -> TestServiceHandle {
        TestServiceHandle { handle: self.service.spawn(), process: self.process }
    }
}

/// A service that runs. Dropped, it stops as a dropped [`ServiceHandle`] does: it gives back what it holds.
#[must_use = "dropping the handle stops the service: keep it"]
pub struct TestServiceHandle {
    handle: ServiceHandle,
    process: Arc<Process>,
}

impl TestServiceHandle {
    /// The service's process is gone, with its client and all that this client serves: see
    /// [`TestClient::crash`](super::TestClient::crash). When this returns, its handlers have been dropped, and what it
    /// held is lost: counted, and with another service after the backoff.
    pub async fn crash(self) {
        self.process.crash().await;
    }

    /// The service's process hangs, with its client and all that this client serves: see
    /// [`TestClient::stall`](super::TestClient::stall).
    pub fn stall(&self) {
        self.process.stall();
    }

    /// The service's process goes on after a stall. If the broker gave its connection up meanwhile, it takes back what it
    /// may, and the handlers whose delivery is gone are told to stop.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// As [`ServiceHandle::stop`].
    ///
    /// # Errors
    ///
    /// As [`Service::run`].
    pub async fn stop(self) -> Result<(), ServiceError> {
        self.handle.stop().await
    }
}

impl fmt::Debug for TestServiceHandle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TestServiceHandle")
    }
}
