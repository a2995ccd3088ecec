//! Submitting, waiting and acknowledging.

use std::time::Duration;

use roundtrip_client::{
    AcknowledgeError, CallError, Message, OutcomeError, RefusalCode, SubmitError, TicketId, WaitError,
};
use roundtrip_protocol::*;

use crate::script::{Resize, ResizeError, client, failed, replied, state_of};

#[tokio::test]
async fn awaiting_a_ticket_gives_the_reply_and_acknowledges_it() {
    let (client, mut script) = client();
    let letters = client.requester("letters");
    let submitting = tokio::spawn(letters.submit(Resize { width: 64 }).into_future());
    let mut peer = script.welcome().await;
    let (submit, payload) = peer.submit().await;
    assert_eq!(&payload[..], br#"{"width":64}"#);
    assert_eq!((submit.operation.as_str(), submit.label.content_type.as_str()), ("resize", "application/json"));
    peer.say(Accepted { ticket: submit.ticket, services: 2, duplicate: None });
    let ticket = submitting.await.unwrap().unwrap();
    assert_eq!(ticket.services(), Some(2));
    assert_eq!(ticket.id().to_string(), format!("picture_request:{}", submit.id));
    peer.say_with(replied(submit.ticket), r#""thumbnail""#);
    assert_eq!(ticket.await.unwrap(), "thumbnail");
    let acknowledge = peer.acknowledge().await;
    assert_eq!((acknowledge.id, acknowledge.ticket), (submit.id, Some(submit.ticket)), "and let go of");
}

#[tokio::test]
async fn reading_an_outcome_does_not_acknowledge_it() {
    let (client, mut script) = client();
    let letters = client.requester("letters");
    let submitting = tokio::spawn(letters.submit(Resize { width: 64 }).into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    peer.reply_to(&submit, r#""thumbnail""#);
    let ticket = submitting.await.unwrap().unwrap();
    assert_eq!(ticket.outcome().await.unwrap(), "thumbnail");
    assert_eq!(ticket.outcome().await.unwrap(), "thumbnail");
    let acknowledging = tokio::spawn(async move { ticket.acknowledge().await });
    let acknowledge = peer.acknowledge().await;
    peer.say(Acknowledged { call: acknowledge.call, result: Acknowledgement::Done });
    acknowledging.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_acknowledgement_under_a_strange_name_is_told() {
    let (client, mut script) = client();
    let ticket = client.requester("somebody").attach::<Resize>(some_ticket());
    let mut peer = script.welcome().await;
    let Header::Attach(attach) = peer.header().await else { panic!("it attaches") };
    let state = RequestState::Ended(OutcomeKind::Replied);
    peer.say(state_of(attach.ticket, state));
    let acknowledging = tokio::spawn(async move { ticket.acknowledge().await });
    let acknowledge = peer.acknowledge().await;
    peer.say(Acknowledged { call: acknowledge.call, result: Acknowledgement::Forbidden });
    assert_eq!(acknowledging.await.unwrap(), Err(AcknowledgeError::Forbidden));
}

#[tokio::test]
async fn a_call_needs_the_outcome_alone() {
    let (client, mut script) = client();
    let calling = tokio::spawn(client.anonymous().call(Resize { width: 64 }).into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    peer.say_with(replied(submit.ticket), r#""thumbnail""#);
    assert_eq!(calling.await.unwrap().unwrap(), "thumbnail");
    assert_eq!(peer.acknowledge().await.id, submit.id);
}

#[tokio::test]
async fn each_kind_of_failure_has_its_own_error_and_shows_no_text_of_the_service() {
    let (client, mut script) = client();
    let letters = client.requester("letters");
    let mut peer = script.welcome().await;
    let mut errors = Vec::new();
    for kind in 0..3 {
        let calling = tokio::spawn(letters.call(Resize { width: 64 }).into_future());
        let (submit, _) = peer.submit().await;
        match kind {
            0 => peer.say_with(failed(submit.ticket, "failed", Some("application/json")), r#""UnknownPicture""#),
            1 => peer.say(failed(submit.ticket, "invalid_payload", None)),
            _ => {
                let last = Some(Problem::new("upstream", "about Mr Smith"));
                let ending = Ending::Dead { reason: DeadReason::AttemptsExhausted, last };
                peer.say(Outcome { ticket: submit.ticket, attempts: 5, ending });
            }
        }
        peer.acknowledge().await;
        let Err(CallError::Outcome(error)) = calling.await.unwrap() else { panic!("it failed") };
        assert!(!format!("{error} {error:?}").contains("Smith"));
        errors.push(error);
    }
    assert_eq!(errors[0], OutcomeError::Failed(ResizeError::UnknownPicture));
    assert!(matches!(&errors[1], OutcomeError::Problem(problem) if problem.code == "invalid_payload"));
    assert!(matches!(&errors[2], OutcomeError::Dead { attempts: 5, reason: DeadReason::AttemptsExhausted, .. }));
}

#[tokio::test]
async fn a_reply_that_does_not_decode_is_not_acknowledged_and_shows_nothing_of_itself() {
    let (client, mut script) = client();
    let calling = tokio::spawn(client.requester("letters").call(Resize { width: 64 }).into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    peer.reply_to(&submit, r#"{"patient":"Smith"}"#);
    let error = calling.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Outcome(OutcomeError::InvalidReply { line: 1, .. })));
    assert!(!format!("{error} {error:?}").contains("Smith"));
    assert!(matches!(peer.header().await, Header::Detach(_)), "it is left to the mailbox");
}

#[tokio::test]
async fn a_refusal_tells_its_code_and_when_to_try_again() {
    let (client, mut script) = client();
    let submitting = tokio::spawn(client.requester("letters").submit(Resize { width: 64 }).into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    let refusal = Refusal::passing(RefusalCode::ChannelFull, "the queue is full", 250);
    peer.say(Refused { ticket: submit.ticket, refusal });
    let error = submitting.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(RefusalCode::ChannelFull));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(250)));
}

#[tokio::test(start_paused = true)]
async fn a_submission_without_an_answer_is_unconfirmed_and_safe_to_repeat() {
    let (client, mut script) = client();
    let letters = client.requester("letters");
    let submitting = tokio::spawn(letters.submit(Resize { width: 64 }).into_future());
    let mut peer = script.welcome().await;
    let (first, _) = peer.submit().await;
    let Err(SubmitError::Unconfirmed { ticket }) = submitting.await.unwrap() else { panic!("no answer came") };
    assert!(matches!(peer.header().await, Header::Detach(_)));
    let repeating = tokio::spawn(letters.submit(Resize { width: 64 }).under(ticket).into_future());
    let (second, _) = peer.submit().await;
    assert_eq!(second.id, first.id);
    peer.say(Accepted { ticket: second.ticket, services: 1, duplicate: None });
    repeating.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_ticket_can_be_made_before_the_submission() {
    let (client, mut script) = client();
    let letters = client.requester("letters");
    let ticket = letters.new_ticket::<Resize>().unwrap();
    let submitting = tokio::spawn(letters.submit(Resize { width: 64 }).under(ticket.clone()).into_future());
    let mut peer = script.welcome().await;
    let (submit, _) = peer.submit().await;
    assert_eq!(submit.id, ticket.id);
    peer.say(Accepted { ticket: submit.ticket, services: 1, duplicate: None });
    assert_eq!(submitting.await.unwrap().unwrap().id(), &ticket);
}

#[tokio::test]
async fn a_ticket_of_another_channel_is_not_submitted_under() {
    let (client, _script) = client();
    let letters = client.requester("letters");
    let strange: TicketId = "text_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11".parse().unwrap();
    let refused = letters.submit(Resize { width: 64 }).under(strange).await;
    assert!(matches!(refused, Err(SubmitError::OtherChannel { .. })));
}

#[tokio::test]
async fn what_is_no_name_fails_at_its_first_use() {
    let (client, _script) = client();
    let nobody = client.requester("no name");
    assert!(nobody.name().is_err());
    assert!(matches!(nobody.submit(Resize { width: 64 }).await, Err(SubmitError::Name(_))));
    let attached = nobody.attach::<Resize>(some_ticket()).await;
    assert!(matches!(attached, Err(OutcomeError::Wait(WaitError::Name(_)))));
    let raw = client.anonymous().submit_raw("no channel", "", Message::default()).await;
    assert!(matches!(raw, Err(SubmitError::Name(_))));
}

#[tokio::test]
async fn raw_bytes_headers_and_the_reply_channel_go_as_they_are() {
    let (client, mut script) = client();
    let message = Message::new(&b"\x00\x01"[..]).content_type("image/png").header("trace", "7");
    let letters = client.requester("letters");
    let submitting = letters.submit_raw("picture_request", "crop", message).reply_channel("elsewhere");
    let submitting = tokio::spawn(submitting.into_future());
    let mut peer = script.welcome().await;
    let (submit, payload) = peer.submit().await;
    assert_eq!(&payload[..], b"\x00\x01");
    assert_eq!(submit.label.content_type, "image/png");
    assert_eq!(submit.label.headers.value("trace"), Some("7"));
    assert_eq!(submit.reply, ReplyTo::On(ChannelName::new("elsewhere").unwrap()));
    peer.say(Accepted { ticket: submit.ticket, services: 1, duplicate: None });
    peer.say_with(replied(submit.ticket), "raw");
    let outcome = submitting.await.unwrap().unwrap().await.unwrap();
    assert_eq!((&outcome.payload[..], outcome.attempts), (&b"raw"[..], 1));
}

#[tokio::test]
async fn a_ticket_tells_its_state_and_its_progress() {
    let (client, mut script) = client();
    let ticket = client.requester("letters").attach::<Resize>(some_ticket());
    let mut peer = script.welcome().await;
    let Header::Attach(followed) = peer.header().await else { panic!("it attaches") };
    peer.say(state_of(followed.ticket, RequestState::Waiting));
    let mut updates = ticket.progress();
    let progress = Progress { fraction: 0.5, stage: "half".into(), note: String::new() };
    peer.say(ProgressUpdate { ticket: followed.ticket, progress: progress.clone() });
    assert_eq!(updates.next().await, Some(progress));
    let asking = tokio::spawn(async move { (ticket.state().await, ticket) });
    let Header::Attach(asked) = peer.header().await else { panic!("it asks by attaching again") };
    let state = RequestState::InFlight { delivery: 3, attempt: 2 };
    peer.say(state_of(asked.ticket, state));
    let (told, ticket) = asking.await.unwrap();
    assert_eq!(told.unwrap().state, state);
    assert!(matches!(peer.header().await, Header::Detach(detach) if detach.ticket == asked.ticket));
    peer.say_with(replied(followed.ticket), r#""thumbnail""#);
    assert_eq!(updates.next().await, None);
    assert_eq!(ticket.await.unwrap(), "thumbnail");
}

#[tokio::test]
async fn a_broken_connection_neither_doubles_nor_loses_a_submission() {
    let (client, mut script) = client();
    let calling = tokio::spawn(client.requester("letters").call(Resize { width: 64 }).into_future());
    let mut peer = script.welcome().await;
    let (first, _) = peer.submit().await;
    peer.cut();
    let mut peer = script.welcome().await;
    let (second, payload) = peer.submit().await;
    assert_eq!(second.id, first.id);
    assert_eq!(&payload[..], br#"{"width":64}"#);
    peer.reply_to(&second, r#""thumbnail""#);
    assert_eq!(calling.await.unwrap().unwrap(), "thumbnail");
}

#[tokio::test]
async fn the_channels_are_listed() {
    let (client, mut script) = client();
    let listing = tokio::spawn(async move { client.channels().await });
    let mut peer = script.welcome().await;
    let Header::ListChannels(list) = peer.header().await else { panic!("it asks") };
    let channel = ChannelName::new("picture_request").unwrap();
    let figures = ChannelFigures {
        channel,
        waiting: 1,
        scheduled: 5,
        in_flight: 2,
        services: 3,
        retained: 4,
        dead: 6,
        oldest_ms: 7,
        paused_ms: 8,
        stale: 9,
    };
    peer.say(Channels { call: list.call, channels: vec![figures.clone()], more: false });
    assert_eq!(listing.await.unwrap().unwrap(), [figures]);
}

fn some_ticket() -> TicketId {
    "picture_request:0190d5a3-7b1e-7cc0-8000-3c5f1f6a2b11".parse().unwrap()
}
