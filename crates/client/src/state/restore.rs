//! What a new connection is told, in the one order in which nothing is doubled and nothing is lost.
//!
//! First the deliveries that handlers still work on, their parts, the settlements they left, the subscriptions and the
//! unanswered submissions. When all of these are answered: the open tickets. When those are answered: cancellations,
//! acknowledgements, and then the mailboxes, so that none offers a reply that a ticket waits for or that was handled
//! already.

use super::ClientState;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Stage {
    #[default]
    Nothing,
    Work,
    Tickets,
    Done,
}

#[derive(Default)]
pub(super) struct Restore {
    stage: Stage,
    unanswered: u32,
}

impl Restore {
    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether tickets may be attached to.
    pub(super) fn has_work_done(&self) -> bool {
        matches!(self.stage, Stage::Tickets | Stage::Done)
    }

    /// Notes that the stage waits for an answer; the flag remembers whose.
    pub(super) fn wait_for(&mut self, flag: &mut bool) {
        *flag = true;
        self.unanswered += 1;
    }

    /// Notes that the answer came, or that nobody needs it any more.
    pub(super) fn note_answer(&mut self, flag: &mut bool) {
        if std::mem::take(flag) {
            self.unanswered -= 1;
        }
    }
}

impl ClientState {
    pub(super) fn begin_restore(&mut self) {
        self.restore = Restore { stage: Stage::Work, unanswered: 0 };
        self.take_deliveries_back();
        self.say_what_stopped();
        self.send_unkept_parts();
        self.send_kept_settlements();
        self.send_unsent_questions();
        self.subscribe_all();
        self.send_unanswered_submissions();
        self.advance_restore();
    }

    /// Goes on when everything of a stage is answered.
    pub(super) fn advance_restore(&mut self) {
        while self.restore.unanswered == 0 {
            match self.restore.stage {
                Stage::Work => {
                    self.restore.stage = Stage::Tickets;
                    self.attach_open_tickets();
                }
                Stage::Tickets => {
                    self.restore.stage = Stage::Done;
                    self.send_cancellations();
                    self.send_acknowledgements();
                    self.open_all_mailboxes();
                    self.say_goodbye();
                }
                Stage::Nothing | Stage::Done => return,
            }
        }
    }

    pub(super) fn forget_connection(&mut self) {
        self.restore = Restore::default();
        self.forget_calls_on_wire();
        self.forget_tickets_on_wire();
        self.forget_subscriptions();
        self.forget_open_mailboxes();
    }

    /// Whether a closing client owes the broker something that only another connection can carry.
    pub(super) fn has_unsaid(&self) -> bool {
        self.has_kept_settlements() || self.has_unanswered_owed()
    }
}
