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
        let is_open = self.line.is_open();
        let Some(entry) = self.deliveries.entry_mut(key.0).filter(|entry| is_open && entry.is_running()) else {
            return;
        };
        let Some(progress) = entry.progress.take() else { return };
        let (channel, token) = (entry.channel, entry.token);
        self.push_bind(channel);
        self.push(Header::from(ProgressReport { channel, token, progress }));
    }

    pub(in crate::state) fn poll_progress_reports(&mut self, frames: &mut VecDeque<Frame>) {
        if !self.line.is_open() || self.reporting.is_empty() {
            return;
        }
        for key in std::mem::take(&mut self.reporting) {
            let Some(entry) = self.deliveries.entry_mut(key.0) else { continue };
            let is_running = entry.is_running();
            let Some(progress) = entry.progress.take().filter(|_| is_running) else { continue };
            let (channel, token) = (entry.channel, entry.token);
            if let Some(bind) = self.names.bind(self.line.connection(), channel) {
                frames.push_back(bind.into());
            }
            frames.push_back(Header::from(ProgressReport { channel, token, progress }).into());
        }
    }
}
