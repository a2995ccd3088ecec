//! Interim results: what services add, and how those who follow a request read them.

use bytes::Bytes;
use roundtrip_core::{Command, Peer as _};
use roundtrip_protocol::{AcknowledgeParts, AddPart, Answer, Answered, FollowParts, PartsWindow, TicketNumber};

use super::requester::{encoded_len, max_label};
use super::{Binding, Fault, State};
use crate::admission::Unread;
use crate::batch::Batch;
use crate::handles::Held;
use crate::memory::Room;
use crate::message::Part;

impl State {
    pub(super) fn add_part(
        &mut self,
        add: AddPart,
        payload: Result<(Bytes, Room), Unread>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let AddPart { call, channel, token, number, label } = add;
        let channel = match self.binding(channel)? {
            Binding::Channel(channel) => channel,
            Binding::Refused(_) => {
                self.peer.send(Answered { call, answer: Answer::LeaseLost }, batch);
                return Ok(());
            }
        };
        let refused = match payload {
            Ok((payload, room)) if encoded_len(&label) <= max_label() => {
                let bytes = Part::bytes(&label, payload.len());
                let part = Held::Here(Part::new(label, payload, room));
                channel.run(Command::AddPart { peer: self.peer.clone(), call, token, number, part, bytes }, batch);
                return Ok(());
            }
            Err(Unread::Answered(answer)) => answer,
            Ok(_) | Err(Unread::Refused(_) | Unread::Unwanted) => Answer::Invalid,
        };
        self.peer.send(Answered { call, answer: refused }, batch);
        Ok(())
    }

    /// A number that stands for nothing is no fault: a refusal may have crossed the frame. So it is with the next two.
    pub(super) fn follow_parts(&mut self, follow: &FollowParts, batch: &mut Batch) -> Result<(), Fault> {
        let FollowParts { ticket, delivery, after, window } = *follow;
        self.run_for_ticket(ticket, batch, |peer, id| Command::FollowParts {
            peer,
            ticket,
            id,
            delivery,
            after,
            window,
        })
    }

    pub(super) fn widen_parts(&mut self, widen: &PartsWindow, batch: &mut Batch) -> Result<(), Fault> {
        let PartsWindow { ticket, more } = *widen;
        self.run_for_ticket(ticket, batch, |peer, id| Command::PartsWindow { peer, ticket, id, more })
    }

    pub(super) fn acknowledge_parts(&mut self, acknowledge: &AcknowledgeParts, batch: &mut Batch) -> Result<(), Fault> {
        let AcknowledgeParts { ticket, requester, delivery, through } = *acknowledge;
        let requester = self.requester(requester)?.name.clone();
        self.run_for_ticket(ticket, batch, |_, id| Command::AcknowledgeParts { id, requester, delivery, through })
    }

    /// Runs a command on the request that a ticket number stands for.
    fn run_for_ticket(
        &mut self,
        ticket: TicketNumber,
        batch: &mut Batch,
        command: impl FnOnce(
            roundtrip_core::PeerId,
            roundtrip_protocol::RequestId,
        ) -> Command<crate::handles::BrokerHandles>,
    ) -> Result<(), Fault> {
        let known = self.peer.open(|open| open.ticket(ticket).map(|ticket| (ticket.channel, ticket.id)));
        if let Some((channel, id)) = known
            && let Binding::Channel(channel) = self.binding(channel)?
        {
            channel.run(command(self.peer.id(), id), batch);
        }
        Ok(())
    }
}
