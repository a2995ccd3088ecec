//! Outcomes, read back from the answers that carry them.

use bytes::Bytes;
use roundtrip::{DeadReason, Ending, Headers, OutcomeKind, Problem};
use roundtrip_protocol::Label;
use serde_json::Value;

use super::calls::Answer;
use crate::driver::Ended;

impl Ended {
    /// None if the answer carries no outcome.
    pub(super) fn in_answer(answer: &Answer) -> Option<Self> {
        let kind = kind(answer.header("roundtrip-outcome")?);
        let attempts = answer.said("roundtrip-attempts");
        if kind == OutcomeKind::Replied {
            assert_eq!(answer.status, 200);
            let content_type = answer.header("content-type").unwrap_or_default();
            let label = Label { content_type: content_type.into(), headers: Headers::default() };
            return Some(Self {
                attempts,
                ending: Ending::Replied(label),
                payload: answer.body.clone(),
                problem: None,
            });
        }
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
        let problem = answer.json();
        assert_eq!(problem["attempts"], attempts);
        let ending = match kind {
            OutcomeKind::Failed => {
                let content_type = problem.get("details").map(|_| "application/json".to_owned());
                Ending::Failed { problem: Problem::new(text(&problem["code"]), text(&problem["detail"])), content_type }
            }
            OutcomeKind::Dead => Ending::Dead { reason: reason(&text(&problem["code"])), last: last(&problem) },
            OutcomeKind::Expired => Ending::Expired,
            _ => Ending::Cancelled,
        };
        let payload = problem.get("details").map(|details| Bytes::from(details.to_string())).unwrap_or_default();
        Some(Self { attempts, ending, payload, problem: Some(problem) })
    }
}

/// The outcome of this name.
pub(super) fn kind(name: &str) -> OutcomeKind {
    use OutcomeKind::{Cancelled, Dead, Expired, Failed, Replied};
    let kinds = [Replied, Failed, Dead, Expired, Cancelled];
    kinds.into_iter().find(|kind| kind.as_str() == name).unwrap_or_else(|| panic!("there is no outcome {name}"))
}

fn reason(code: &str) -> DeadReason {
    use DeadReason::{AttemptsExhausted, Damaged, Rejected, ReleasesExhausted};
    let reasons = [AttemptsExhausted, Rejected, ReleasesExhausted, Damaged];
    reasons.into_iter().find(|reason| reason.as_str() == code).unwrap_or_else(|| panic!("nothing is dead for {code}"))
}

fn last(problem: &Value) -> Option<Problem> {
    let last = problem.get("last")?;
    Some(Problem::new(text(&last["code"]), text(&last["message"])))
}

/// Empty where there is none.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
