//! Progress: the latest of each delivery is kept until it can be sent.

use std::collections::VecDeque;

use roundtrip_protocol::{Frame, Header, Progress, ProgressReport, Token};

use super::DeliveryKey;
use crate::state::ClientState;

impl ClientState {
    pub(crate) fn report_progress(&mut self, key: DeliveryKey, token: Token, progress: Progress) {
        let Some(entry) = self.deliveries.entry_mut(key.0) else { return };
        if entry.token != token || !entry.is_running() {
            return;
        }
        if entry.progress.replace(progress.fitted()).is_none() {
            self.reporting.push(key);
            self.changed = true;
        }
    }

    /// Says it while there still is somebody to ask.
    pub(super) fn report_progress_now(&mut self, key: DeliveryKey) {
        if self.line.is_open()
            && let Some(report) = self.take_report(key)
        {
            self.push_bind(report.channel);
            self.push(Header::from(report));
        }
    }

    pub(in crate::state) fn poll_progress_reports(&mut self, frames: &mut VecDeque<Frame>) {
        if !self.line.is_open() || self.reporting.is_empty() {
            return;
        }
        for key in std::mem::take(&mut self.reporting) {
            let Some(report) = self.take_report(key) else { continue };
            if let Some(bind) = self.names.bind(self.line.connection(), report.channel) {
                frames.push_back(bind.into());
            }
            frames.push_back(Header::from(report).into());
        }
    }

    /// What is to be told of a delivery, if that goes on.
    fn take_report(&mut self, key: DeliveryKey) -> Option<ProgressReport> {
        let entry = self.deliveries.entry_mut(key.0)?;
        let is_running = entry.is_running();
        let progress = entry.progress.take().filter(|_| is_running)?;
        Some(ProgressReport { channel: entry.channel, token: entry.token, progress })
    }
}
