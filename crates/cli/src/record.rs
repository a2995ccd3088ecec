//! An outcome as `request`, `attach` and `replies` print it: a line of JSON, or a line for people.

use roundtrip::{Ending, Problem, TicketId};
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
    error: Option<Error<'a>>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> Record<'a> {
    /// `operation` is not known of a ticket that was attached to, and then left out.
    pub(crate) fn new(
        ticket: &'a TicketId,
        operation: Option<&'a str>,
        attempts: u32,
        ending: &'a Ending,
        payload: &[u8],
    ) -> Self {
        let shown = shown(payload).filter(|_| carries_payload(ending));
        Self {
            ticket: ticket.to_string(),
            channel: ticket.channel.as_str(),
            operation,
            outcome: ending.kind().as_str(),
            attempts,
            payload_base64: (shown.is_none() && carries_payload(ending)).then(|| base64(payload)),
            payload: shown,
            error: problem(ending),
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
    let told = match problem(ending) {
        Some(Error { code, message: "" }) => code.to_owned(),
        Some(Error { code, message }) => format!("{code}: {}", printable(message)),
        None => String::new(),
    };
    match ending {
        Ending::Failed { content_type: Some(_), .. } => format!("{told} {}", one_line(payload)),
        Ending::Dead { reason, last: Some(_) } => format!("{}, the last attempt with {told}", reason.as_str()),
        _ => told,
    }
}

fn carries_payload(ending: &Ending) -> bool {
    matches!(ending, Ending::Replied(_) | Ending::Failed { content_type: Some(_), .. })
}

fn problem(ending: &Ending) -> Option<Error<'_>> {
    match ending {
        Ending::Failed { problem: Problem { code, message }, .. }
        | Ending::Dead { last: Some(Problem { code, message }), .. } => Some(Error { code, message }),
        Ending::Dead { reason, last: None } => Some(Error { code: reason.as_str(), message: "" }),
        Ending::Expired => Some(Error { code: "expired", message: "" }),
        Ending::Cancelled => Some(Error { code: "cancelled", message: "" }),
        Ending::Replied(_) => None,
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
        serde_json::to_string(&Record::new(&ticket, Some("halve"), 2, ending, payload)).unwrap()
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
    fn what_is_no_reply_has_an_error() {
        let failed = Ending::Failed { problem: Problem::new("exit_3", "no such picture"), content_type: None };
        assert!(line(&failed, b"").ends_with(r#""error":{"code":"exit_3","message":"no such picture"}}"#));
        let dead = Ending::Dead { reason: DeadReason::AttemptsExhausted, last: None };
        assert!(line(&dead, b"").contains(r#""outcome":"dead","attempts":2,"error":{"code":"attempts_exhausted""#));
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
    }
}
