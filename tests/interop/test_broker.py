"""Holds a running broker against docs/wire-v1.md, as a stranger would.

    ROUNDTRIP_BROKER=127.0.0.1:7420 python3 test_broker.py
"""

import os
import socket
import time
import unittest

import roundtrip_wire as wire

BROKER = os.environ.get("ROUNDTRIP_BROKER", "127.0.0.1:7420")
HANDSHAKE_EXPECTED, MALFORMED_FRAME, UNKNOWN_FRAME, UNEXPECTED_FRAME = 2, 3, 4, 5
FRAME_TOO_LARGE, SUPERSEDED, BAD_NUMBER, UNSUPPORTED_VERSION = 6, 7, 8, 1
INVALID, UNKNOWN_TICKET, KEY_CONFLICT = 7, 8, 12
LABEL = {"content_type": "text/plain", "headers": [["ward", "Süd"]]}


class Opening(unittest.TestCase):
    """The handshake, and what comes from somebody who has not read the page."""

    def test_the_broker_speaks_version_1(self):
        connection = connect(self)
        self.assertEqual(connection.welcome["version"], 1)
        self.assertEqual(connection.welcome["max_header"], 65_536)

    def test_the_highest_version_that_both_speak_is_agreed(self):
        connection = connect(self, lowest=1, highest=9)
        self.assertEqual(connection.welcome["version"], 1)

    def test_an_unknown_version_is_answered_with_the_versions_of_both_sides(self):
        hello = hello_frame(lowest=7, highest=9)
        error = only_answer_to(self, wire.write_frame("Hello", hello))
        self.assertEqual((error["code"], error["closes"]), (UNSUPPORTED_VERSION, True))
        for version in "179":
            self.assertIn(version, error["message"])

    def test_a_hello_with_fields_of_a_later_version_is_read(self):
        header = wire.FRAMES[1].write(hello_frame()) + b"later"
        stream = raw(self)
        stream.sendall(wire.write_raw(1, header))
        self.assertEqual(read_one(stream)[0], "Welcome")

    def test_another_first_frame_is_refused(self):
        error = only_answer_to(self, wire.write_frame("Ping", {"nonce": 1}))
        self.assertEqual((error["code"], error["closes"]), (HANDSHAKE_EXPECTED, True))

    def test_a_first_frame_with_a_payload_is_refused(self):
        error = only_answer_to(self, wire.write_frame("Hello", hello_frame(), b"x"))
        self.assertEqual((error["code"], error["closes"]), (FRAME_TOO_LARGE, True))

    def test_garbage_is_refused_and_harms_nobody_else(self):
        other = connect(self)
        error = only_answer_to(self, b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n")
        self.assertIn(error["code"], (MALFORMED_FRAME, FRAME_TOO_LARGE))
        self.assertTrue(error["closes"])
        self.assertTrue(alive(other))

    def test_a_later_connection_of_the_same_client_closes_the_earlier(self):
        first = connect(self, number=1)
        second = connect(self, instance=first.instance, number=2)
        with self.assertRaisesRegex(wire.WireError, f"error {SUPERSEDED}"):
            first.receive(10)
        self.assertTrue(alive(second))
        with self.assertRaisesRegex(wire.WireError, f"error {SUPERSEDED}"):
            connect(self, instance=first.instance, number=1)


class Growing(unittest.TestCase):
    """What one end does not know of the other's."""

    def test_an_unknown_frame_is_answered_and_the_connection_goes_on(self):
        connection = connect(self)
        connection.send_bytes(wire.write_raw(0xEE, b"header of a later version", b"and its payload"))
        error, _ = connection.expect("Error")
        self.assertEqual((error["code"], error["frame"], error["closes"]), (UNKNOWN_FRAME, 0xEE, False))
        self.assertTrue(alive(connection))

    def test_a_frame_that_the_broker_does_not_take_is_answered_and_the_connection_goes_on(self):
        connection = connect(self)
        connection.send("CaughtUp", {"mailbox": 1})
        error, _ = connection.expect("Error")
        self.assertEqual((error["code"], error["frame"], error["closes"]), (UNEXPECTED_FRAME, 0x36, False))
        self.assertTrue(alive(connection))

    def test_header_bytes_beyond_the_known_fields_are_skipped(self):
        connection = connect(self)
        connection.send_bytes(wire.write_raw(wire.TYPES["ListChannels"], wire.u32.write(5) + b"later"))
        channels, _ = connection.expect("Channels")
        self.assertEqual(channels["call"], 5)

    def test_a_header_that_is_cut_short_ends_the_connection_with_a_typed_error(self):
        connection = connect(self)
        connection.send_bytes(wire.write_raw(wire.TYPES["Bind"], b"\0\0"))
        with self.assertRaisesRegex(wire.WireError, f"error {MALFORMED_FRAME}"):
            connection.receive(10)

    def test_an_absurd_length_in_a_header_ends_the_connection_with_a_typed_error(self):
        connection = connect(self)
        connection.send_bytes(wire.write_raw(wire.TYPES["Bind"], wire.u32.write(0) + wire.u64.write(1 << 60)))
        with self.assertRaisesRegex(wire.WireError, f"error {MALFORMED_FRAME}"):
            connection.receive(10)

    def test_a_payload_over_the_connections_limit_ends_the_connection_before_it_is_sent(self):
        connection = connect(self)
        length = connection.welcome["max_payload"] + 1
        connection.send_bytes(wire.u32.write(4 + length) + b"\x10\0\0\0")
        with self.assertRaisesRegex(wire.WireError, f"error {FRAME_TOO_LARGE}"):
            connection.receive(10)

    def test_a_payload_where_none_belongs_ends_the_connection(self):
        connection = connect(self)
        connection.send("Ping", {"nonce": 1}, b"payload")
        with self.assertRaisesRegex(wire.WireError, f"error {MALFORMED_FRAME}"):
            connection.receive(10)

    def test_a_number_that_stands_for_nothing_ends_the_connection(self):
        connection = connect(self)
        connection.send("Subscribe", {"service": 0, "channel": 99, "credit": 1, "hold": "connection",
                                      "lease_ms": None})
        with self.assertRaisesRegex(wire.WireError, f"error {BAD_NUMBER}"):
            connection.receive(10)

    def test_a_frame_that_may_cross_the_end_of_its_number_does_nothing(self):
        connection = connect(self)
        connection.send("Detach", {"ticket": 99})
        connection.send("FollowParts", {"ticket": 99, "delivery": 0, "after": 0, "window": 1})
        connection.send("PartsWindow", {"ticket": 99, "more": 1})
        connection.send("Credit", {"service": 99, "credit": 1})
        connection.send("Window", {"mailbox": 99, "more": 1})
        connection.send("CloseMailbox", {"mailbox": 99})
        self.assertTrue(alive(connection))


class Requesting(unittest.TestCase):
    def test_a_request_goes_there_and_back(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        request_id = submit(requester, b"hello")
        requester.skip_to("Accepted")
        delivery, payload = service.skip_to("Delivery")
        self.assertEqual((delivery["token"]["id"], delivery["attempt"], payload), (request_id, 1, b"hello"))
        self.assertEqual((delivery["operation"], delivery["label"]), ("shout", LABEL))
        progress = {"fraction": 0.5, "stage": "shouting", "note": "Ü"}
        service.send("ProgressReport", {"channel": 0, "token": delivery["token"], "progress": progress})
        self.assertEqual(requester.skip_to("ProgressUpdate")[0], {"ticket": 0, "progress": progress})
        self.assertEqual(reply(service, delivery, b"HELLO"), "settled")
        outcome, payload = requester.skip_to("Outcome")
        self.assertEqual(outcome, {"ticket": 0, "attempts": 1, "ending": {"replied": LABEL}})
        self.assertEqual(payload, b"HELLO")
        self.assertEqual(acknowledge(requester, request_id), "done")
        self.assertEqual(acknowledge(requester, request_id), "done", "again")

    def test_the_same_settlement_repeated_is_settled_and_another_token_is_not(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        submit(requester, b"hello")
        delivery, _ = service.skip_to("Delivery")
        self.assertEqual(reply(service, delivery, b"HELLO"), "settled")
        self.assertEqual(reply(service, delivery, b"HELLO"), "settled")
        stale = {**delivery, "token": {**delivery["token"], "delivery": 77}}
        self.assertEqual(reply(service, stale, b"HELLO"), "lease_lost")
        self.assertEqual(figures_of(service, channel)["stale"], 1)

    def test_the_same_id_is_the_same_request(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        request_id = submit(requester, b"hello", ticket=0)
        submit(requester, b"hello", ticket=1, request_id=request_id)
        requester.skip_to("Accepted")
        requester.skip_to("Accepted")
        delivery, _ = service.skip_to("Delivery")
        self.assertEqual(reply(service, delivery, b"HELLO"), "settled")
        tickets = {requester.skip_to("Outcome")[0]["ticket"] for _ in range(2)}
        self.assertEqual(tickets, {0, 1})

    def test_the_same_id_under_another_name_is_refused(self):
        channel = new_channel()
        first, second = requesting(self, channel), requesting(self, channel)
        request_id = submit(first, b"hello")
        first.skip_to("Accepted")
        submit(second, b"hello", request_id=request_id)
        self.assertEqual(second.skip_to("Refused")[0]["refusal"]["code"], INVALID)

    def test_an_unknown_ticket_is_refused(self):
        connection = requesting(self, new_channel())
        connection.send("Attach", {"ticket": 0, "channel": 0, "id": wire.new_request_id()})
        self.assertEqual(connection.skip_to("Refused")[0]["refusal"]["code"], UNKNOWN_TICKET)

    def test_attaching_tells_the_state_and_then_the_outcome(self):
        channel = new_channel()
        requester, other = requesting(self, channel), requesting(self, channel)
        request_id = submit(requester, b"hello")
        requester.skip_to("Accepted")
        other.send("Attach", {"ticket": 4, "channel": 0, "id": request_id})
        self.assertEqual(other.skip_to("State")[0]["state"], "waiting")
        service = serving(self, channel)
        delivery, _ = service.skip_to("Delivery")
        reply(service, delivery, b"HELLO")
        self.assertEqual(other.skip_to("Outcome")[1], b"HELLO")
        other.send("Attach", {"ticket": 5, "channel": 0, "id": request_id})
        self.assertEqual(other.skip_to("State")[0]["state"], {"ended": "replied"})
        self.assertEqual(other.skip_to("Outcome")[0]["ticket"], 5)

    def test_a_final_failure_and_a_rejection_are_told(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        problem = {"code": "unknown_patient", "message": "No patient has this id."}
        submit(requester, b"a", ticket=0)
        delivery, _ = service.skip_to("Delivery")
        settle(service, delivery, {"fail": {"problem": problem, "content_type": "text/plain"}}, b"typed")
        outcome, payload = requester.skip_to("Outcome")
        self.assertEqual(outcome["ending"], {"failed": {"problem": problem, "content_type": "text/plain"}})
        self.assertEqual(payload, b"typed")
        submit(requester, b"b", ticket=1)
        delivery, _ = service.skip_to("Delivery")
        settle(service, delivery, {"reject": problem})
        self.assertEqual(requester.skip_to("Outcome")[0]["ending"], {"dead": {"reason": "rejected", "last": problem}})

    def test_a_service_without_credit_is_given_nothing(self):
        channel = new_channel()
        service, requester = serving(self, channel, credit=0), requesting(self, channel)
        submit(requester, b"hello")
        requester.skip_to("Accepted")
        self.assertTrue(alive(service), "and the answer comes before any delivery")
        service.send("Credit", {"service": 0, "credit": 1})
        service.expect("Delivery")

    def test_what_is_released_comes_back_and_does_not_count(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        submit(requester, b"hello")
        delivery, _ = service.skip_to("Delivery")
        self.assertEqual(settle(service, delivery, "release"), "settled")
        again, _ = service.skip_to("Delivery")
        self.assertEqual((again["token"]["delivery"], again["attempt"]), (2, 1))

    def test_a_service_may_wish_for_a_lease_and_is_told_the_one_it_has(self):
        service = serving(self, new_channel(), credit=0)
        for wish, lease in [(5_000, 5_000), (1 << 40, 3_600_000)]:
            unsubscribe(service)
            subscribe(service, lease_ms=wish)
            self.assertEqual(service.skip_to("Subscribed")[0]["lease_ms"], lease)
        unsubscribe(service)
        subscribe(service, lease_ms=0)
        self.assertEqual(service.skip_to("Unsubscribed")[0]["refusal"]["code"], INVALID)

    def test_the_channels_are_listed_with_their_figures(self):
        channel = new_channel()
        requester = requesting(self, channel)
        submit(requester, b"hello")
        requester.skip_to("Accepted")
        requester.send("ListChannels", {"call": 8})
        figures, more = [], True
        while more:
            part, _ = requester.skip_to("Channels")
            figures, more = figures + part["channels"], part["more"]
        self.assertEqual([it["channel"] for it in figures], sorted(it["channel"] for it in figures))
        mine = {"channel": channel, "waiting": 1, "scheduled": 0, "in_flight": 0, "services": 0, "retained": 0,
                "dead": 0, "paused_ms": 0, "stale": 0}
        found = next(it for it in figures if it["channel"] == channel)
        self.assertGreaterEqual(found.pop("oldest_ms"), 0)
        self.assertEqual(found, mine)


class Limits(unittest.TestCase):
    """Deadlines, delays, priorities, keys, and requests without a reply."""

    def test_at_its_deadline_a_waiting_request_expires(self):
        requester = requesting(self, new_channel())
        request_id = submit(requester, b"hello", deadline_ms=1)
        self.assertEqual(requester.skip_to("Outcome")[0], {"ticket": 0, "attempts": 0, "ending": "expired"})
        state = attach(requester, request_id, ticket=1)
        self.assertEqual((state["state"], state["remaining_ms"]), ({"ended": "expired"}, None))

    def test_at_its_deadline_a_service_is_told_to_stop_and_cannot_settle(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        submit(requester, b"hello", deadline_ms=500)
        delivery, _ = service.skip_to("Delivery")
        self.assertLessEqual(delivery["remaining_ms"], 500)
        self.assertEqual(requester.skip_to("Outcome")[0], {"ticket": 0, "attempts": 1, "ending": "expired"})
        stop, _ = service.skip_to("Stop")
        self.assertEqual(stop, {"service": 0, "token": delivery["token"], "reason": "expired"})
        self.assertEqual(reply(service, delivery, b"late"), "expired")
        submit(requester, b"again", ticket=1)
        self.assertEqual(service.skip_to("Delivery")[1], b"again", "the settlement said that it has stopped")

    def test_a_request_without_a_deadline_has_the_channels(self):
        channel = new_channel()
        requester = requesting(self, channel)
        request_id = submit(requester, b"hello")
        requester.skip_to("Accepted")
        self.assertGreater(attach(requester, request_id, ticket=1)["remaining_ms"], 0)

    def test_limits_that_contradict_the_page_are_refused(self):
        requester = requesting(self, new_channel())
        for limits in [{"priority": 10}, {"deadline_ms": 0}, {"deadline_ms": 5, "delay_ms": 5}, {"key": ""},
                       {"key": "k" * 257}]:
            with self.subTest(limits):
                submit(requester, b"hello", **limits)
                self.assertEqual(requester.skip_to("Refused")[0]["refusal"]["code"], INVALID)

    def test_a_delayed_request_is_scheduled_until_its_delay_is_over(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        scheduled = submit(requester, b"tomorrow", ticket=0, delay_ms=60_000)
        requester.skip_to("Accepted")
        state = attach(requester, scheduled, ticket=1)["state"]
        self.assertTrue(0 < state["scheduled"]["in_ms"] <= 60_000, state)
        submit(requester, b"soon", ticket=2, delay_ms=1)
        self.assertEqual(service.skip_to("Delivery")[1], b"soon")

    def test_the_highest_priority_goes_first_and_the_state_says_how_many_are_ahead(self):
        channel = new_channel()
        requester = requesting(self, channel)
        ids = [submit(requester, b"", ticket=ticket, priority=priority)
               for ticket, priority in enumerate([0, 4, 9, 4])]
        for _ in ids:
            requester.skip_to("Accepted")
        ahead = [attach(requester, request_id, ticket=9 + at)["ahead"] for at, request_id in enumerate(ids)]
        self.assertEqual(ahead[:3], [3, 1, 0])
        self.assertGreater(ahead[3], ahead[1], "about how many")
        service = serving(self, channel, credit=4)
        order = [service.skip_to("Delivery")[0]["token"]["id"] for _ in ids]
        self.assertEqual(order, [ids[2], ids[1], ids[3], ids[0]])

    def test_the_same_key_is_the_same_request_and_its_ticket_stands_for_the_first(self):
        channel, name, key = new_channel(), new_name(), os.urandom(6).hex()
        service, requester = serving(self, channel, credit=2), requesting(self, channel, name)
        first = submit(requester, b"hello", ticket=0, key=key)
        self.assertIsNone(requester.skip_to("Accepted")[0]["duplicate"])
        again = requesting(self, channel, name)
        submit(again, b"hello", ticket=5, key=key, priority=9)
        duplicate = {"id": first, "requester": name, "reply_channel": f"{channel}_reply"}
        self.assertEqual(again.skip_to("Accepted")[0]["duplicate"], duplicate)
        delivery, _ = service.skip_to("Delivery")
        self.assertEqual(reply(service, delivery, b"HELLO"), "settled")
        self.assertEqual(again.skip_to("Outcome")[0]["ticket"], 5)
        self.assertEqual(acknowledge(again, first), "done")
        self.assertEqual(attach(again, first, ticket=6)["state"], {"ended": "replied"}, "the key keeps it readable")
        again.skip_to("Outcome")
        self.assertTrue(alive(service), "and nothing else was delivered")

    def test_the_same_key_for_something_else_is_refused(self):
        requester, key = requesting(self, new_channel()), os.urandom(6).hex()
        submit(requester, b"hello", ticket=0, key=key)
        requester.skip_to("Accepted")
        for other in [{"operation": "whisper"}, {"label": {"content_type": "text/html", "headers": []}}, {}]:
            submit(requester, b"hello" if other else b"goodbye", ticket=1, key=key, **other)
            self.assertEqual(requester.skip_to("Refused")[0]["refusal"]["code"], KEY_CONFLICT)
        headers = {"content_type": LABEL["content_type"], "headers": [["traceparent", "another"]]}
        submit(requester, b"hello", ticket=2, key=key, label=headers)
        self.assertIsNotNone(requester.skip_to("Accepted")[0]["duplicate"], "headers do not count")

    def test_a_key_belongs_to_its_requester(self):
        channel, key = new_channel(), os.urandom(6).hex()
        for requester in [requesting(self, channel), requesting(self, channel)]:
            submit(requester, b"hello", key=key)
            self.assertIsNone(requester.skip_to("Accepted")[0]["duplicate"])

    def test_a_one_way_request_has_its_outcome_under_its_ticket_and_in_no_mailbox(self):
        channel, name = new_channel(), new_name()
        service, requester = serving(self, channel), requesting(self, channel, name)
        request_id = submit(requester, b"hello", reply="nowhere")
        delivery, _ = service.skip_to("Delivery")
        self.assertEqual(reply(service, delivery, b"HELLO"), "settled")
        requester.skip_to("Outcome")
        self.assertEqual(opened(requester, channel), "opened")
        requester.expect("CaughtUp")
        other = requesting(self, channel)
        self.assertEqual(attach(other, request_id, ticket=0)["state"], {"ended": "replied"})
        self.assertEqual(other.skip_to("Outcome")[1], b"HELLO")
        self.assertEqual(acknowledge(other, request_id), "done", "by anybody")


class Cancelling(unittest.TestCase):
    def test_a_waiting_request_is_cancelled_by_anybody_and_once(self):
        channel = new_channel()
        requester, other = requesting(self, channel), requesting(self, channel)
        request_id = submit(requester, b"hello")
        requester.skip_to("Accepted")
        self.assertEqual(cancel(other, request_id), "cancelled")
        self.assertEqual(requester.skip_to("Outcome")[0], {"ticket": 0, "attempts": 0, "ending": "cancelled"})
        self.assertEqual(cancel(other, request_id), {"ended": "cancelled"})
        service = serving(self, channel)
        self.assertTrue(alive(service), "and it is not delivered")

    def test_an_unknown_ticket_cannot_be_cancelled_nor_one_with_an_outcome(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        self.assertEqual(cancel(requester, wire.new_request_id()), "unknown_ticket")
        request_id = submit(requester, b"hello")
        delivery, _ = service.skip_to("Delivery")
        reply(service, delivery, b"HELLO")
        self.assertEqual(cancel(requester, request_id), {"ended": "replied"})

    def test_a_service_at_work_keeps_its_place_until_it_says_that_it_has_stopped(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        request_id = submit(requester, b"hello", ticket=0)
        delivery, _ = service.skip_to("Delivery")
        self.assertEqual(cancel(requester, request_id), "cancelled")
        self.assertEqual(service.expect("Stop")[0], {"service": 0, "token": delivery["token"], "reason": "cancelled"})
        submit(requester, b"next", ticket=1)
        requester.skip_to("Accepted")
        self.assertTrue(alive(service), "its credit is still used")
        service.send("Renew", {"call": 1, "channel": 0, "token": delivery["token"]})
        self.assertEqual(service.expect("Answered")[0]["answer"], "cancelled")
        stopped(service, delivery)
        self.assertEqual(service.expect("Delivery")[1], b"next")

    def test_a_settlement_that_crosses_the_cancellation_counts_as_stopped(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        request_id = submit(requester, b"hello", ticket=0)
        delivery, _ = service.skip_to("Delivery")
        cancel(requester, request_id)
        self.assertEqual(reply(service, delivery, b"HELLO"), "cancelled")
        self.assertEqual(reply(service, delivery, b"HELLO"), "lease_lost")
        submit(requester, b"next", ticket=1)
        self.assertEqual(service.skip_to("Delivery")[1], b"next")


class Parts(unittest.TestCase):
    def begun(self, window=8, **limits):
        """A service with a delivery, and the requester, who follows its parts."""
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        request_id = submit(requester, b"hello", **limits)
        delivery, _ = service.skip_to("Delivery")
        self.assertEqual(follow_parts(requester, window=window), (1, 1))
        return channel, service, requester, request_id, delivery

    def test_parts_come_in_order_and_the_outcome_behind_the_last(self):
        _, service, requester, _, delivery = self.begun()
        for number, payload in enumerate([b"one", b"two", b"three"], 1):
            self.assertEqual(add_part(service, delivery, number, payload), "part_kept")
        self.assertEqual(reply(service, delivery, b"HELLO"), "settled")
        for number, payload in enumerate([b"one", b"two", b"three"], 1):
            self.assertEqual(next_part(requester), (1, number, payload))
        self.assertEqual(requester.expect("Outcome")[1], b"HELLO")

    def test_no_more_parts_come_than_the_window_allows_and_the_outcome_waits_behind_them(self):
        _, service, requester, _, delivery = self.begun(window=1)
        for number in (1, 2):
            add_part(service, delivery, number, b"part")
        reply(service, delivery, b"HELLO")
        self.assertEqual(next_part(requester)[1], 1)
        self.assertTrue(alive(requester), "and nothing else came")
        requester.send("PartsWindow", {"ticket": 0, "more": 1})
        self.assertEqual(next_part(requester)[1], 2)
        self.assertEqual(requester.expect("Outcome")[1], b"HELLO")

    def test_a_part_sent_again_is_the_same_and_a_number_that_is_missing_is_told(self):
        _, service, requester, _, delivery = self.begun()
        self.assertEqual(add_part(service, delivery, 0, b"none"), "invalid")
        self.assertEqual(add_part(service, delivery, 2, b"two"), {"part_missing": {"next": 1}})
        self.assertEqual(add_part(service, delivery, 1, b"one"), "part_kept")
        self.assertEqual(add_part(service, delivery, 1, b"one"), "part_kept")
        self.assertEqual(add_part(service, delivery, 2, b"two"), "part_kept")
        self.assertEqual([next_part(requester)[1:] for _ in range(2)], [(1, b"one"), (2, b"two")])
        stale = {**delivery, "token": {**delivery["token"], "delivery": 9}}
        self.assertEqual(add_part(service, stale, 1, b"stale"), "lease_lost")

    def test_who_comes_later_is_sent_what_is_kept_from_the_place_that_it_names(self):
        channel, service, requester, request_id, delivery = self.begun()
        for number in (1, 2, 3):
            add_part(service, delivery, number, b"part")
        reply(service, delivery, b"HELLO")
        other = requesting(self, channel)
        attach(other, request_id, ticket=0)
        self.assertEqual(other.expect("Outcome")[1], b"HELLO")
        self.assertEqual(follow_parts(other, delivery=1, after=1), (1, 2))
        self.assertEqual([next_part(other)[1] for _ in range(2)], [2, 3])
        self.assertEqual(other.expect("Outcome")[1], b"HELLO", "again, behind the last part")

    def test_acknowledged_parts_are_gone_and_who_asks_is_told_the_first_number_still_kept(self):
        channel, service, requester, request_id, delivery = self.begun()
        for number in (1, 2, 3):
            add_part(service, delivery, number, b"part")
        other = requesting(self, channel)
        attach(other, request_id, ticket=0)
        for asker in (other, requester):  # another name acknowledges nothing
            asker.send("AcknowledgeParts", {"ticket": 0, "requester": 0, "delivery": 1, "through": 2})
            self.assertEqual(follow_parts(asker), (1, 1 if asker is other else 3))
        self.assertEqual(next_part(requester)[1], 3)

    def test_a_new_delivery_begins_again_at_1(self):
        _, service, requester, _, delivery = self.begun()
        add_part(service, delivery, 1, b"void")
        self.assertEqual(next_part(requester), (1, 1, b"void"))
        settle(service, delivery, "release")
        again, _ = service.skip_to("Delivery")
        self.assertEqual(requester.skip_to("PartsFrom")[0], {"ticket": 0, "delivery": 2, "first": 1})
        self.assertEqual(add_part(service, again, 1, b"one"), "part_kept")
        self.assertEqual(next_part(requester), (2, 1, b"one"))

    def test_a_delivery_that_is_taken_back_goes_on_with_its_parts(self):
        channel, service, requester, _, delivery = self.begun()
        add_part(service, delivery, 1, b"one")
        service.cut()
        service = connect(self, instance=service.instance, number=2)
        service.send("Bind", {"number": 0, "channel": channel})
        service.send("TakeBack", {"call": 1, "service": 0, "channel": 0, "token": delivery["token"]})
        self.assertEqual(service.skip_to("Answered")[0]["answer"], "taken_back")
        self.assertEqual(add_part(service, delivery, 1, b"one"), "part_kept")
        self.assertEqual(add_part(service, delivery, 2, b"two"), "part_kept")
        self.assertEqual([next_part(requester) for _ in range(2)], [(1, 1, b"one"), (1, 2, b"two")])

    def test_parts_fill_their_room_until_they_are_acknowledged(self):
        _, service, requester, _, delivery = self.begun(window=0)
        payload, number, answer = bytes(64 * 1024), 0, "part_kept"
        while answer == "part_kept":
            number += 1
            answer = add_part(service, delivery, number, payload)
        self.assertEqual(answer, "parts_full")
        requester.send("AcknowledgeParts", {"ticket": 0, "requester": 0, "delivery": 1, "through": 1})
        room, _ = service.skip_to("PartsRoom")
        self.assertEqual(room, {"service": 0, "token": delivery["token"]})
        self.assertEqual(add_part(service, delivery, number, payload), "part_kept")

    def test_of_a_one_way_request_the_oldest_parts_go_instead(self):
        _, service, requester, _, delivery = self.begun(window=0, reply="nowhere")
        payload = bytes(64 * 1024)
        number, first = 0, 1
        while first == 1:
            number += 1
            self.assertEqual(add_part(service, delivery, number, payload), "part_kept")
            _, first = follow_parts(requester, window=0)
        self.assertLess(first, number)


class Throttling(unittest.TestCase):
    def test_a_throttled_request_is_not_counted_and_the_channel_pauses(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        submit(requester, b"hello")
        delivery, _ = service.skip_to("Delivery")
        begun = time.monotonic()
        self.assertEqual(settle(service, delivery, {"throttle": {"retry_after_ms": 300}}), "settled")
        again, _ = service.skip_to("Delivery")
        self.assertGreaterEqual(time.monotonic() - begun, 0.29)
        self.assertEqual((again["token"]["delivery"], again["attempt"]), (2, 1))

    def test_the_pause_holds_for_every_service_and_the_figures_tell_it(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        submit(requester, b"hello")
        delivery, _ = service.skip_to("Delivery")
        settle(service, delivery, {"throttle": {"retry_after_ms": 60_000}})
        other = serving(self, channel)
        self.assertTrue(alive(other), "and nothing was delivered")
        figures = figures_of(other, channel)
        self.assertEqual((figures["waiting"], figures["in_flight"]), (1, 0))
        self.assertTrue(0 < figures["paused_ms"] <= 60_000, figures)


class DeadLetters(unittest.TestCase):
    PROBLEM = {"code": "unknown_patient", "message": "No patient has this id."}

    def rejected(self, channel, name=None, payload=b"hello", **limits):
        """A request that died, and the parties of it."""
        service, requester = serving(self, channel), requesting(self, channel, name)
        request_id = submit(requester, payload, **limits)
        delivery, _ = service.skip_to("Delivery")
        self.assertEqual(settle(service, delivery, {"reject": self.PROBLEM}), "settled")
        requester.skip_to("Outcome")
        return service, requester, request_id

    def test_what_died_is_kept_whole(self):
        channel, name = new_channel(), new_name()
        _, requester, request_id = self.rejected(channel, name)
        self.assertEqual(list_dead_letters(requester), ([request_id], False))
        letter, payload = of_dead_letter(requester, "ReadDeadLetter", "DeadLetter", request_id)
        letter = letter["letter"]
        self.assertEqual((letter["reply_channel"], letter["label"], payload), (f"{channel}_reply", LABEL, b"hello"))
        entry = letter["entry"]
        self.assertGreaterEqual(entry.pop("accepted_ms_ago"), entry.pop("died_ms_ago"))
        self.assertEqual(entry, {"id": request_id, "operation": "shout", "requester": name, "reason": "rejected",
                                 "attempts": 1, "deliveries": 1, "bytes": 5, "last": self.PROBLEM})
        self.assertEqual(figures_of(requester, channel)["dead"], 1)

    def test_they_are_listed_in_pages_the_oldest_first(self):
        channel = new_channel()
        ids = []
        for _ in range(3):
            service, requester, request_id = self.rejected(channel)
            ids.append(request_id)
            service.close()
        self.assertEqual(list_dead_letters(requester, most=2), (ids[:2], True))
        self.assertEqual(list_dead_letters(requester, after=ids[1], most=2), (ids[2:], False))

    def test_one_is_redriven_as_a_new_request_that_names_it(self):
        channel, name = new_channel(), new_name()
        service, requester, request_id = self.rejected(channel, name, priority=7)
        self.assertEqual(acknowledge(requester, request_id), "done", "the outcome goes, the letter stays")
        redriven, _ = of_dead_letter(requester, "RedriveDeadLetter", "Redriven", request_id)
        new_id = redriven["result"]["accepted"]
        self.assertNotEqual(new_id, request_id)
        delivery, payload = service.skip_to("Delivery")
        self.assertEqual((delivery["token"]["id"], delivery["attempt"], payload), (new_id, 1, b"hello"))
        self.assertEqual((delivery["redrive_of"], delivery["requester"]), (request_id, name))
        self.assertEqual(attach(requester, new_id, ticket=3)["redrive_of"], request_id)
        requester.send("Detach", {"ticket": 3})
        self.assertEqual(reply(service, delivery, b"HELLO"), "settled")
        self.assertEqual(opened(requester, channel), "opened")
        fields, payload = requester.skip_to("Reply")
        self.assertEqual((fields["id"], fields["redrive_of"], payload), (new_id, request_id, b"HELLO"))
        again, _ = of_dead_letter(requester, "RedriveDeadLetter", "Redriven", request_id)
        self.assertEqual(again["result"], "unknown")
        self.assertEqual(list_dead_letters(requester), ([], False))

    def test_one_is_purged_and_its_outcome_stays(self):
        _, requester, request_id = self.rejected(new_channel())
        for was_there in (True, False):
            purged, _ = of_dead_letter(requester, "PurgeDeadLetter", "Purged", request_id)
            self.assertEqual(purged["was_there"], was_there)
        letter, payload = of_dead_letter(requester, "ReadDeadLetter", "DeadLetter", request_id)
        self.assertEqual((letter["letter"], payload), (None, b""))
        self.assertEqual(attach(requester, request_id, ticket=1)["state"], {"ended": "dead"})


class Returning(unittest.TestCase):
    """After a broken connection."""

    def test_a_service_takes_its_delivery_back(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        submit(requester, b"hello")
        delivery, _ = service.skip_to("Delivery")
        service.cut()
        service = connect(self, instance=service.instance, number=2)
        service.send("Bind", {"number": 0, "channel": channel})
        service.send("TakeBack", {"call": 1, "service": 0, "channel": 0, "token": delivery["token"]})
        self.assertEqual(service.skip_to("Answered")[0]["answer"], "taken_back")
        subscribe(service)
        self.assertEqual(reply(service, delivery, b"HELLO"), "settled")
        self.assertEqual(requester.skip_to("Outcome")[0]["attempts"], 1)

    def test_nobody_else_takes_it_back_and_the_next_attempt_is_another_delivery(self):
        channel = new_channel()
        service, requester = serving(self, channel), requesting(self, channel)
        submit(requester, b"hello")
        delivery, _ = service.skip_to("Delivery")
        service.cut()
        other = serving(self, channel)
        other.send("TakeBack", {"call": 1, "service": 3, "channel": 0, "token": delivery["token"]})
        self.assertEqual(other.skip_to("Answered")[0]["answer"], "lease_lost")
        again, _ = other.skip_to("Delivery")
        self.assertEqual((again["token"]["delivery"], again["attempt"]), (2, 2))
        self.assertEqual(reply(other, delivery, b"late"), "lease_lost")
        self.assertEqual(reply(other, again, b"HELLO"), "settled")
        self.assertEqual(requester.skip_to("Outcome")[1], b"HELLO")

    def test_a_delivery_held_by_lease_outlives_its_connection(self):
        channel = new_channel()
        service, requester = serving(self, channel, hold="lease"), requesting(self, channel)
        submit(requester, b"hello")
        delivery, _ = service.skip_to("Delivery")
        service.cut()
        other = connect(self)
        other.send("Bind", {"number": 0, "channel": channel})
        other.send("Renew", {"call": 2, "channel": 0, "token": delivery["token"]})
        self.assertEqual(other.skip_to("Answered")[0], {"call": 2, "answer": "renewed"})
        self.assertEqual(reply(other, delivery, b"HELLO"), "settled")

    def test_a_submission_sent_again_over_a_new_connection_is_the_same_request(self):
        channel, name = new_channel(), new_name()
        requester = requesting(self, channel, name)
        request_id = submit(requester, b"hello")
        requester.skip_to("Accepted")
        requester.cut()
        service = serving(self, channel)
        delivery, _ = service.skip_to("Delivery")
        reply(service, delivery, b"HELLO")
        requester = requesting(self, channel, name)
        submit(requester, b"hello", request_id=request_id)
        requester.skip_to("Accepted")
        self.assertEqual(requester.skip_to("Outcome")[1], b"HELLO")


class Mailboxes(unittest.TestCase):
    def test_an_outcome_waits_in_the_mailbox_until_it_is_acknowledged(self):
        channel, name = new_channel(), new_name()
        request_id = self.answered(channel, name)
        for _ in range(2):  # reading acknowledges nothing
            reader = requesting(self, channel, name)
            self.assertEqual(opened(reader, channel), "opened")
            fields, payload = reader.skip_to("Reply")
            self.assertEqual((fields["channel"], fields["id"], payload), (channel, request_id, b"HELLO"))
            reader.skip_to("CaughtUp")
            reader.close()
        reader = requesting(self, channel, name)
        self.assertEqual(acknowledge(reader, request_id), "done")
        self.assertEqual(opened(reader, channel), "opened")
        self.assertNotIn("Reply", self.until_caught_up(reader))

    def test_one_holds_it_and_others_follow(self):
        channel, name = new_channel(), new_name()
        self.answered(channel, name)
        holder, other = requesting(self, channel, name), requesting(self, channel, name)
        self.assertEqual(opened(holder, channel, "take"), "opened")
        self.assertEqual(opened(other, channel, "if_free", mailbox=1), "held")
        self.assertEqual(opened(other, channel, "follow", mailbox=1), "opened")
        self.assertEqual(other.skip_to("Reply")[1], b"HELLO")
        self.assertEqual(opened(other, channel, "take", mailbox=2), "opened")
        self.assertEqual(holder.skip_to("MailboxClosed")[0]["reason"], "taken")

    def test_no_more_replies_come_than_the_window_allows(self):
        channel, name = new_channel(), new_name()
        self.answered(channel, name)
        self.answered(channel, name)
        reader = requesting(self, channel, name)
        self.assertEqual(opened(reader, channel, window=1), "opened")
        reader.expect("Reply")
        self.assertTrue(alive(reader), "and the answer comes before any other reply")
        reader.send("Window", {"mailbox": 0, "more": 1})
        reader.expect("Reply")
        reader.expect("CaughtUp")
        reader.send("CloseMailbox", {"mailbox": 0})
        self.assertEqual(reader.expect("MailboxClosed")[0]["reason"], "closed")

    def test_what_a_connection_follows_itself_comes_to_its_mailbox_after_detach(self):
        channel, name = new_channel(), new_name()
        service, requester = serving(self, channel), requesting(self, channel, name)
        self.assertEqual(opened(requester, channel), "opened")
        requester.skip_to("CaughtUp")
        submit(requester, b"hello")
        delivery, _ = service.skip_to("Delivery")
        reply(service, delivery, b"HELLO")
        requester.skip_to("Outcome")
        self.assertTrue(alive(requester), "and no reply came before")
        requester.send("Detach", {"ticket": 0})
        self.assertEqual(requester.skip_to("Reply")[1], b"HELLO")

    def answered(self, channel, name):
        """A request of this requester that was replied to, on connections that are closed again."""
        service, requester = serving(self, channel), requesting(self, channel, name)
        request_id = submit(requester, b"hello")
        delivery, _ = service.skip_to("Delivery")
        self.assertEqual(reply(service, delivery, b"HELLO"), "settled")
        service.close()
        requester.skip_to("Outcome")
        requester.close()
        return request_id

    def until_caught_up(self, reader):
        seen = []
        while "CaughtUp" not in seen:
            seen.append(reader.receive(10)[0])
        return seen


# ---------------------------------------------------------------------------------------------------------------------


def connect(test, **hello):
    connection = wire.Connection(BROKER, "test_broker.py", **hello)
    test.addCleanup(connection.cut)
    return connection


def requesting(test, channel, name=None):
    connection = connect(test)
    connection.send("Bind", {"number": 0, "channel": channel})
    connection.send("Introduce", {"number": 0, "requester": name or new_name(), "unnamed": False})
    connection.expect("Bound")
    return connection


def serving(test, channel, credit=1, hold="connection"):
    connection = connect(test)
    connection.send("Bind", {"number": 0, "channel": channel})
    subscribe(connection, credit, hold)
    connection.expect("Bound")
    connection.expect("Subscribed")
    return connection


def subscribe(connection, credit=1, hold="connection", lease_ms=None):
    fields = {"service": 0, "channel": 0, "credit": credit, "hold": hold, "lease_ms": lease_ms}
    connection.send("Subscribe", fields)


def unsubscribe(connection):
    connection.send("Unsubscribe", {"service": 0})
    connection.skip_to("Unsubscribed")


def submit(connection, payload, ticket=0, request_id=None, **limits):
    request_id = request_id or wire.new_request_id()
    fields = {"ticket": ticket, "channel": 0, "id": request_id, "requester": 0, "reply": "own", "accepted": True, "priority": 4,
              "deadline_ms": None, "delay_ms": 0, "key": None, "operation": "shout", "label": LABEL}
    connection.send("Submit", {**fields, **limits}, payload)
    return request_id


def attach(connection, request_id, ticket):
    """The state of a request, which is followed under this number from here on."""
    connection.send("Attach", {"ticket": ticket, "channel": 0, "id": request_id})
    return connection.skip_to("State")[0]


def cancel(connection, request_id):
    connection.send("Cancel", {"call": 2, "channel": 0, "id": request_id})
    return connection.skip_to("Cancelled")[0]["result"]


def follow_parts(connection, delivery=0, after=0, window=8, ticket=0):
    """From which delivery and number on parts come."""
    connection.send("FollowParts", {"ticket": ticket, "delivery": delivery, "after": after, "window": window})
    start, _ = connection.skip_to("PartsFrom")
    return start["delivery"], start["first"]


def add_part(connection, delivery, number, payload):
    fields = {"call": 3, "channel": 0, "token": delivery["token"], "number": number, "label": LABEL}
    connection.send("AddPart", fields, payload)
    return connection.skip_to("Answered")[0]["answer"]


def next_part(connection):
    """Delivery, number and payload of the next part, whatever stands before it."""
    fields, payload = connection.skip_to("Part")
    return fields["delivery"], fields["number"], payload


def stopped(connection, delivery):
    connection.send("Stopped", {"channel": 0, "token": delivery["token"]})


def of_dead_letter(connection, question, answer, request_id):
    connection.send(question, {"call": 4, "channel": 0, "id": request_id})
    return connection.skip_to(answer)


def list_dead_letters(connection, after=None, most=100):
    connection.send("ListDeadLetters", {"call": 4, "channel": 0, "after": after, "most": most})
    letters, _ = connection.skip_to("DeadLetters")
    return [letter["id"] for letter in letters["letters"]], letters["more"]


def settle(connection, delivery, settlement, payload=b""):
    fields = {"call": 1, "channel": 0, "token": delivery["token"], "settlement": settlement}
    connection.send("Settle", fields, payload)
    return connection.skip_to("Answered")[0]["answer"]


def reply(connection, delivery, payload):
    return settle(connection, delivery, {"reply": LABEL}, payload)


def acknowledge(connection, request_id):
    connection.send("Acknowledge", {"call": 1, "channel": 0, "id": request_id, "requester": 0, "ticket": None})
    return connection.skip_to("Acknowledged")[0]["result"]


def opened(connection, channel, mode="take", window=8, mailbox=0):
    fields = {"mailbox": mailbox, "requester": 0, "reply_channel": f"{channel}_reply", "mode": mode, "window": window}
    connection.send("OpenMailbox", fields)
    return connection.skip_to("MailboxOpened")[0]["opening"]


def alive(connection):
    """Whether the broker still answers, and had nothing to say before."""
    connection.send("ListChannels", {"call": 77})
    channels, _ = connection.expect("Channels")
    more = channels["more"]
    while more:
        more = connection.expect("Channels")[0]["more"]
    return channels["call"] == 77


def figures_of(connection, channel):
    connection.send("ListChannels", {"call": 78})
    more = True
    while more:
        part, _ = connection.skip_to("Channels")
        found, more = [it for it in part["channels"] if it["channel"] == channel], part["more"]
        if found:
            figures = found[0]
    return figures


def new_channel():
    return f"python.{os.urandom(6).hex()}"


def new_name():
    return f"python-{os.urandom(6).hex()}"


def hello_frame(lowest=1, highest=1):
    return {"lowest": lowest, "highest": highest, "software": "test_broker.py", "instance": os.urandom(16).hex(),
            "connection": 1}


def raw(test):
    """A stream without a handshake."""
    host, _, port = BROKER.rpartition(":")
    stream = socket.create_connection((host, int(port)), 10)
    test.addCleanup(stream.close)
    return stream


def only_answer_to(test, data):
    """The one Error that the broker answers the bytes with, before it closes."""
    stream = raw(test)
    stream.sendall(data)
    frame, fields, _ = read_one(stream)
    test.assertEqual(frame, "Error")
    test.assertEqual(read(stream, 1), b"", "the broker closes behind it")
    return fields


def read_one(stream):
    prefix = read(stream, wire.PREFIX)
    _, header, payload = wire.read_prefix(prefix)
    return wire.read_frame(prefix + read(stream, header + payload))


def read(stream, count):
    data = b""
    while len(data) < count:
        try:
            part = stream.recv(count - len(data))
        except ConnectionResetError:  # a broker that closes before it has read everything
            part = b""
        if not part:
            break
        data += part
    return data


if __name__ == "__main__":
    unittest.main()
