//! Parts: ordered, numbered, none lost, within the follower's window and the channel's room.

use std::time::Duration;

use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_protocol::*;

use crate::wire::{Place, Wire, new_id, next, over_both, submission};

fn orders() -> ChannelSettings {
    let moment = Duration::from_millis(1);
    ChannelSettings::new("orders").backoff(moment, moment)
}

/// A requester that follows the parts of its request, and the service that has it.
async fn at_work(place: &Place, window: u32) -> (Wire, Wire, RequestId, Token) {
    let mut requester = place.requester("ward").await;
    let mut service = place.service(1).await;
    let id = requester.submit(1, "").await;
    next!(requester, Accepted);
    let (delivery, _) = next!(service, Delivery);
    assert_eq!(follow(&mut requester, 1, (0, 0), window).await, (1, 1));
    (requester, service, id, delivery.token)
}

/// Follows parts behind those of a delivery, and tells from which delivery and number they come.
async fn follow(requester: &mut Wire, ticket: u32, (delivery, after): (u32, u32), window: u32) -> (u32, u32) {
    requester.send(FollowParts { ticket: TicketNumber(ticket), delivery, after, window }).await;
    let (from, _) = next!(requester, PartsFrom);
    assert_eq!(from.ticket, TicketNumber(ticket));
    (from.delivery, from.first)
}

async fn part(requester: &mut Wire, delivery: u32, number: u32, payload: &str) {
    let (part, found) = next!(requester, Part);
    assert_eq!((part.delivery, part.number, found.as_ref()), (delivery, number, payload.as_bytes()));
}

async fn acknowledge(requester: &mut Wire, delivery: u32, through: u32) {
    let (ticket, requester_number) = (TicketNumber(1), RequesterNumber(0));
    requester.send(AcknowledgeParts { ticket, requester: requester_number, delivery, through }).await;
}

over_both! {
    async fn the_outcome_comes_behind_the_last_part_and_parts_within_the_window(way) {
        let place = way.start(Broker::builder()).await;
        let (mut requester, mut service, _, token) = at_work(&place, 2).await;
        for (number, payload) in [(1, "a"), (2, "b"), (3, "c")] {
            assert_eq!(service.add_part(token, number, payload).await, Answer::PartKept);
        }
        service.reply(token, "all").await;
        part(&mut requester, 1, 1, "a").await;
        part(&mut requester, 1, 2, "b").await;
        requester.nothing_more().await;
        requester.send(PartsWindow { ticket: TicketNumber(1), more: 1 }).await;
        part(&mut requester, 1, 3, "c").await;
        let (_, payload) = next!(requester, Outcome);
        assert_eq!(payload, "all");

        assert_eq!(follow(&mut requester, 1, (1, 2), 9).await, (1, 3));
        part(&mut requester, 1, 3, "c").await;
        next!(requester, Outcome);
        requester.nothing_more().await;
    }

    async fn a_part_sent_again_is_the_same_part(way) {
        let place = way.start(Broker::builder()).await;
        let (mut requester, mut service, _, token) = at_work(&place, 9).await;
        assert_eq!(service.add_part(token, 2, "early").await, Answer::PartMissing { next: 1 });
        assert_eq!(service.add_part(token, 1, "a").await, Answer::PartKept);
        assert_eq!(service.add_part(token, 1, "a").await, Answer::PartKept);
        assert_eq!(service.add_part(token, 2, "b").await, Answer::PartKept);
        part(&mut requester, 1, 1, "a").await;
        part(&mut requester, 1, 2, "b").await;
        requester.nothing_more().await;
    }

    async fn a_full_room_answers_so_and_tells_when_there_is_some_again(way) {
        let place = way.start(Broker::builder().channel(orders().parts_room(10))).await;
        let (mut requester, mut service, _, token) = at_work(&place, 9).await;
        assert_eq!(service.add_part(token, 1, "a whole book").await, Answer::TooLarge { max_payload: 10 });
        assert_eq!(service.add_part(token, 1, "sixsix").await, Answer::PartKept);
        assert_eq!(service.add_part(token, 2, "sixsix").await, Answer::PartsFull);
        assert_eq!(service.renew(token).await, Answer::Renewed, "the delivery goes on");
        part(&mut requester, 1, 1, "sixsix").await;

        let mut stranger = place.requester("passer-by").await;
        stranger.attach(1, token.id).await;
        acknowledge(&mut stranger, 1, 1).await;
        stranger.nothing_more().await;
        service.nothing_more().await;

        acknowledge(&mut requester, 1, 1).await;
        let (room, _) = next!(service, PartsRoom);
        assert_eq!(room, PartsRoom { service: ServiceNumber(0), token });
        assert_eq!(service.add_part(token, 2, "sixsix").await, Answer::PartKept);
        part(&mut requester, 1, 2, "sixsix").await;
        service.nothing_more().await;
    }

    async fn a_new_delivery_voids_the_parts_before(way) {
        let place = way.start(Broker::builder().channel(orders())).await;
        let (mut requester, mut service, _, token) = at_work(&place, 9).await;
        service.add_part(token, 1, "lost").await;
        part(&mut requester, 1, 1, "lost").await;
        drop(service);
        let mut second = place.service(1).await;
        let (delivery, _) = next!(second, Delivery);
        assert_eq!(next!(requester, PartsFrom).0, PartsFrom { ticket: TicketNumber(1), delivery: 2, first: 1 });
        assert_eq!(second.add_part(token, 2, "stale").await, Answer::LeaseLost);
        assert_eq!(second.add_part(delivery.token, 1, "found").await, Answer::PartKept);
        part(&mut requester, 2, 1, "found").await;
        second.reply(delivery.token, "").await;
        next!(requester, Outcome);
        place.until(|figures| figures.stale == 1).await;
    }

    async fn parts_go_on_behind_the_last_one_over_another_connection(way) {
        let place = way.start(Broker::builder()).await;
        let (mut requester, mut service, id, token) = at_work(&place, 1).await;
        service.add_part(token, 1, "a").await;
        service.add_part(token, 2, "b").await;
        part(&mut requester, 1, 1, "a").await;
        drop(requester);
        let mut back = place.requester("ward").await;
        back.attach(4, id).await;
        assert_eq!(follow(&mut back, 4, (1, 1), 9).await, (1, 2));
        part(&mut back, 1, 2, "b").await;
        assert_eq!(follow(&mut back, 4, (7, 9), 9).await, (1, 1), "of a delivery that is not the latest it has none");
        part(&mut back, 1, 1, "a").await;
        part(&mut back, 1, 2, "b").await;
        service.reply(token, "").await;
        next!(back, Outcome);
    }

    async fn without_a_mailbox_the_oldest_parts_go_and_a_follower_is_told_the_first_that_is_kept(way) {
        let place = way.start(Broker::builder().channel(orders().parts_room(10))).await;
        let mut requester = place.requester("ward").await;
        let mut service = place.service(1).await;
        requester.send(Submit { reply: ReplyTo::Nowhere, ..submission(1, new_id()) }).await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        for (number, payload) in [(1, "five1"), (2, "five2"), (3, "five3"), (4, "five4")] {
            assert_eq!(service.add_part(delivery.token, number, payload).await, Answer::PartKept);
        }
        assert_eq!(follow(&mut requester, 1, (1, 1), 9).await, (1, 3));
        part(&mut requester, 1, 3, "five3").await;
        part(&mut requester, 1, 4, "five4").await;
        service.reply(delivery.token, "").await;
        next!(requester, Outcome);
    }

    async fn a_service_waits_no_longer_for_an_unnamed_requester_that_is_gone(way) {
        let place = way.start(Broker::builder().channel(orders().parts_room(10))).await;
        let mut requester = place.connect().await;
        requester.bind(0, "orders").await;
        requester.introduce(0, "tmp-1", true).await;
        let mut service = place.service(1).await;
        requester.submit(1, "").await;
        next!(requester, Accepted);
        let (delivery, _) = next!(service, Delivery);
        assert_eq!(service.add_part(delivery.token, 1, "sixsix").await, Answer::PartKept);
        assert_eq!(service.add_part(delivery.token, 2, "sixsix").await, Answer::PartsFull);
        requester.send(Goodbye { requester: RequesterNumber(0) }).await;
        next!(service, PartsRoom);
        assert_eq!(service.add_part(delivery.token, 2, "sixsix").await, Answer::PartKept);
    }

    async fn a_part_for_which_there_is_no_memory_is_busy(way) {
        let settings = orders().parts_room(10_000_000);
        let place = way.start(Broker::builder().memory(1_000_000).channel(settings)).await;
        let (_requester, mut service, _, token) = at_work(&place, 9).await;
        let answer = service.add_part(token, 1, vec![0; 2_000_000]).await;
        assert!(matches!(answer, Answer::MailboxBusy { retry_after_ms } if retry_after_ms > 0), "{answer:?}");
        assert_eq!(service.add_part(token, 1, "smaller").await, Answer::PartKept);
    }

    async fn a_number_that_stands_for_no_ticket_has_no_parts(way) {
        let place = way.start(Broker::builder()).await;
        let mut requester = place.requester("ward").await;
        requester.send(FollowParts { ticket: TicketNumber(1), delivery: 0, after: 0, window: 1 }).await;
        requester.send(PartsWindow { ticket: TicketNumber(1), more: 1 }).await;
        acknowledge(&mut requester, 1, 1).await;
        requester.nothing_more().await;
    }
}
