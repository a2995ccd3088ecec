//! Requests: accepted, refused, followed, acknowledged.

use roundtrip_broker::{Broker, ChannelSettings, OnUnknown};
use roundtrip_protocol::*;

use crate::wire::{channel, new_id, next, over_both, submission};

over_both! {
    async fn a_request_goes_there_and_back(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;

        let id = requester.submit(1, "two eggs").await;
        let (accepted, _) = next!(requester, Accepted);
        assert_eq!(accepted, Accepted { ticket: TicketNumber(1), services: 1, duplicate: None });

        let (delivery, payload) = next!(service, Delivery);
        assert_eq!(payload, "two eggs");
        assert_eq!((delivery.token.id, delivery.attempt), (id, 1));
        assert_eq!((delivery.operation.as_str(), delivery.requester.as_str()), ("cook", "ward"));
        assert_eq!(delivery.label.content_type, "text/plain");
        assert_eq!(service.reply(delivery.token, "omelette").await, Answer::Settled);
        assert_eq!(service.reply(delivery.token, "omelette").await, Answer::Settled, "the same settlement, repeated");

        let (outcome, payload) = next!(requester, Outcome);
        assert_eq!((outcome.ticket, outcome.attempts), (TicketNumber(1), 1));
        assert_eq!(outcome.ending, Ending::Replied(Label::default()));
        assert_eq!(payload, "omelette");

        assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
        requester.send(Attach { ticket: TicketNumber(2), channel: ChannelNumber(0), id }).await;
        let (refused, _) = next!(requester, Refused);
        assert_eq!(refused.refusal.code, RefusalCode::UnknownTicket);
        service.nothing_more().await;
    }

    async fn who_wants_the_outcome_alone_is_told_nothing_before_it(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        let submit = Submit { accepted: false, ..submission(1, new_id()) };
        requester.send_with(submit.clone(), "two eggs").await;
        let (delivery, _) = next!(service, Delivery);
        requester.nothing_more().await;
        service.reply(delivery.token, "omelette").await;
        let (outcome, payload) = next!(requester, Outcome);
        assert_eq!((outcome.ticket, &payload[..]), (TicketNumber(1), &b"omelette"[..]));

        let again = Submit { ticket: TicketNumber(2), ..submit.clone() };
        requester.send_with(again, "two eggs").await;
        assert_eq!(next!(requester, Accepted).0.ticket, TicketNumber(2), "a repetition is answered");
        assert_eq!(next!(requester, Outcome).0.ticket, TicketNumber(2));

        let refused = Submit { ticket: TicketNumber(3), id: new_id(), priority: 10, ..submit };
        requester.send_with(refused, "").await;
        assert_eq!(next!(requester, Refused).0.refusal.code, RefusalCode::Invalid);
    }

    async fn an_acknowledgement_with_a_ticket_lets_go_of_it(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(2).await;
        let (first, second) = (requester.submit(1, "").await, requester.submit(2, "").await);
        (next!(requester, Accepted), next!(requester, Accepted));
        let (delivery, _) = next!(service, Delivery);
        service.reply(delivery.token, "omelette").await;
        next!(requester, Outcome);
        let (call, channel) = (Call(1), ChannelNumber(0));
        let acknowledge = |id, ticket| {
            let ticket = Some(TicketNumber(ticket));
            Acknowledge { call, channel, id, requester: RequesterNumber(0), ticket }
        };
        requester.send(acknowledge(first, 1)).await;
        assert_eq!(next!(requester, Acknowledged).0, Acknowledged { call, result: Acknowledgement::Done });
        requester.submit(1, "the number is free").await;
        next!(requester, Accepted);

        // Whatever the answer is, and whichever request the ticket is of.
        requester.send(acknowledge(second, 2)).await;
        assert_eq!(next!(requester, Acknowledged).0.result, Acknowledgement::NoOutcomeYet);
        requester.send(acknowledge(new_id(), 1)).await;
        next!(requester, Acknowledged);
        requester.send(acknowledge(first, 77)).await;
        next!(requester, Acknowledged);
        let (delivery, _) = next!(service, Delivery);
        service.reply(delivery.token, "").await;
        requester.nothing_more().await;
    }

    async fn a_failure_travels_with_its_typed_error(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        let settlement = Settlement::Fail {
            problem: Problem::new("no_eggs", "there are none"),
            content_type: Some("application/json".to_owned()),
        };
        assert_eq!(service.settle(delivery.token, settlement, "{}").await, Answer::Settled);
        let (outcome, payload) = next!(requester, Outcome);
        let Ending::Failed { problem, content_type } = outcome.ending else { panic!("it failed") };
        assert_eq!((problem.code.as_str(), content_type.as_deref()), ("no_eggs", Some("application/json")));
        assert_eq!(payload, "{}");
    }

    async fn a_payload_where_none_belongs_is_answered_invalid_and_the_delivery_goes_on(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        assert_eq!(service.settle(delivery.token, Settlement::Release, "x").await, Answer::Invalid);
        assert_eq!(service.reply(delivery.token, "x").await, Answer::Settled);
    }

    async fn the_same_id_is_the_same_request(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let id = requester.submit(1, "soup").await;
        next!(requester, Accepted);
        drop(requester);

        let mut again = place.requester("ward").await;
        again.submit_as(5, id, "soup").await;
        next!(again, Accepted);
        place.until(|figures| figures.waiting == 1).await;
        let mut service = place.service(5).await;
        let (delivery, _) = next!(service, Delivery);
        assert_eq!(service.reply(delivery.token, "").await, Answer::Settled);
        let (outcome, _) = next!(again, Outcome);
        assert_eq!(outcome.ticket, TicketNumber(5));
        service.nothing_more().await;
    }

    async fn an_unknown_channel_is_refused_naming_the_nearest(way) {
        let builder = Broker::builder()
            .channel(ChannelSettings::new("patient_summary_request"))
            .on_unknown(OnUnknown::Refuse);
        let place = way.start(builder).await;
        let mut wire = place.connect().await;
        wire.introduce(0, "ward", false).await;
        wire.send(Bind { number: ChannelNumber(0), channel: channel("paitent_summary_request") }).await;
        let (bound, _) = next!(wire, Bound);
        let refusal = bound.refusal.unwrap();
        assert_eq!(refusal.code, RefusalCode::UnknownChannel);
        assert!(refusal.message.contains("\"patient_summary_request\""), "{}", refusal.message);

        wire.submit(1, "x").await;
        let (refused, _) = next!(wire, Refused);
        assert_eq!(refused.refusal, refusal);
        wire.send(Subscribe {
            service: ServiceNumber(0), channel: ChannelNumber(0), credit: 1, hold: Hold::Connection, lease_ms: None,
        }).await;
        let (unsubscribed, _) = next!(wire, Unsubscribed);
        assert_eq!(unsubscribed.refusal, Some(refusal));

        wire.bind(0, "patient_summary_request").await;
        wire.submit(1, "x").await;
        next!(wire, Accepted);
    }

    async fn a_full_channel_refuses_and_says_when_to_come_back(way) {
        let place = way.start(Broker::builder().channel(ChannelSettings::new("orders").capacity(1))).await;
        let mut requester = place.requester("ward").await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        requester.submit(2, "").await;
        let (refused, _) = next!(requester, Refused);
        assert_eq!((refused.ticket, refused.refusal.code), (TicketNumber(2), RefusalCode::ChannelFull));
        assert!(refused.refusal.retry_after_ms.is_some());
        requester.submit(2, "").await;
        next!(requester, Refused);
    }

    async fn a_full_mailbox_refuses_until_a_reply_is_acknowledged(way) {
        let place = way.start(Broker::builder().mailbox_capacity(1)).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(9).await;
        let id = requester.submit(1, "").await;
        next!(requester, Accepted);
        let second = new_id();
        requester.submit_as(2, second, "").await;
        let (refused, _) = next!(requester, Refused);
        assert_eq!(refused.refusal.code, RefusalCode::MailboxFull);

        let (delivery, _) = next!(service, Delivery);
        service.reply(delivery.token, "").await;
        next!(requester, Outcome);
        assert_eq!(requester.acknowledge(id).await, Acknowledgement::Done);
        requester.submit_as(2, second, "").await;
        next!(requester, Accepted);
    }

    async fn a_full_mailbox_does_not_refuse_what_was_accepted_before(way) {
        let place = way.start(Broker::builder().mailbox_capacity(1)).await;
        let mut requester = place.requester("ward").await;
        let id = requester.submit(1, "").await;
        next!(requester, Accepted);
        let mut again = place.requester("ward").await;
        again.submit_as(3, id, "").await;
        let (accepted, _) = next!(again, Accepted);
        assert_eq!(accepted.ticket, TicketNumber(3));
        place.until(|figures| figures.waiting == 1).await;
    }

    async fn a_payload_over_the_channels_limit_is_thrown_away_and_the_connection_goes_on(way) {
        let place = way.start(Broker::builder().channel(ChannelSettings::new("orders").max_payload(1000))).await;
        let mut requester = place.requester("ward").await;
        requester.submit(1, vec![7; 1_000_000]).await;
        let (refused, _) = next!(requester, Refused);
        assert_eq!((refused.ticket, refused.refusal.code), (TicketNumber(1), RefusalCode::TooLarge));
        assert_eq!(refused.refusal.retry_after_ms, None);
        requester.submit(1, vec![7; 1000]).await;
        next!(requester, Accepted);

        let mut service = place.service(1).await;
        let (delivery, payload) = next!(service, Delivery);
        assert_eq!(payload.len(), 1000);
        assert_eq!(service.reply(delivery.token, vec![1; 1001]).await, Answer::TooLarge { max_payload: 1000 });
        assert_eq!(service.reply(delivery.token, vec![1; 1000]).await, Answer::Settled);
    }

    async fn a_payload_over_the_connections_limit_closes_it(way) {
        let place = way.start(Broker::builder().max_payload(100_000)).await;
        let mut requester = place.requester("ward").await;
        requester.submit(1, vec![7; 100_001]).await;
        requester.is_closed_with(ErrorCode::FrameTooLarge).await;
    }

    async fn a_stranger_attaches_with_the_ticket_alone(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        let id = requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        let progress = |fraction, note: &str| Progress { fraction, stage: "beating".to_owned(), note: note.to_owned() };
        let channel = ChannelNumber(0);
        service.send(ProgressReport { channel, token: delivery.token, progress: progress(0.25, "a") }).await;
        let (update, _) = next!(requester, ProgressUpdate);
        assert_eq!(update.progress, progress(0.25, "a"));

        let mut stranger = place.requester("passer-by").await;
        stranger.send(Attach { ticket: TicketNumber(4), channel, id }).await;
        let (state, _) = next!(stranger, State);
        assert_eq!(state.state, RequestState::InFlight { delivery: 1, attempt: 1 });
        assert_eq!(state.progress, Some(progress(0.25, "a")));
        service.reply(delivery.token, "done").await;
        let (_, payload) = next!(stranger, Outcome);
        assert_eq!(payload, "done");
        assert_eq!(stranger.acknowledge(id).await, Acknowledgement::Forbidden);
    }

    async fn after_a_detach_nothing_more_comes(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        requester.send(Detach { ticket: TicketNumber(1) }).await;
        requester.send(Detach { ticket: TicketNumber(77) }).await;
        requester.nothing_more().await;
        let (delivery, _) = next!(service, Delivery);
        service.reply(delivery.token, "").await;
        requester.nothing_more().await;
    }

    async fn an_operation_name_without_measure_is_refused(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        requester.send(Submit { operation: "x".repeat(2000).into(), ..submission(1, new_id()) }).await;
        let (refused, _) = next!(requester, Refused);
        assert_eq!(refused.refusal.code, RefusalCode::Invalid);
    }

    async fn a_reply_goes_to_the_channel_that_the_request_names(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        requester.send(Submit { reply: ReplyTo::On(channel("kitchen")), ..submission(1, new_id()) }).await;
        next!(requester, Accepted);
        let mut reader = place.connect().await;
        reader.introduce(0, "ward", false).await;
        reader.send(OpenMailbox {
            mailbox: MailboxNumber(0), requester: RequesterNumber(0), reply_channel: channel("kitchen"),
            mode: OpenMode::Take, window: 1,
        }).await;
        next!(reader, MailboxOpened);
        next!(reader, CaughtUp);
        let (delivery, _) = next!(service, Delivery);
        service.reply(delivery.token, "hot").await;
        let (reply, payload) = next!(reader, Reply);
        assert_eq!((reply.channel, reply.operation.as_str()), (channel("orders"), "cook"));
        assert_eq!(payload, "hot");
    }

    async fn the_channels_are_listed_by_name_with_their_figures(way) {
        let place = way.start(Broker::builder().channel(ChannelSettings::new("zoo"))).await;
        let mut requester = place.requester("ward").await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        requester.send(ListChannels { call: Call(3) }).await;
        let (part, _) = next!(requester, Channels);
        assert_eq!((part.call, part.more), (Call(3), false));
        let names: Vec<_> = part.channels.iter().map(|figures| figures.channel.as_str()).collect();
        assert_eq!(names, ["orders", "zoo"]);
        assert_eq!(part.channels[0].waiting, 1);
    }

    async fn a_long_list_of_channels_comes_in_parts(way) {
        let place = way.start(Broker::builder()).await;
        let mut wire = place.connect().await;
        for number in 0..1500 {
            wire.bind(number, &format!("channel-with-a-name-of-some-length.{number:04}")).await;
        }
        wire.send(ListChannels { call: Call(3) }).await;
        let mut names = Vec::new();
        loop {
            let (part, _) = next!(wire, Channels);
            assert!(Header::from(part.clone()).encoded_len() <= MAX_HEADER);
            names.extend(part.channels.into_iter().map(|figures| figures.channel));
            if !part.more {
                break;
            }
        }
        assert_eq!(names.len(), 1500);
        assert!(names.is_sorted());
    }
}
