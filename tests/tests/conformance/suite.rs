//! How a sentence is held against a driver.

use std::time::Duration;

use roundtrip::TicketId;

use crate::driver::{Accepted, Driver, Feature, Party, Submission, Taken, Terms};

/// Ends a test that hangs. Never what a test waits for.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// Longer than any test.
pub(crate) const FOREVER: Duration = Duration::from_secs(3600);
/// A time that passes while a test waits for its end.
pub(crate) const SHORT: Duration = Duration::from_millis(50);
/// A time that passes while a test waits for its end, and within which something else is done before, on a busy machine
/// too.
pub(crate) const AMPLE: Duration = Duration::from_secs(2);

pub(crate) const CHANNEL: &str = "work_request";
pub(crate) const REPLIES: &str = "work_reply";
pub(crate) const REQUESTER: &str = "test";

/// Makes a test of each sentence for each driver. A sentence `needs` what not every engine can do.
macro_rules! every_driver {
    ($($sentence:ident $(needs $feature:ident)?,)*) => {
        mod in_process {
            $(#[tokio::test(start_paused = true)]
            async fn $sentence() {
                let needs = &[$(crate::driver::Feature::$feature)?];
                crate::suite::hold::<crate::clients::InProcess>(needs, super::$sentence::<crate::clients::InProcess>()).await;
            })*
        }
        mod durable {
            $(#[tokio::test]
            async fn $sentence() {
                let needs = &[$(crate::driver::Feature::$feature)?];
                crate::suite::hold::<crate::clients::Durable>(needs, super::$sentence::<crate::clients::Durable>()).await;
            })*
        }
        mod over_tcp {
            $(#[tokio::test]
            async fn $sentence() {
                let needs = &[$(crate::driver::Feature::$feature)?];
                crate::suite::hold::<crate::clients::Tcp>(needs, super::$sentence::<crate::clients::Tcp>()).await;
            })*
        }
        mod over_http {
            $(#[tokio::test]
            async fn $sentence() {
                let needs = &[$(crate::driver::Feature::$feature)?];
                crate::suite::hold::<crate::http::Http>(needs, super::$sentence::<crate::http::Http>()).await;
            })*
        }
    };
}
pub(crate) use every_driver;

/// Holds a driver to a sentence, or to its refusal of what that needs.
pub(crate) async fn hold<D: Driver>(needs: &[Feature], sentence: impl Future<Output = ()>) {
    match D::REFUSES.iter().find(|(feature, _)| needs.contains(feature)) {
        Some((feature, name)) => assert_eq!(D::ask_for(*feature).await, *name, "refused, and by its name"),
        None => tokio::time::timeout(LIMIT, sentence).await.expect("the test hangs: what it waits for does not come"),
    }
}

/// A request without anything special.
pub(crate) fn request(payload: &'static str) -> Submission {
    Submission {
        channel: CHANNEL,
        requester: REQUESTER,
        operation: "work",
        content_type: "text/plain",
        header: None,
        payload: payload.into(),
        under: None,
        reply_channel: None,
        priority: None,
        deadline: None,
        delay: None,
        key: None,
        one_way: false,
    }
}

/// A broker with one party.
pub(crate) async fn opened<D: Driver>(terms: Terms) -> (D, D::Party) {
    let driver = D::start(terms).await;
    let party = driver.party().await;
    (driver, party)
}

/// Submits what is to be accepted.
pub(crate) async fn accepted(party: &impl Party, submission: Submission) -> Accepted {
    party.submit(submission).await.unwrap()
}

/// The ticket of a request that is to be accepted.
pub(crate) async fn ticket(party: &impl Party, submission: Submission) -> TicketId {
    accepted(party, submission).await.ticket
}

/// Takes one delivery, when there is one.
pub(crate) async fn take<P: Party>(party: &P) -> P::Taken {
    party.take(CHANNEL, 1, FOREVER).await.pop().unwrap()
}

/// Takes one delivery and settles it.
pub(crate) async fn work(party: &impl Party, how: crate::driver::Settle) {
    take(party).await.settle(how).await.unwrap();
}
