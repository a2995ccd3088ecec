"""Serves a channel: replies with the payload in capital letters.

    python3 serve.py --broker 127.0.0.1:7420 echo_request --count 1

Of a text of several lines, each line is sent ahead as a part. A payload that is no text is failed finally. Prints the
id of each request that it has settled, one a line. Exit status: 0 done, 2 usage, 3 refused, 4 no connection.
"""

import argparse
import sys

import roundtrip_wire as wire

CHANNEL, SERVICE = 0, 0  # the client chooses its numbers


def main():
    parser = argparse.ArgumentParser(description="Serve a channel: reply with the payload in capital letters.")
    parser.add_argument("--broker", default="127.0.0.1:7420", metavar="HOST:PORT")
    parser.add_argument("channel", metavar="CHANNEL")
    parser.add_argument("--count", type=int, default=None, metavar="N", help="end after N requests")
    arguments = parser.parse_args()
    try:
        return serve(arguments)
    except wire.WireError as error:
        print(f"error: {error}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        return 130


def serve(arguments):
    connection = wire.Connection(arguments.broker, "serve.py")
    connection.send("Bind", {"number": CHANNEL, "channel": arguments.channel})
    connection.send("Subscribe", {
        "service": SERVICE, "channel": CHANNEL, "credit": 1, "hold": "connection", "lease_ms": None,
    })

    # With credit 1 there is one job at a time. A client that connects again takes its deliveries back and sends what
    # was not answered once more. This one ends with its connection: then the broker gives the request to another
    # service.
    job, settled = None, 0
    while arguments.count is None or settled < arguments.count:
        # This waits as long as it takes, and keeps the heartbeat meanwhile.
        frame, fields, payload = connection.receive()
        if frame == "Subscribed":
            print(f"serving {arguments.channel}", file=sys.stderr)
        elif frame == "Unsubscribed":
            print(f"error: refused: {fields['refusal']['message']}", file=sys.stderr)
            connection.close()
            return 3
        elif frame == "Delivery":
            job = Job(connection, fields, payload)
            job.go_on()
        elif frame == "Answered" and job and fields["call"] == job.call:
            if fields["answer"] == "settled":
                settled += 1
                print(job.token["id"], flush=True)
            elif fields["answer"] == "part_kept":
                job.parts.pop(0)
                job.number += 1
                job.go_on()
            elif fields["answer"] != "parts_full":  # else PartsRoom comes
                job.stop(fields["answer"])
        elif frame == "PartsRoom" and job and fields["token"] == job.token:
            job.go_on()
        elif frame == "Stop" and job and fields["token"] == job.token:
            job.stop(fields["reason"])
        elif frame == "Drain":
            print(f"the broker stops within {fields['remaining_ms']} ms", file=sys.stderr)
        elif frame == "Error":
            print(f"error: {fields['message']}", file=sys.stderr)

    # Nothing is in hand now; what might be on its way goes back uncounted.
    connection.send("Unsubscribe", {"service": SERVICE})
    connection.skip_to("Unsubscribed")
    connection.close()
    return 0


class Job:
    """A delivery in hand: its parts, one after another, then its settlement."""

    calls = 0

    def __init__(self, connection, delivery, payload):
        self.connection, self.token, self.call = connection, delivery["token"], None
        self.settlement, self.reply = work(delivery["label"], payload)
        lines = self.reply.split(b"\n")
        self.parts, self.number = (lines if len(lines) > 1 else []), 1
        progress = {"fraction": 0.5, "stage": "shouting", "note": ""}
        connection.send("ProgressReport", {"channel": CHANNEL, "token": self.token, "progress": progress})

    def go_on(self):
        """Sends the next part that the broker does not have yet, or the settlement behind the last."""
        if self.parts:
            label = {"content_type": "text/plain", "headers": []}
            self.ask("AddPart", {"number": self.number, "label": label}, self.parts[0])
        else:
            self.ask("Settle", {"settlement": self.settlement}, self.reply)

    def ask(self, frame, fields, payload):
        Job.calls += 1
        self.call = Job.calls
        self.connection.send(frame, {"call": self.call, "channel": CHANNEL, "token": self.token, **fields}, payload)

    def stop(self, why):
        """Works on it no more. After a cancellation or a deadline the broker keeps its place until it is told so."""
        if self.call is None:  # told before, in another way
            return
        print(f"stopped: {self.token['id']}: {why}", file=sys.stderr)
        self.call = None
        self.connection.send("Stopped", {"channel": CHANNEL, "token": self.token})


def work(label, payload):
    """The settlement and its payload."""
    try:
        shouted = payload.decode().upper().encode()
    except UnicodeDecodeError:
        problem = {"code": "invalid_payload", "message": "The payload is no text."}
        return {"fail": {"problem": problem, "content_type": None}}, b""
    return {"reply": {"content_type": label["content_type"], "headers": []}}, shouted


if __name__ == "__main__":
    sys.exit(main())
