//! What readers of mailboxes ask.

use roundtrip_core::{Peer as _, ReaderId};
use roundtrip_protocol::{CloseMailbox, MailboxNumber, MailboxOpened, OpenMailbox, Opening, Window};

use super::{Fault, State};
use crate::batch::Batch;

impl State {
    pub(super) fn open_mailbox(&mut self, open: OpenMailbox, batch: &mut Batch) -> Result<(), Fault> {
        let OpenMailbox { mailbox: number, requester, reply_channel, mode, window } = open;
        self.requester(requester)?;
        let (is_in_use, has_room) =
            self.peer.open(|open| (open.mailbox(number).is_some(), open.has_room_for_mailbox()));
        if is_in_use {
            return Err(Fault::number_in_use("mailbox", number));
        }
        if !has_room {
            self.check_room(self.shared.limits.open, "mailboxes")?;
        }
        match self.mailbox(requester, &reply_channel) {
            Ok(mailbox) => mailbox.open(&self.peer, number, mode, window, batch),
            Err(refusal) => {
                self.peer.send(MailboxOpened { mailbox: number, opening: Opening::Refused(refusal) }, batch);
            }
        }
        Ok(())
    }

    /// A number that stands for nothing is no fault: another holder may have taken the mailbox.
    pub(super) fn widen(&mut self, window: &Window, batch: &mut Batch) -> Result<(), Fault> {
        if let Some(mailbox) = self.peer.open(|open| open.mailbox(window.mailbox).cloned()) {
            mailbox.widen(self.reader(window.mailbox), window.more, batch);
        }
        Ok(())
    }

    /// Likewise.
    pub(super) fn close_mailbox(&mut self, close: &CloseMailbox, batch: &mut Batch) -> Result<(), Fault> {
        if let Some(mailbox) = self.peer.open(|open| open.mailbox(close.mailbox).cloned()) {
            mailbox.close(self.reader(close.mailbox), &self.peer, batch);
        }
        Ok(())
    }

    pub(super) fn reader(&self, mailbox: MailboxNumber) -> ReaderId {
        ReaderId { peer: self.peer.id(), mailbox }
    }
}
