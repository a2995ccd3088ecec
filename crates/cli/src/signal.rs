//! Being asked to stop: Ctrl-C and SIGTERM.

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Quit};

/// From here on a file that may not grow further is an error for whoever writes it, such as a full disk is, and does not
/// end the process.
pub(crate) fn survive_file_limits() {
    // Whoever listens has taken its default away, for as long as the process lives.
    drop(signal(SignalKind::from_raw(Number::XFSZ.as_raw())));
}

/// Being asked to stop, again and again.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// From here on Ctrl-C and SIGTERM end the process only if this is asked and the process does it.
    pub(crate) fn listen() -> Result<Self, Quit> {
        let failed = |error| Quit::saying(Exit::OtherOutcome, format!("cannot listen for signals: {error}"));
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        Ok(Self { interrupt, terminate })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            Some(()) = self.interrupt.recv() => {}
            Some(()) = self.terminate.recv() => {}
            else => std::future::pending().await,
        }
    }
}
