//! Who is killed when: decided by what has happened, never by the clock alone. Events in, directions out; it starts no
//! process and prints nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roundtrip_patient_summary::consumer::ConsumerEvent;
use roundtrip_patient_summary::service::ServiceEvent;

use super::cast::Happening;
use super::label::Labels;
use super::track::Track;

/// How long the consumer stays dead at most.
const ABSENCE: Duration = Duration::from_millis(1500);

/// What is to be done, shown or said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Direction {
    /// A line of the timeline.
    Tell { who: String, what: String },
    /// A patient's request moved on.
    Show { patient: String, fraction: f32, stage: String },
    /// A patient's request ended.
    Finish { patient: String, what: String },
    /// The consumer did something else meanwhile.
    OtherWork { done: u64 },
    /// SIGKILL for a service.
    KillService { name: String },
    /// Another service.
    StartService { name: String },
    /// SIGKILL for the consumer.
    KillConsumer,
    /// The consumer again.
    StartConsumer,
    /// All is done.
    End,
    /// It cannot go on.
    GiveUp { why: String },
}

/// What becomes of the service that is to die.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Service {
    Lives,
    Dying(String),
    /// It died holding requests.
    Dead,
}

/// What becomes of the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consumer {
    Lives,
    Dying,
    Dead { until: Duration },
    LivesAgain,
}

/// Watches, and decides.
#[derive(Debug)]
pub(crate) struct Director {
    labels: Labels,
    tracks: BTreeMap<String, Track>,
    services: BTreeSet<String>,
    calm: bool,
    service: Service,
    consumer: Consumer,
    resumed: usize,
    letters: u64,
    letters_before: u64,
}

impl Director {
    pub(crate) fn new(patients: Vec<String>, calm: bool) -> Self {
        Self {
            labels: Labels::of(&patients),
            tracks: patients.into_iter().map(|patient| (patient, Track::default())).collect(),
            services: BTreeSet::new(),
            calm,
            service: Service::Lives,
            consumer: Consumer::Lives,
            resumed: 0,
            letters: 0,
            letters_before: 0,
        }
    }

    /// How many requests are accepted and have no outcome that the consumer knows.
    pub(crate) fn open(&self) -> usize {
        self.tracks.values().filter(|track| track.is_asked() && !track.ended).count()
    }

    /// How long a patient's request waited, and how long it was worked on.
    pub(crate) fn times(&self, patient: &str) -> (Duration, Duration) {
        self.tracks.get(patient).map(Track::times).unwrap_or_default()
    }

    /// When to come back, though nothing happened.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        match self.consumer {
            Consumer::Dead { until } => Some(until),
            _ => None,
        }
    }

    pub(crate) fn handle(&mut self, now: Duration, happening: Happening) -> Vec<Direction> {
        let mut directions = match happening {
            Happening::Service { name, event } => self.service_told(now, &name, event),
            Happening::ServiceEnded { name } => self.service_ended(now, &name),
            Happening::Consumer { event } => self.consumer_told(now, event),
            Happening::ConsumerEnded { status } => {
                if self.consumer != Consumer::Dying {
                    return vec![match status {
                        Some(status) if status.success() => Direction::End,
                        _ => Direction::GiveUp { why: "the consumer could not go on; it said why above".into() },
                    }];
                }
                self.consumer = Consumer::Dead { until: now + ABSENCE };
                Vec::new()
            }
            Happening::Time => Vec::new(),
        };
        directions.extend(self.decide(now));
        directions
    }

    fn service_told(&mut self, now: Duration, name: &str, event: ServiceEvent) -> Vec<Direction> {
        self.services.insert(name.to_owned());
        match event {
            ServiceEvent::Taken { patient, attempt, .. } => {
                let Some(track) = self.tracks.get_mut(&patient) else { return Vec::new() };
                track.taken(now, name, attempt);
                let shown = Direction::Show { patient: patient.clone(), fraction: 0.0, stage: format!("with {name}") };
                if attempt < 2 {
                    return vec![shown];
                }
                vec![shown, tell(name, format!("takes {} again: attempt {attempt}", self.labels.cut(&patient)))]
            }
            ServiceEvent::Done { patient, replied, .. } => {
                let Some(track) = self.tracks.get_mut(&patient) else { return Vec::new() };
                track.done(now, replied);
                if let Consumer::Dead { until } = &mut self.consumer {
                    *until = now; // There is something waiting for it now.
                }
                if replied {
                    Vec::new()
                } else {
                    vec![tell(name, format!("cannot answer {} now", self.labels.cut(&patient)))]
                }
            }
            _ => Vec::new(),
        }
    }

    fn service_ended(&mut self, now: Duration, name: &str) -> Vec<Direction> {
        self.services.remove(name);
        let held: Vec<&mut Track> = self.tracks.values_mut().filter(|track| track.is_held_by(name)).collect();
        let count = held.len();
        held.into_iter().for_each(|track| track.let_go(now));
        if self.service != Service::Dying(name.to_owned()) {
            return vec![Direction::GiveUp { why: format!("{name} ended by itself; it said why above") }];
        }
        if count > 0 {
            self.service = Service::Dead;
            let requests = if count == 1 { "1 request".to_owned() } else { format!("{count} requests") };
            return vec![tell(name, format!("is dead, and held {requests}"))];
        }
        // It had just put down all it held. The next one to be chosen will hold something.
        self.service = Service::Lives;
        let next = format!("{name}'");
        vec![
            tell(name, "is dead, and had just finished all it held: another takes its place".into()),
            Direction::StartService { name: next },
        ]
    }

    fn consumer_told(&mut self, now: Duration, event: ConsumerEvent) -> Vec<Direction> {
        match event {
            ConsumerEvent::Accepted { patient, .. } => {
                let Some(track) = self.tracks.get_mut(&patient) else { return Vec::new() };
                track.accepted(now);
                let asked = self.tracks.values().filter(|track| track.is_asked()).count();
                if asked < self.tracks.len() {
                    return Vec::new();
                }
                let tickets = if asked == 1 { "1 ticket".to_owned() } else { format!("{asked} tickets") };
                vec![tell("consumer", format!("has asked, holds {tickets} and goes on with its other work"))]
            }
            ConsumerEvent::Resumed { .. } => {
                self.resumed += 1;
                Vec::new()
            }
            ConsumerEvent::Progress { patient, fraction, stage } => {
                if let Some(track) = self.tracks.get_mut(&patient) {
                    track.at_work = fraction > 0.0;
                }
                vec![Direction::Show { patient, fraction, stage }]
            }
            ConsumerEvent::Outcome { patient, outcome, attempts, .. } => {
                let Some(track) = self.tracks.get_mut(&patient) else { return Vec::new() };
                track.ended = true;
                let after = if attempts == 1 { String::new() } else { format!(" after {attempts} attempts") };
                let what = if outcome == "replied" { "summary written".to_owned() } else { outcome };
                let told = tell("consumer", format!("{} {what}{after}", self.labels.cut(&patient)));
                vec![Direction::Finish { patient, what: format!("{what}{after}") }, told]
            }
            ConsumerEvent::OtherWork { done } => {
                self.letters = self.letters_before + done;
                let resumed = std::mem::take(&mut self.resumed);
                let mut directions = vec![Direction::OtherWork { done: self.letters }];
                if resumed > 0 {
                    let requests = if resumed == 1 { "1 request".to_owned() } else { format!("{resumed} requests") };
                    directions.push(tell("consumer", format!("is back, and found {requests} in its ledger")));
                }
                directions
            }
            _ => Vec::new(),
        }
    }

    fn decide(&mut self, now: Duration) -> Vec<Direction> {
        if self.calm {
            return Vec::new();
        }
        if self.service == Service::Lives {
            return self.victim().map_or_else(Vec::new, |name| {
                self.service = Service::Dying(name.clone());
                vec![tell(&name, "gets SIGKILL while it works".into()), Direction::KillService { name }]
            });
        }
        match self.consumer {
            // A request that was lost is under way again: the worst moment for its requester to go.
            Consumer::Lives
                if self.open() > 0 && self.tracks.values().any(|track| track.attempt > 1 && !track.ended) =>
            {
                self.consumer = Consumer::Dying;
                let open = self.open();
                let tickets = if open == 1 { "a ticket is".to_owned() } else { format!("{open} tickets are") };
                vec![tell("consumer", format!("gets SIGKILL while {tickets} open")), Direction::KillConsumer]
            }
            Consumer::Dead { until } if until <= now => {
                self.consumer = Consumer::LivesAgain;
                self.letters_before = self.letters;
                vec![tell("consumer", "is started again".into()), Direction::StartConsumer]
            }
            _ => Vec::new(),
        }
    }

    /// The service to die: once some summaries are there, the one that holds most of what it is visibly at work on.
    fn victim(&self) -> Option<String> {
        let ended = self.tracks.values().filter(|track| track.ended).count();
        if ended < (self.tracks.len() / 4).min(2) {
            return None;
        }
        let at_work = |name: &String| {
            self.tracks.values().filter(|track| track.is_held_by(name) && track.at_work && !track.ended).count()
        };
        let busiest = self.services.iter().max_by_key(|name| at_work(name))?;
        (at_work(busiest) > 0).then(|| busiest.clone())
    }
}

fn tell(who: &str, what: String) -> Direction {
    Direction::Tell { who: who.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Play {
        director: Director,
        now: Duration,
    }

    impl Play {
        fn new(patients: &[&str], calm: bool) -> Self {
            let patients = patients.iter().map(ToString::to_string).collect();
            Self { director: Director::new(patients, calm), now: Duration::ZERO }
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
}
