//! An outcome as `request`, `attach` and `replies` print it: a line of JSON, or a line for people.

use roundtrip::{Ending, Outcome, Problem, ProblemDetails, TicketId};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::payload::{base64, one_line, printable, shown};

/// One outcome, with `--json`.
#[derive(Serialize)]
pub(crate) struct Record<'a> {
    ticket: String,
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'a str>,
    outcome: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemDetails>,
}

impl<'a> Record<'a> {
    /// `operation` is not known of a ticket that was attached to, and then left out.
    pub(crate) fn new(ticket: &'a TicketId, operation: Option<&'a str>, outcome: &Outcome) -> Self {
        let record = Self::of(ticket, operation, outcome.attempts, &outcome.ending, &outcome.payload);
        let problem = outcome.problem();
        // A typed error stands in the problem, if it is JSON.
        let is_told = problem.as_ref().is_some_and(|problem| problem.extensions.details().is_some());
        let payload = record.payload.filter(|_| !is_told);
        Self { payload, problem, ..record }
    }

    fn of(ticket: &'a TicketId, operation: Option<&'a str>, attempts: u32, ending: &Ending, payload: &[u8]) -> Self {
        let carried = matches!(ending, Ending::Replied(_) | Ending::Failed { content_type: Some(_), .. });
        let shown = shown(payload).filter(|_| carried);
        Self {
            ticket: ticket.to_string(),
            channel: ticket.channel.as_str(),
            operation,
            outcome: ending.kind().as_str(),
            attempts,
            payload_base64: (shown.is_none() && carried).then(|| base64(payload)),
            payload: shown,
            problem: None,
        }
    }
}

/// One outcome for people: ticket, outcome, attempts and content, with tabs between.
pub(crate) fn plain(ticket: &TicketId, attempts: u32, ending: &Ending, payload: &[u8]) -> String {
    let content = match ending {
        Ending::Replied(_) => one_line(payload).into_owned(),
        _ => why(ending, payload),
    };
    format!("{ticket}\t{}\tattempts {attempts}\t{content}", ending.kind())
}

/// Why an outcome is not a reply, on one line.
pub(crate) fn why(ending: &Ending, payload: &[u8]) -> String {
    let told = |Problem { code, message }: &Problem| match message.as_str() {
        "" => code.to_owned(),
        message => format!("{code}: {}", printable(message)),
    };
    match ending {
        Ending::Replied(_) => String::new(),
        Ending::Failed { problem, content_type: None } => told(problem),
        Ending::Failed { problem, content_type: Some(_) } => format!("{} {}", told(problem), one_line(payload)),
        Ending::Dead { reason, last: Some(last) } => {
            format!("{}, the last attempt with {}", reason.as_str(), told(last))
        }
        Ending::Dead { reason, last: None } => reason.as_str().to_owned(),
        Ending::Expired => "its deadline passed".to_owned(),
        Ending::Cancelled => "somebody cancelled it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use roundtrip::DeadReason;

    use super::*;

    const TICKET: &str = "resize:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11";

    fn replied() -> Ending {
        Ending::Replied(Default::default())
    }

    fn line(ending: &Ending, payload: &[u8]) -> String {
        let ticket: TicketId = TICKET.parse().unwrap();
        serde_json::to_string(&Record::of(&ticket, Some("halve"), 2, ending, payload)).unwrap()
    }

    #[test]
    fn a_reply_of_json_stands_in_the_object_as_it_is() {
        let expected = format!(
            r#"{{"ticket":"{TICKET}","channel":"resize","operation":"halve","outcome":"replied","attempts":2,"payload":{{"b":1.50,"a":[]}}}}"#
        );
        assert_eq!(line(&replied(), b"{\"b\":1.50,\n\"a\":[]}"), expected);
    }

    #[test]
    fn a_reply_of_other_text_is_a_string_and_one_of_bytes_is_base64() {
        assert!(line(&replied(), b"hel\"lo").ends_with(r#""payload":"hel\"lo"}"#));
        let bytes = line(&replied(), b"\xff\xfe");
        assert!(bytes.contains(r#""payload_base64":"//4=""#) && !bytes.contains(r#""payload":"#), "{bytes}");
    }

    #[test]
    fn what_is_no_reply_has_no_payload() {
        let failed = Ending::Failed { problem: Problem::new("exit_3", "no such picture"), content_type: None };
        assert!(line(&failed, b"").ends_with(r#""outcome":"failed","attempts":2}"#));
        assert!(line(&Ending::Cancelled, b"").ends_with(r#""outcome":"cancelled","attempts":2}"#));
    }

    #[test]
    fn a_line_for_people_is_one_line() {
        let ticket: TicketId = TICKET.parse().unwrap();
        assert_eq!(plain(&ticket, 1, &replied(), b"a\nb"), format!("{TICKET}\treplied\tattempts 1\ta\\nb"));
        let dead = Ending::Dead { reason: DeadReason::AttemptsExhausted, last: Some(Problem::new("busy", "")) };
        assert_eq!(
            plain(&ticket, 5, &dead, b""),
            format!("{TICKET}\tdead\tattempts 5\tattempts_exhausted, the last attempt with busy")
        );
        let failed = Ending::Failed { problem: Problem::new("exit_3", "no\nsuch"), content_type: None };
        assert_eq!(plain(&ticket, 1, &failed, b""), format!("{TICKET}\tfailed\tattempts 1\texit_3: no\\nsuch"));
        assert_eq!(
            plain(&ticket, 0, &Ending::Expired, b""),
            format!("{TICKET}\texpired\tattempts 0\tits deadline passed")
        );
    }
}
