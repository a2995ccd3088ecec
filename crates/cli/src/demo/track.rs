//! One patient's request on its way, as the demo sees it: where it is, and how long it was where.

use std::time::Duration;

/// A request on its way. All times are from the demo's start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Track {
    asked: Option<Duration>,
    holder: Option<(String, Duration)>,
    worked: Duration,
    answered: Option<Duration>,
    /// The attempt that it is in, or was in last.
    pub(crate) attempt: u32,
    /// Whether the attempt has made progress that somebody saw.
    pub(crate) at_work: bool,
    /// The service whose work on it the broker's death has made void, until it says that it has ended.
    void: Option<String>,
    /// Whether the consumer has its outcome.
    pub(crate) ended: bool,
}

impl Track {
    pub(crate) fn accepted(&mut self, now: Duration) {
        // What was read first may have happened last: two processes tell through two pipes.
        self.asked = Some(self.asked.map_or(now, |asked| asked.min(now)));
    }

    pub(crate) fn taken(&mut self, now: Duration, by: &str, attempt: u32) {
        self.accepted(now);
        self.let_go(now);
        self.holder = Some((by.to_owned(), now));
        self.attempt = attempt;
        self.at_work = false;
    }

    /// A service ended its work on it. Says whether that counts.
    pub(crate) fn done(&mut self, now: Duration, by: &str, replied: bool) -> bool {
        if self.void.take_if(|void| void == by).is_some() {
            return false;
        }
        self.let_go(now);
        if replied {
            self.answered = Some(now);
        }
        true
    }

    /// The broker that had handed it out is gone.
    pub(crate) fn cut_off(&mut self, now: Duration) {
        self.void = self.holder.as_ref().map(|(holder, _)| holder.clone());
        self.at_work = false;
        self.let_go(now);
    }

    /// Whoever held it does not any more.
    pub(crate) fn let_go(&mut self, now: Duration) {
        if let Some((_, since)) = self.holder.take() {
            self.worked += now.saturating_sub(since);
            self.answered = Some(now);
        }
    }

    pub(crate) fn is_held_by(&self, name: &str) -> bool {
        self.holder.as_ref().is_some_and(|(holder, _)| holder == name)
    }

    /// Whether a service has it.
    pub(crate) fn is_held(&self) -> bool {
        self.holder.is_some()
    }

    /// Whether the broker has accepted it, as far as anybody told.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// How long it was with no service, and how long with one, until it was answered.
    pub(crate) fn times(&self) -> (Duration, Duration) {
        let whole = match (self.asked, self.answered) {
            (Some(asked), Some(answered)) => answered.saturating_sub(asked),
            _ => self.worked,
        };
        (whole.saturating_sub(self.worked), self.worked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_request_that_lost_its_service_has_worked_twice_and_waited_in_between() {
        let mut track = Track::default();
        track.accepted(at(100));
        track.taken(at(300), "a", 1);
        track.let_go(at(1000));
        track.taken(at(1600), "b", 2);
        assert!(track.done(at(2600), "b", true));
        assert_eq!(track.times(), (at(800), at(1700)));
    }

    #[test]
    fn work_that_the_brokers_death_has_made_void_ends_nothing() {
        let mut track = Track::default();
        track.taken(at(100), "a", 1);
        track.cut_off(at(200));
        assert!(!track.is_held());
        track.taken(at(300), "a", 1);
        assert!(!track.done(at(310), "a", false), "that was the first one");
        assert!(track.is_held_by("a"));
        assert!(track.done(at(400), "a", true));
    }

    #[test]
    fn what_the_pipes_tell_in_the_wrong_order_is_put_right() {
        let mut track = Track::default();
        track.taken(at(100), "a", 1);
        track.accepted(at(110));
        track.done(at(200), "a", true);
        assert_eq!(track.times(), (at(0), at(100)));
        assert!(!track.is_held_by("a"));
    }
}
