//! What is directed when this and that happens.

use super::*;

struct Play {
    director: Director,
    now: Duration,
}

impl Play {
    fn new(patients: &[&str], calm: bool) -> Self {
        let patients = patients.iter().map(ToString::to_string).collect();
        Self { director: Director::new(patients, calm, false), now: Duration::ZERO }
    }

    fn with_a_broker_to_kill(patients: &[&str]) -> Self {
        let mut play = Self::new(patients, false);
        play.director.broker = Broker::Lives;
        play
    }

    /// What is to be done, without what is only to be seen.
    fn happens(&mut self, happening: Happening) -> Vec<Direction> {
        self.now += Duration::from_millis(100);
        let seen = |direction: &Direction| {
            matches!(
                direction,
                Direction::Tell { .. }
                    | Direction::Show { .. }
                    | Direction::Finish { .. }
                    | Direction::OtherWork { .. }
            )
        };
        let mut directions = self.director.handle(self.now, happening);
        directions.retain(|direction| !seen(direction));
        directions
    }

    fn accepted(&mut self, patient: &str) -> Vec<Direction> {
        self.consumer(ConsumerEvent::Accepted { patient: patient.into(), ticket: format!("c:{patient}") })
    }

    fn taken(&mut self, name: &str, patient: &str, attempt: u32) -> Vec<Direction> {
        let event = ServiceEvent::Taken { patient: patient.into(), ticket: format!("c:{patient}"), attempt };
        self.happens(Happening::Service { name: name.into(), event })
    }

    fn done(&mut self, name: &str, patient: &str) -> Vec<Direction> {
        let event = ServiceEvent::Done { patient: patient.into(), ticket: format!("c:{patient}"), replied: true };
        self.happens(Happening::Service { name: name.into(), event })
    }

    fn progress(&mut self, patient: &str) -> Vec<Direction> {
        self.consumer(ConsumerEvent::Progress { patient: patient.into(), fraction: 0.3, stage: "results".into() })
    }

    fn consumer(&mut self, event: ConsumerEvent) -> Vec<Direction> {
        self.happens(Happening::Consumer { event })
    }

    fn ended(&mut self, name: &str) -> Vec<Direction> {
        self.happens(Happening::ServiceEnded { name: name.into() })
    }
}

fn kill(name: &str) -> Vec<Direction> {
    vec![Direction::KillService { name: name.into() }]
}

#[test]
fn a_service_is_killed_at_work_then_the_consumer_while_the_lost_request_is_under_way() {
    let mut play = Play::new(&["p-1"], false);
    assert_eq!(play.accepted("p-1"), []);
    assert_eq!(play.taken("a", "p-1", 1), [], "it may not have begun");
    assert_eq!(play.progress("p-1"), kill("a"));
    assert_eq!(play.ended("a"), []);
    assert_eq!(play.taken("b", "p-1", 2), [Direction::KillConsumer]);
    assert_eq!(play.happens(Happening::ConsumerEnded { status: None }), []);
    assert_eq!(play.done("b", "p-1"), [Direction::StartConsumer], "its reply waits in the broker");
}

#[test]
fn the_consumer_does_not_stay_away_for_ever() {
    let mut play = Play::new(&["p-1"], false);
    play.accepted("p-1");
    play.taken("a", "p-1", 1);
    play.progress("p-1");
    play.ended("a");
    play.taken("b", "p-1", 2);
    play.happens(Happening::ConsumerEnded { status: None });
    let deadline = play.director.next_deadline().unwrap();
    assert_eq!(deadline, play.now + ABSENCE);
    play.now = deadline;
    assert_eq!(play.happens(Happening::Time), [Direction::StartConsumer]);
    assert_eq!(play.director.next_deadline(), None);
}

#[test]
fn the_busier_service_is_killed() {
    let mut play = Play::new(&["p-1", "p-2", "p-3"], false);
    for (name, patient) in [("a", "p-1"), ("b", "p-2"), ("b", "p-3")] {
        play.taken(name, patient, 1);
    }
    play.director.tracks.values_mut().for_each(|track| track.at_work = true);
    assert_eq!(play.happens(Happening::Time), kill("b"));
}

#[test]
fn a_service_that_had_just_finished_dies_for_nothing_and_another_one_is_chosen() {
    let mut play = Play::new(&["p-1", "p-2"], false);
    play.taken("a", "p-1", 1);
    assert_eq!(play.progress("p-1"), kill("a"));
    play.done("a", "p-1");
    assert_eq!(play.ended("a"), [Direction::StartService { name: "a'".into() }]);
    play.taken("b", "p-2", 1);
    assert_eq!(play.progress("p-2"), kill("b"));
}

#[test]
fn the_broker_is_killed_first_and_when_it_is_back_the_others_follow() {
    let mut play = Play::with_a_broker_to_kill(&["p-1"]);
    play.accepted("p-1");
    play.taken("a", "p-1", 1);
    assert_eq!(play.progress("p-1"), [Direction::KillBroker]);
    assert!(play.director.spared_broker(), "it is not dead yet");
    assert_eq!(play.progress("p-1"), []);
    assert_eq!(play.happens(Happening::BrokerEnded), [Direction::StartBroker]);
    let event = BrokerEvent::Listens { address: "127.0.0.1:1".into() };
    assert_eq!(play.happens(Happening::Broker { event }), []);
    assert!(!play.director.spared_broker());
    assert_eq!(play.taken("b", "p-1", 1), []);
    assert_eq!(play.done("a", "p-1"), [], "what the dead broker handed out ends nothing");
    assert_eq!(play.progress("p-1"), kill("b"));
}

#[test]
fn a_broker_that_ends_by_itself_ends_the_demo_with_a_reason() {
    let mut play = Play::with_a_broker_to_kill(&["p-1"]);
    assert!(matches!(play.happens(Happening::BrokerEnded)[..], [Direction::GiveUp { .. }]));
}

#[test]
fn a_calm_demo_kills_nobody() {
    let mut play = Play::new(&["p-1"], true);
    play.accepted("p-1");
    play.taken("a", "p-1", 1);
    assert_eq!(play.progress("p-1"), []);
    assert_eq!(play.taken("a", "p-1", 2), []);
}

#[test]
fn a_process_that_ends_by_itself_ends_the_demo_with_a_reason() {
    let mut play = Play::new(&["p-1"], false);
    play.taken("a", "p-1", 1);
    assert!(matches!(play.ended("a")[..], [Direction::GiveUp { .. }]));
    let ended = play.happens(Happening::ConsumerEnded { status: None });
    assert!(matches!(ended[..], [Direction::GiveUp { .. }]));
}
