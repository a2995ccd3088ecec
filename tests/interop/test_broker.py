"""Holds a running broker against docs/wire-v1.md, as a stranger would.

    ROUNDTRIP_BROKER=127.0.0.1:7420 python3 test_broker.py
"""

import os
import socket
import unittest

import roundtrip_wire as wire

BROKER = os.environ.get("ROUNDTRIP_BROKER", "127.0.0.1:7420")
HANDSHAKE_EXPECTED, MALFORMED_FRAME, UNKNOWN_FRAME, UNEXPECTED_FRAME = 2, 3, 4, 5
FRAME_TOO_LARGE, SUPERSEDED, BAD_NUMBER, UNSUPPORTED_VERSION = 6, 7, 8, 1
UNKNOWN_TICKET, INVALID = 8, 7
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
        connection.send("Subscribe", {"service": 0, "channel": 99, "credit": 1, "hold": "connection"})
        with self.assertRaisesRegex(wire.WireError, f"error {BAD_NUMBER}"):
            connection.receive(10)

    def test_a_frame_that_may_cross_the_end_of_its_number_does_nothing(self):
        connection = connect(self)
        connection.send("Detach", {"ticket": 99})
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
        mine = {"channel": channel, "waiting": 1, "in_flight": 0, "services": 0, "retained": 0}
        self.assertIn(mine, figures)


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


def subscribe(connection, credit=1, hold="connection"):
    connection.send("Subscribe", {"service": 0, "channel": 0, "credit": credit, "hold": hold})


def submit(connection, payload, ticket=0, request_id=None):
    request_id = request_id or wire.new_request_id()
    fields = {"ticket": ticket, "channel": 0, "id": request_id, "requester": 0, "reply_channel": None,
              "operation": "shout", "label": LABEL}
    connection.send("Submit", fields, payload)
    return request_id


def settle(connection, delivery, settlement, payload=b""):
    fields = {"call": 1, "channel": 0, "token": delivery["token"], "settlement": settlement}
    connection.send("Settle", fields, payload)
    return connection.skip_to("Answered")[0]["answer"]


def reply(connection, delivery, payload):
    return settle(connection, delivery, {"reply": LABEL}, payload)


def acknowledge(connection, request_id):
    connection.send("Acknowledge", {"call": 1, "channel": 0, "id": request_id, "requester": 0})
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


def new_channel():
    return f"python.{os.urandom(6).hex()}"


def new_name():
    return f"python-{os.urandom(6).hex()}"


def hello_frame(lowest=1, highest=1):
    return {"lowest": lowest, "highest": highest, "software": "test_broker.py", "instance": os.urandom(16).hex(),
            "connection": 1, "max_payload": 1 << 20}


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
