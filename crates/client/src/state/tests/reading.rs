//! Mailboxes: the window, the end, and what a ticket keeps back.

use super::*;

fn open(scene: &mut Scene, mode: OpenMode) -> (RequesterNumber, MailboxNumber) {
    let requester = scene.requester();
    let mailbox = scene.state.open_mailbox(requester, &reply_channel(), mode, 4);
    scene.hear(MailboxOpened { mailbox, opening: Opening::Opened });
    assert_eq!(scene.names(), ["Introduce", "OpenMailbox"]);
    (requester, mailbox)
}

fn is_reply(item: &Poll<MailboxItem>, number: u8) -> bool {
    matches!(item, Poll::Ready(MailboxItem::Reply { ticket, .. }) if ticket.id == id(number))
}

#[test]
fn the_window_is_given_back_as_replies_are_read() {
    let mut scene = Scene::connected();
    let (_, mailbox) = open(&mut scene, OpenMode::Take);
    (1..=3).for_each(|number| scene.hear(reply_in(mailbox, number)));
    assert!(scene.names().is_empty(), "nothing is read yet");
    assert!(is_reply(&scene.reply(mailbox), 1));
    assert!(is_reply(&scene.reply(mailbox), 2));
    assert_eq!(scene.next_sent(), Header::Window(Window { mailbox, more: 2 }));
    assert!(is_reply(&scene.reply(mailbox), 3));
    assert_eq!(scene.reply(mailbox), Poll::Pending);
}

#[test]
fn a_reader_learns_when_all_that_was_there_has_been_read() {
    let mut scene = Scene::connected();
    let (_, mailbox) = open(&mut scene, OpenMode::Follow);
    scene.hear(reply_in(mailbox, 1));
    scene.hear(CaughtUp { mailbox });
    let mut next = || scene.state.poll_reply(mailbox, true, Waker::noop());
    assert!(is_reply(&next(), 1));
    assert_eq!(next(), Poll::Ready(MailboxItem::CaughtUp));
}

#[test]
fn a_mailbox_that_was_taken_ends_and_is_not_opened_again() {
    let mut scene = Scene::connected();
    let (_, mailbox) = open(&mut scene, OpenMode::Take);
    scene.hear(MailboxClosed { mailbox, reason: MailboxEnd::Taken });
    assert_eq!(scene.reply(mailbox), Poll::Ready(MailboxItem::End(MailboxFailure::Taken)));
    scene.break_connection();
    scene.connect();
    assert!(scene.names().is_empty());
}

#[test]
fn after_a_broken_connection_a_mailbox_is_opened_if_free_and_brings_nothing_twice() {
    let mut scene = Scene::connected();
    let (_, mailbox) = open(&mut scene, OpenMode::Take);
    scene.hear(reply_in(mailbox, 1));
    scene.hear(reply_in(mailbox, 2));
    assert!(is_reply(&scene.reply(mailbox), 1));
    scene.break_connection();
    scene.connect();
    assert!(matches!(scene.next_sent(), Header::Introduce(_)));
    assert!(matches!(scene.next_sent(), Header::OpenMailbox(open) if open.mode == OpenMode::IfFree));
    scene.hear(MailboxOpened { mailbox, opening: Opening::Opened });
    scene.hear(reply_in(mailbox, 1));
    scene.hear(reply_in(mailbox, 2));
    assert!(is_reply(&scene.reply(mailbox), 2));
    assert_eq!(scene.reply(mailbox), Poll::Pending);
}

#[test]
fn a_follower_follows_again() {
    let mut scene = Scene::connected();
    open(&mut scene, OpenMode::Follow);
    scene.break_connection();
    scene.connect();
    scene.next_sent();
    assert!(matches!(scene.next_sent(), Header::OpenMailbox(open) if open.mode == OpenMode::Follow));
}

#[test]
fn a_mailbox_that_somebody_took_meanwhile_is_told_as_taken() {
    let mut scene = Scene::connected();
    let (_, mailbox) = open(&mut scene, OpenMode::Take);
    scene.break_connection();
    scene.connect();
    scene.hear(MailboxOpened { mailbox, opening: Opening::Held });
    assert_eq!(scene.reply(mailbox), Poll::Ready(MailboxItem::End(MailboxFailure::Taken)));
}

#[test]
fn a_mailbox_that_is_not_free_is_told_as_held() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let mailbox = scene.state.open_mailbox(requester, &reply_channel(), OpenMode::IfFree, 4);
    scene.hear(MailboxOpened { mailbox, opening: Opening::Held });
    assert_eq!(scene.state.poll_opened(mailbox, Waker::noop()), Poll::Ready(Err(MailboxFailure::Held)));
}

#[test]
fn one_mailbox_more_than_the_broker_allows_is_not_opened() {
    let mut scene = Scene::connected();
    let requester = scene.requester();
    let mut open = || scene.state.open_mailbox(requester, &reply_channel(), OpenMode::Follow, 4);
    let (first, last) = (open(), (0..4).map(|_| open()).last().unwrap());
    assert_eq!(scene.names(), ["Introduce", "OpenMailbox", "OpenMailbox", "OpenMailbox", "OpenMailbox"]);
    let too_many = MailboxFailure::TooManyOpen { limit: 4 };
    assert_eq!(scene.state.poll_opened(last, Waker::noop()), Poll::Ready(Err(too_many)));
    scene.state.release_mailbox(last);
    scene.state.release_mailbox(first);
    scene.hear(MailboxClosed { mailbox: first, reason: MailboxEnd::Closed });
    scene.frames();
    scene.state.open_mailbox(requester, &reply_channel(), OpenMode::Follow, 4);
    assert_eq!(scene.names(), ["OpenMailbox"]);
}

#[test]
fn a_dropped_reader_closes_the_mailbox() {
    let mut scene = Scene::connected();
    let (requester, mailbox) = open(&mut scene, OpenMode::Take);
    scene.state.release_mailbox(mailbox);
    scene.state.release_requester(requester);
    assert_eq!(scene.names(), ["CloseMailbox"]);
    scene.hear(reply_in(mailbox, 1));
    scene.hear(MailboxClosed { mailbox, reason: MailboxEnd::Closed });
    assert_eq!(scene.names(), ["Goodbye"]);
    assert!(scene.state.mailboxes.is_empty());
}

#[test]
fn a_reply_whose_ticket_is_alive_comes_from_the_mailbox_only_when_the_ticket_is_dropped() {
    let mut scene = Scene::connected();
    let (requester, mailbox) = open(&mut scene, OpenMode::Take);
    let held = scene.open_ticket(requester, 1);
    scene.hear(replied(held));
    scene.break_connection();
    scene.connect();
    scene.hear(MailboxOpened { mailbox, opening: Opening::Opened });
    scene.hear(reply_in(mailbox, 1));
    assert_eq!(scene.reply(mailbox), Poll::Pending);
    scene.state.release_ticket(held);
    assert!(is_reply(&scene.reply(mailbox), 1));
}

#[test]
fn a_reply_that_its_ticket_kept_back_comes_to_everybody_who_reads_the_mailbox() {
    let mut scene = Scene::connected();
    let (requester, first) = open(&mut scene, OpenMode::Take);
    let second = scene.state.open_mailbox(requester, &reply_channel(), OpenMode::Follow, 4);
    let held = scene.open_ticket(requester, 1);
    scene.hear(replied(held));
    for _ in 0..2 {
        scene.break_connection();
        scene.connect();
        for mailbox in [first, second] {
            scene.hear(MailboxOpened { mailbox, opening: Opening::Opened });
            scene.hear(reply_in(mailbox, 1));
            assert_eq!(scene.reply(mailbox), Poll::Pending);
        }
    }
    scene.state.release_ticket(held);
    for mailbox in [first, second] {
        assert!(is_reply(&scene.reply(mailbox), 1));
        assert_eq!(scene.reply(mailbox), Poll::Pending, "once");
    }
}

#[test]
fn a_reply_that_its_ticket_acknowledged_does_not_come_from_the_mailbox() {
    let mut scene = Scene::connected();
    let (requester, mailbox) = open(&mut scene, OpenMode::Take);
    let held = scene.open_ticket(requester, 1);
    scene.hear(replied(held));
    scene.break_connection();
    scene.connect();
    scene.hear(MailboxOpened { mailbox, opening: Opening::Opened });
    scene.hear(reply_in(mailbox, 1));
    scene.state.acknowledge_ticket(held);
    scene.state.release_ticket(held);
    assert_eq!(scene.reply(mailbox), Poll::Pending);
}
