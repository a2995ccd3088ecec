"""The wire protocol of Roundtrip, version 1, written from docs/wire-v1.md alone.

Plain Python 3, standard library only. The first half is the table of all frames, as the page has it, and how a header
becomes bytes and back; the second half is a connection that speaks it.

A header is a dict of its fields. An id is a text of 32 hex digits, an absent option is None, a choice is its name
("release") or a dict of its name and its fields ({"reply": {...}}), and a pair is a list of two texts.
"""

import os
import select
import socket
import struct
import time

# ---------------------------------------------------------------------------------------------------------------------
# The parts of a header. Each can write(value) -> bytes and read(Reader) -> value.


class WireError(Exception):
    """What came is not what docs/wire-v1.md says, or the connection ended."""


class Reader:
    """Bytes that are read from the front. What is left at the end belongs to a later version and is skipped."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise WireError(f"{count} bytes expected, {len(self.data) - self.at} are left")
        self.at += count
        return self.data[self.at - count : self.at]


class Number:
    """An integer or a float: little-endian, fixed width."""

    def __init__(self, name, layout):
        self.name, self.layout = name, struct.Struct("<" + layout)

    def write(self, value):
        return self.layout.pack(value)

    def read(self, reader):
        return self.layout.unpack(reader.take(self.layout.size))[0]


class Bool:
    name = "bool"

    def write(self, value):
        return b"\1" if value else b"\0"

    def read(self, reader):
        byte = reader.take(1)[0]
        if byte > 1:
            raise WireError(f"a bool is 0 or 1, not {byte}")
        return byte == 1


class Id:
    """16 bytes as they are."""

    name = "id"

    def write(self, value):
        return bytes.fromhex(value)

    def read(self, reader):
        return reader.take(16).hex()


class Text:
    """Its length in bytes as a u64, then UTF-8."""

    def __init__(self, name):
        self.name = name

    def write(self, value):
        data = value.encode()
        return u64.write(len(data)) + data

    def read(self, reader):
        return reader.take(u64.read(reader)).decode()


class Option:
    """One byte 0, or one byte 1 and the value."""

    def __init__(self, inner):
        self.inner, self.name = inner, f"option of {inner.name}"

    def write(self, value):
        return b"\0" if value is None else b"\1" + self.inner.write(value)

    def read(self, reader):
        return self.inner.read(reader) if boolean.read(reader) else None


class List:
    """The count as a u64, then one after another."""

    def __init__(self, inner):
        self.inner, self.name = inner, f"list of {inner.name}"

    def write(self, value):
        return u64.write(len(value)) + b"".join(map(self.inner.write, value))

    def read(self, reader):
        count = u64.read(reader)
        if count > len(reader.data):  # nothing that a list holds takes less than a byte
            raise WireError(f"a list of {count} is longer than its header")
        return [self.inner.read(reader) for _ in range(count)]


class Pair:
    """Two texts."""

    name = "pair"

    def write(self, value):
        return text.write(value[0]) + text.write(value[1])

    def read(self, reader):
        return [text.read(reader), text.read(reader)]


class Structure:
    """Fields in order, without gaps."""

    def __init__(self, name, **fields):
        self.name, self.fields = name, fields

    def write(self, value):
        unknown = set(value) - set(self.fields)
        if unknown:
            raise WireError(f"{self.name} has no field {', '.join(sorted(unknown))}")
        return b"".join(kind.write(value[field]) for field, kind in self.fields.items())

    def read(self, reader):
        return {field: kind.read(reader) for field, kind in self.fields.items()}


class Choice:
    """The variant's number as a u32, then its fields. Variants count from 0; one without fields is only its name."""

    def __init__(self, name, *variants):
        self.name = name
        self.variants = [variant if isinstance(variant, tuple) else (variant, None) for variant in variants]

    def write(self, value):
        name, content = next(iter(value.items())) if isinstance(value, dict) else (value, None)
        for number, (variant, fields) in enumerate(self.variants):
            if variant == name:
                return u32.write(number) + (fields.write(content) if fields else b"")
        raise WireError(f"{self.name} has no variant {name}")

    def read(self, reader):
        number = u32.read(reader)
        if number >= len(self.variants):
            raise WireError(f"{self.name} has no variant {number}")
        variant, fields = self.variants[number]
        return {variant: fields.read(reader)} if fields else variant


u8, u16, u32, u64 = Number("u8", "B"), Number("u16", "H"), Number("u32", "I"), Number("u64", "Q")
f32, boolean, id_, text, name = Number("f32", "f"), Bool(), Id(), Text("text"), Text("name")

# ---------------------------------------------------------------------------------------------------------------------
# Structures and choices (section 6 of the page).

Label = Structure("Label", content_type=text, headers=List(Pair()))
Token = Structure("Token", start=u64, id=id_, delivery=u32)
Progress = Structure("Progress", fraction=f32, stage=text, note=text)
Problem = Structure("Problem", code=text, message=text)
Refusal = Structure("Refusal", code=u16, message=text, retry_after_ms=Option(u64))
ChannelFigures = Structure("ChannelFigures", channel=name, waiting=u64, scheduled=u64, in_flight=u64, services=u32,
                           retained=u64, dead=u64, oldest_ms=u64, paused_ms=u64, stale=u64)
Duplicate = Structure("Duplicate", id=id_, requester=name, reply_channel=Option(name))

ReplyTo = Choice("ReplyTo", "own", ("on", name), "nowhere")
OutcomeKind = Choice("OutcomeKind", "replied", "failed", "dead", "expired", "cancelled")
DeadReason = Choice("DeadReason", "attempts_exhausted", "rejected", "releases_exhausted", "damaged")
Acknowledgement = Choice("Acknowledgement", "done", "no_outcome_yet", "forbidden")
Cancellation = Choice("Cancellation", "cancelled", ("ended", OutcomeKind), "unknown_ticket")
Redrive = Choice("Redrive", ("accepted", id_), "unknown", ("refused", Refusal))
Hold = Choice("Hold", "connection", "lease")
StopReason = Choice("StopReason", "lease_lost", "broker_stopped", "cancelled", "expired", "attempt_timeout")
OpenMode = Choice("OpenMode", "take", "if_free", "follow")
MailboxEnd = Choice("MailboxEnd", "closed", "taken", "ended")
Settlement = Choice(
    "Settlement",
    ("reply", Label),
    ("fail", Structure("fail", problem=Problem, content_type=Option(text))),
    ("retry", Structure("retry", problem=Problem, retry_after_ms=Option(u64))),
    ("reject", Problem),
    "release",
    ("throttle", Structure("throttle", retry_after_ms=u64)),
)
Ending = Choice(
    "Ending",
    ("replied", Label),
    ("failed", Structure("failed", problem=Problem, content_type=Option(text))),
    ("dead", Structure("dead", reason=DeadReason, last=Option(Problem))),
    "expired",
    "cancelled",
)
RequestState = Choice(
    "RequestState",
    "waiting",
    ("in_flight", Structure("in_flight", delivery=u32, attempt=u32)),
    "backing_off",
    ("ended", OutcomeKind),
    ("scheduled", Structure("scheduled", in_ms=u64)),
)
Answer = Choice(
    "Answer",
    "settled",
    "renewed",
    "taken_back",
    "lease_lost",
    ("mailbox_busy", Structure("mailbox_busy", retry_after_ms=u64)),
    ("too_large", Structure("too_large", max_payload=u64)),
    "invalid",
    "cancelled",
    "expired",
    "part_kept",
    "parts_full",
    ("part_missing", Structure("part_missing", next=u32)),
)
Opening = Choice("Opening", "opened", "held", ("refused", Refusal))

DeadLetterEntry = Structure(
    "DeadLetterEntry", id=id_, operation=text, requester=name, reason=DeadReason, attempts=u32, deliveries=u32,
    bytes=u64, accepted_ms_ago=u64, died_ms_ago=u64, last=Option(Problem),
)
DeadLetterContent = Structure("DeadLetterContent", entry=DeadLetterEntry, reply_channel=Option(name), label=Label)

# ---------------------------------------------------------------------------------------------------------------------
# Frames (section 5): type number -> name and fields.

FRAMES = {
    0x01: Structure("Hello", lowest=u16, highest=u16, software=text, instance=id_, connection=u64),
    0x02: Structure("Welcome", version=u16, software=text, start=u64, max_header=u32, max_payload=u64, max_open=u32,
                    heartbeat_ms=u32),
    0x03: Structure("Error", code=u16, message=text, frame=u8, closes=boolean),
    0x04: Structure("Ping", nonce=u64),
    0x05: Structure("Pong", nonce=u64),
    0x06: Structure("Close"),
    0x07: Structure("Drain", remaining_ms=u64),
    0x08: Structure("Bind", number=u32, channel=name),
    0x09: Structure("Bound", number=u32, refusal=Option(Refusal)),
    0x0A: Structure("Introduce", number=u32, requester=name, unnamed=boolean),
    0x0B: Structure("Goodbye", requester=u32),
    0x0C: Structure("RequestDrain", call=u32),
    0x0D: Structure("DrainAnswered", call=u32, refusal=Option(Refusal)),
    0x10: Structure("Submit", ticket=u32, channel=u32, id=id_, requester=u32, reply=ReplyTo, accepted=boolean,
                    priority=u8, deadline_ms=Option(u64), delay_ms=u64, key=Option(text), operation=text, label=Label),
    0x11: Structure("Accepted", ticket=u32, services=u32, duplicate=Option(Duplicate)),
    0x12: Structure("Refused", ticket=u32, refusal=Refusal),
    0x13: Structure("Attach", ticket=u32, channel=u32, id=id_),
    0x14: Structure("State", ticket=u32, state=RequestState, ahead=u64, services=u32, attempts=u32,
                    remaining_ms=Option(u64), redrive_of=Option(id_), progress=Option(Progress)),
    0x15: Structure("Detach", ticket=u32),
    0x16: Structure("Outcome", ticket=u32, attempts=u32, ending=Ending),
    0x17: Structure("ProgressUpdate", ticket=u32, progress=Progress),
    0x18: Structure("Acknowledge", call=u32, channel=u32, id=id_, requester=u32, ticket=Option(u32)),
    0x19: Structure("Acknowledged", call=u32, result=Acknowledgement),
    0x1A: Structure("Cancel", call=u32, channel=u32, id=id_),
    0x1B: Structure("Cancelled", call=u32, result=Cancellation),
    0x20: Structure("Subscribe", service=u32, channel=u32, credit=u32, hold=Hold, lease_ms=Option(u64)),
    0x21: Structure("Subscribed", service=u32, lease_ms=u64),
    0x22: Structure("Credit", service=u32, credit=u32),
    0x23: Structure("Unsubscribe", service=u32),
    0x24: Structure("Unsubscribed", service=u32, refusal=Option(Refusal)),
    0x25: Structure("Delivery", service=u32, token=Token, attempt=u32, lease_ms=u64, remaining_ms=u64,
                    attempt_ms=Option(u64), requester=name, redrive_of=Option(id_), operation=text, label=Label),
    0x26: Structure("Settle", call=u32, channel=u32, token=Token, settlement=Settlement),
    0x27: Structure("Renew", call=u32, channel=u32, token=Token),
    0x28: Structure("TakeBack", call=u32, service=u32, channel=u32, token=Token),
    0x29: Structure("Answered", call=u32, answer=Answer),
    0x2A: Structure("ProgressReport", channel=u32, token=Token, progress=Progress),
    0x2B: Structure("Stop", service=u32, token=Token, reason=StopReason),
    0x2C: Structure("Stopped", channel=u32, token=Token),
    0x2D: Structure("AddPart", call=u32, channel=u32, token=Token, number=u32, label=Label),
    0x2E: Structure("PartsRoom", service=u32, token=Token),
    0x30: Structure("OpenMailbox", mailbox=u32, requester=u32, reply_channel=name, mode=OpenMode, window=u32),
    0x31: Structure("MailboxOpened", mailbox=u32, opening=Opening),
    0x32: Structure("Window", mailbox=u32, more=u32),
    0x33: Structure("CloseMailbox", mailbox=u32),
    0x34: Structure("MailboxClosed", mailbox=u32, reason=MailboxEnd),
    0x35: Structure("Reply", mailbox=u32, channel=name, id=id_, redrive_of=Option(id_), operation=text,
                    attempts=u32, ending=Ending),
    0x36: Structure("CaughtUp", mailbox=u32),
    0x40: Structure("ListChannels", call=u32),
    0x41: Structure("Channels", call=u32, channels=List(ChannelFigures), more=boolean),
    0x42: Structure("ListDeadLetters", call=u32, channel=u32, after=Option(id_), most=u32),
    0x43: Structure("DeadLetters", call=u32, letters=List(DeadLetterEntry), more=boolean),
    0x44: Structure("ReadDeadLetter", call=u32, channel=u32, id=id_),
    0x45: Structure("DeadLetter", call=u32, letter=Option(DeadLetterContent)),
    0x46: Structure("RedriveDeadLetter", call=u32, channel=u32, id=id_),
    0x47: Structure("Redriven", call=u32, result=Redrive),
    0x48: Structure("PurgeDeadLetter", call=u32, channel=u32, id=id_),
    0x49: Structure("Purged", call=u32, was_there=boolean),
    0x50: Structure("FollowParts", ticket=u32, delivery=u32, after=u32, window=u32),
    0x51: Structure("PartsWindow", ticket=u32, more=u32),
    0x52: Structure("AcknowledgeParts", ticket=u32, requester=u32, delivery=u32, through=u32),
    0x53: Structure("Part", ticket=u32, delivery=u32, number=u32, label=Label),
    0x54: Structure("PartsFrom", ticket=u32, delivery=u32, first=u32),
}
TYPES = {structure.name: number for number, structure in FRAMES.items()}

UNKNOWN_FRAME = 4  # an error code, section 7

PREFIX = 8


def write_raw(number, header, payload=b""):
    """The bytes of a frame: length u32, type u8, header length u24, header, payload."""
    length = 4 + len(header) + len(payload)
    return struct.pack("<IB", length, number) + len(header).to_bytes(3, "little") + header + payload


def write_frame(frame, fields, payload=b""):
    """The bytes of the frame of this name."""
    number = TYPES[frame]
    return write_raw(number, FRAMES[number].write(fields), payload)


def read_prefix(prefix):
    """Type, header length and payload length from the first eight bytes."""
    length, number = struct.unpack("<IB", prefix[:5])
    header = int.from_bytes(prefix[5:8], "little")
    if length < 4 + header:
        raise WireError(f"a frame of {length} bytes cannot hold a header of {header}")
    return number, header, length - 4 - header


def read_frame(data):
    """Name, fields and payload of the one frame that the bytes are."""
    number, header, payload = read_prefix(data[:PREFIX])
    if len(data) != PREFIX + header + payload:
        raise WireError(f"a frame of {PREFIX + header + payload} bytes has {len(data)}")
    fields = FRAMES[number].read(Reader(data[PREFIX : PREFIX + header]))
    return FRAMES[number].name, fields, data[PREFIX + header :]


# ---------------------------------------------------------------------------------------------------------------------
# A connection.


def new_request_id():
    """A UUIDv7: 48 bits of milliseconds, then random bits around version and variant."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(3 << 62) | 2 << 62
    return value.to_bytes(16, "big").hex()


def ticket(channel, request_id):
    """The ticket as people write it: CHANNEL:UUID."""
    h = request_id
    return f"{channel}:{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


class Connection:
    """A client's connection, with one frame in hand at a time and heartbeats while it waits."""

    def __init__(self, broker, software, instance=None, number=1, lowest=1, highest=1, timeout=10):
        """Connects and shakes hands. `instance` and a higher `number` are for connecting again as the same client."""
        host, _, port = broker.rpartition(":")
        if not host or not port.isdigit():
            raise WireError(f'a broker is HOST:PORT, such as 127.0.0.1:7420, not "{broker}"')
        try:
            self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
        except OSError as error:
            raise WireError(f"no broker at {broker} ({error}): start one with: roundtrip broker") from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(timeout)
        self.instance = instance or os.urandom(16).hex()
        self.arrived = bytearray()
        self.heartbeat = None
        self.max_header, self.max_payload = 4_096, 0  # those of the first frame
        self.last_sent = self.last_heard = time.monotonic()
        self.send("Hello", {"lowest": lowest, "highest": highest, "software": software, "instance": self.instance,
                            "connection": number})
        try:
            self.welcome, _ = self.expect("Welcome", timeout)
        except WireError:
            self.cut()
            raise
        self.max_header, self.max_payload = self.welcome["max_header"], self.welcome["max_payload"]
        if self.welcome["heartbeat_ms"]:
            self.heartbeat = self.welcome["heartbeat_ms"] / 1000

    def send(self, frame, fields, payload=b""):
        self.send_bytes(write_frame(frame, fields, payload))

    def send_bytes(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise WireError(f"the connection to the broker broke: {error}") from error
        self.last_sent = time.monotonic()

    def receive(self, timeout=None):
        """The next frame that is for the caller: name, fields, payload. None when the timeout passed.

        Answers pings and unknown frames, and raises for an Error that closes.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            found = self._next_frame()
            if found is None:
                if not self._wait(until):
                    return None
                continue
            frame, fields, payload = found
            if frame == "Ping":
                self.send("Pong", fields)
            elif frame == "Error" and fields["closes"]:
                raise WireError(f"the broker closed the connection: {fields['message']} (error {fields['code']})")
            elif frame != "Pong":
                return frame, fields, payload

    def expect(self, wanted, timeout=10):
        """The next frame, which has to be one of this name."""
        found = self.receive(timeout)
        if found is None:
            raise WireError(f"no {wanted} within {timeout} s")
        frame, fields, payload = found
        if frame != wanted:
            raise WireError(f"{wanted} expected, {frame} came: {fields}")
        return fields, payload

    def skip_to(self, wanted, timeout=10):
        """The next frame of this name; others before it are thrown away."""
        until = time.monotonic() + timeout
        while True:
            found = self.receive(max(0, until - time.monotonic()))
            if found is None:
                raise WireError(f"no {wanted} within {timeout} s")
            frame, fields, payload = found
            if frame == wanted:
                return fields, payload

    def cut(self):
        """Ends the connection without a word, as a crash does."""
        self.socket.close()

    def close(self, timeout=10):
        """Says goodbye and waits until the broker has done everything before it."""
        self.send("Close", {})
        self.skip_to("Close", timeout)
        self.socket.close()

    def _next_frame(self):
        if len(self.arrived) < PREFIX:
            return None
        number, header, payload = read_prefix(self.arrived[:PREFIX])
        if header > self.max_header or payload > self.max_payload:
            raise WireError(f"the broker sent a header of {header} and a payload of {payload} bytes: over the limits")
        end = PREFIX + header + payload
        if len(self.arrived) < end:
            return None
        data = bytes(self.arrived[:end])
        del self.arrived[:end]
        if number in FRAMES:
            return read_frame(data)
        self.send("Error", {"code": UNKNOWN_FRAME, "message": f"no frame of version 1 has type {number:#04x}",
                            "frame": number, "closes": False})
        return self._next_frame()

    def _wait(self, until):
        """Waits for bytes, a heartbeat that is due, or the caller's time. False when that has passed."""
        now = time.monotonic()
        if until is not None and now >= until:
            return False
        wake = [until] if until is not None else []
        if self.heartbeat:
            wake += [self.last_sent + self.heartbeat / 2, self.last_heard + 3 * self.heartbeat]
        readable, _, _ = select.select([self.socket], [], [], max(0, min(wake) - now) if wake else None)
        now = time.monotonic()
        if readable:
            try:
                data = self.socket.recv(256 * 1024)
            except OSError as error:
                raise WireError(f"the connection to the broker broke: {error}") from error
            if not data:
                raise WireError("the broker closed the connection without a word")
            self.arrived += data
            self.last_heard = now
        elif self.heartbeat and now >= self.last_heard + 3 * self.heartbeat:
            raise WireError(f"nothing was heard of the broker for {3 * self.heartbeat} s")
        elif self.heartbeat and now >= self.last_sent + self.heartbeat / 2:
            self.send("Ping", {"nonce": 0})
        return True
