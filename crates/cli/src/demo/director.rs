//! Who is killed when: decided by what has happened, never by the clock alone. Events in, directions out; it starts no
//! process and prints nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roundtrip_patient_summary::consumer::ConsumerEvent;
use roundtrip_patient_summary::service::ServiceEvent;

use super::cast::Happening;
use super::child::BrokerEvent;
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
    /// SIGKILL for the broker.
    KillBroker,
    /// The broker again, where it was.
    StartBroker,
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

/// What becomes of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broker {
    /// Nobody kills it, or nobody does any more.
    Stays,
    Lives,
    Dying,
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
    broker: Broker,
    service: Service,
    consumer: Consumer,
    resumed: usize,
    letters: u64,
    letters_before: u64,
}

impl Director {
    pub(crate) fn new(patients: Vec<String>, calm: bool, kills_broker: bool) -> Self {
        Self {
            labels: Labels::of(&patients),
            tracks: patients.into_iter().map(|patient| (patient, Track::default())).collect(),
            services: BTreeSet::new(),
            calm,
            broker: if kills_broker { Broker::Lives } else { Broker::Stays },
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

    /// Whether the broker was to be killed and was not.
    pub(crate) fn spared_broker(&self) -> bool {
        self.broker != Broker::Stays
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
            Happening::Broker { event: BrokerEvent::Listens { .. } } => {
                self.broker = Broker::Stays;
                vec![tell("broker", "is back on its port, and has on its disk what it had accepted".into())]
            }
            Happening::BrokerEnded => self.broker_ended(now),
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
                if !track.done(now, name, replied) {
                    return Vec::new();
                }
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

    fn broker_ended(&mut self, now: Duration) -> Vec<Direction> {
        if self.broker != Broker::Dying {
            return vec![Direction::GiveUp { why: "the broker ended by itself; it said why above".into() }];
        }
        self.broker = Broker::Dead;
        let held = self.tracks.values_mut().filter(|track| track.is_held());
        let count = held.map(|track| track.cut_off(now)).count();
        let open = self.open();
        let died = format!("is dead, with {count} of {open} open requests at work, and is started again");
        vec![tell("broker", died), Direction::StartBroker]
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
        match self.broker {
            Broker::Stays => {}
            Broker::Lives if self.victim().is_some() => {
                self.broker = Broker::Dying;
                return vec![tell("broker", "gets SIGKILL while services are at work".into()), Direction::KillBroker];
            }
            Broker::Lives | Broker::Dying | Broker::Dead => return Vec::new(),
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
mod tests;
