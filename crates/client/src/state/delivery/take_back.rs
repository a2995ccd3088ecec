//! Taking back: what a service still works on when its connection breaks is asked for over the next one.

use roundtrip_protocol::{Answer, Header, Hold, TakeBack, Token};

use super::stop::reason_in;
use super::{DeliveryKey, Phase};
use crate::state::ClientState;
use crate::state::question::Question;

impl ClientState {
    pub(in crate::state) fn take_deliveries_back(&mut self) {
        for number in self.deliveries.numbers() {
            let key = DeliveryKey(number);
            let Some(entry) = self.deliveries.entry(number) else { continue };
            // By lease alone, no connection's end ends it. A stopped one is nobody's any more.
            if entry.hold == Hold::Lease || !matches!(entry.phase, Phase::Running | Phase::Settling(_)) {
                continue;
            }
            let Some(service) = entry.service else { continue };
            let (channel, token) = (entry.channel, entry.token);
            let call = self.call_of_delivery(Question::TakeBack { delivery: key, token });
            self.restore_waits_for_call(call);
            self.push_bind(channel);
            self.push(Header::from(TakeBack { call, service, channel, token }));
        }
    }

    pub(in crate::state) fn handle_take_back_answer(&mut self, key: DeliveryKey, token: Token, answer: Answer) {
        let is_ours = self.deliveries.entry(key.0).is_some_and(|entry| entry.token == token && !entry.is_over());
        match answer {
            _ if !is_ours => {}
            Answer::TakenBack => {}
            Answer::Settled => self.end_delivery(key, Phase::Settled),
            _ => self.stop_delivery(key, reason_in(answer)),
        }
    }
}
