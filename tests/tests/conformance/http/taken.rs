//! A delivery that was taken by a call, and the calls that are about it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::RequestBuilder;
use roundtrip::{PartError, RequestId, SettleError, TicketId};
use serde_json::json;
use tokio::task::JoinHandle;

use super::calls::{Answer, Calls};
use super::seconds;
use super::told::Told;
use crate::driver::{Settle, Taken};

/// It lives by its lease: dropped, it is not given back.
pub(crate) struct Delivery {
    calls: Calls,
    path: String,
    ticket: TicketId,
    attempt: u32,
    delivery: u32,
    payload: Bytes,
    remaining: Option<Duration>,
    redrive_of: Option<RequestId>,
    /// The last report that is on its way: what is called behind it waits for it.
    report: Mutex<Option<JoinHandle<()>>>,
}

impl Delivery {
    /// The delivery that an answer hands over.
    pub(super) fn in_answer(calls: Calls, answer: Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        let path: String = answer.said("roundtrip-delivery");
        let delivery = path.rsplit(':').nth(1).and_then(|number| number.parse().ok());
        Self {
            calls,
            ticket: answer.said("roundtrip-ticket"),
            attempt: answer.said("roundtrip-attempt"),
            delivery: delivery.unwrap_or_else(|| panic!("a token is CHANNEL:ID:DELIVERY:START, and not {path}")),
            remaining: answer.header("roundtrip-remaining").map(|text| Duration::from_secs_f64(text.parse().unwrap())),
            redrive_of: answer.header("roundtrip-redrive-of").map(|text| text.parse().unwrap()),
            payload: answer.body,
            path,
            report: Mutex::default(),
        }
    }

    fn tell(&self, what: &str) -> RequestBuilder {
        self.calls.post(format!("{}/{what}", self.path))
    }

    async fn ask(&self, call: RequestBuilder) -> Result<(), Told> {
        self.reported().await;
        self.calls.ask(call).await.done()
    }

    async fn reported(&self) {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(report) = report {
            report.await.unwrap();
        }
    }
}

impl Taken for Delivery {
    fn ticket(&self) -> &TicketId {
        &self.ticket
    }

    fn attempt(&self) -> u32 {
        self.attempt
    }

    fn delivery(&self) -> u32 {
        self.delivery
    }

    fn payload(&self) -> &Bytes {
        &self.payload
    }

    fn remaining(&self) -> Option<Duration> {
        self.remaining
    }

    fn redrive_of(&self) -> Option<RequestId> {
        self.redrive_of
    }

    async fn renew(&self) -> Result<(), SettleError> {
        Ok(self.ask(self.tell("renew")).await?)
    }

    fn progress(&self, fraction: f32, stage: &str) {
        let (calls, call) = (self.calls.clone(), self.tell("progress"));
        let call = call.body(json!({"fraction": fraction, "stage": stage}).to_string());
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let before = report.take();
        *report = Some(tokio::spawn(async move {
            if let Some(before) = before {
                before.await.unwrap();
            }
            calls.ask(call).await;
        }));
    }

    async fn part(&self, payload: &'static str) -> Result<u32, PartError> {
        loop {
            match self.try_part(payload).await {
                Err(PartError::Full) => tokio::time::sleep(Duration::from_secs(1)).await,
                answered => return answered,
            }
        }
    }

    async fn try_part(&self, payload: &'static str) -> Result<u32, PartError> {
        self.reported().await;
        let answer = self.calls.ask_once(self.tell("part").body(payload)).await;
        answer.done()?;
        Ok(answer.said("roundtrip-part"))
    }

    async fn settle(&self, how: Settle) -> Result<(), SettleError> {
        let problem = |code: &str, message: &str| json!({"code": code, "message": message}).to_string();
        let call = match how {
            Settle::Reply(payload) => self.tell("reply").header("content-type", "text/plain").body(payload),
            Settle::Fail(code, message) => {
                self.tell("fail").header("content-type", "application/json").body(problem(code, message))
            }
            Settle::Retry(code, after) => {
                let after = after.map(|after| format!("&after={}", seconds::text(after))).unwrap_or_default();
                self.tell(&format!("fail?retry=true{after}")).body(problem(code, code))
            }
            Settle::Reject(code) => self.tell("reject").body(problem(code, code)),
            Settle::Release => self.tell("release"),
            Settle::Throttle(pause) => self.tell(&format!("throttle?after={}", seconds::text(pause))),
        };
        Ok(self.ask(call).await?)
    }
}
