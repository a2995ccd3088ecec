"""Submits a request to a channel, waits for the outcome, prints the payload and acknowledges it.

    python3 submit.py --broker 127.0.0.1:7420 echo_request '{"hello": "world"}'

Progress and parts are told on stderr as they come. Ctrl-C cancels the request, a second one leaves it. Exit status: 0
replied, 1 another outcome, 2 usage, 3 refused, 4 no connection, 130 left.
"""

import argparse
import signal
import sys

import roundtrip_wire as wire

CHANNEL, REQUESTER, TICKET = 0, 0, 0  # the client chooses its numbers
ACKNOWLEDGE, CANCEL = 0, 1
WINDOW = 16
GLANCE = 0.2  # seconds after which it looks whether it was interrupted


def main():
    parser = argparse.ArgumentParser(description="Submit a request and wait for its outcome.")
    parser.add_argument("--broker", default="127.0.0.1:7420", metavar="HOST:PORT")
    parser.add_argument("channel", metavar="CHANNEL")
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--requester", default=None, metavar="NAME")
    parser.add_argument("--operation", default="", metavar="NAME")
    parser.add_argument("--priority", type=int, default=4, metavar="0-9")
    parser.add_argument("--deadline", type=float, default=None, metavar="SECONDS")
    parser.add_argument("--delay", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--idempotency-key", default=None, metavar="KEY")
    arguments = parser.parse_args()
    interrupts = []  # counted, not raised: an exception in the middle of a frame would lose it
    signal.signal(signal.SIGINT, lambda *_: interrupts.append(True))
    try:
        return submit(arguments, interrupts)
    except wire.WireError as error:
        print(f"error: {error}", file=sys.stderr)
        return 4


def submit(arguments, interrupts):
    connection = wire.Connection(arguments.broker, "submit.py")
    request_id, requester = wire.new_request_id(), arguments.requester

    # Four frames at once: numbers may be used right behind the frame that introduces them.
    connection.send("Bind", {"number": CHANNEL, "channel": arguments.channel})
    connection.send("Introduce", {
        "number": REQUESTER,
        "requester": requester or f"python-{request_id}",
        "unnamed": requester is None,
    })
    connection.send(
        "Submit",
        {
            "ticket": TICKET,
            "channel": CHANNEL,
            "id": request_id,
            "requester": REQUESTER,
            "reply": "own",
            "accepted": True,
            "priority": arguments.priority,
            "deadline_ms": None if arguments.deadline is None else round(arguments.deadline * 1000),
            "delay_ms": round(arguments.delay * 1000),
            "key": arguments.idempotency_key,
            "operation": arguments.operation,
            "label": {"content_type": "application/json", "headers": []},
        },
        arguments.data.encode(),
    )
    connection.send("FollowParts", {"ticket": TICKET, "delivery": 0, "after": 0, "window": WINDOW})

    is_own, is_cancelling, has_parts_answer = True, False, False
    while True:
        found = connection.receive(GLANCE)
        if len(interrupts) > 1:
            return 130
        if interrupts and not is_cancelling:  # then the outcome comes, cancelled or another that was first
            is_cancelling = True
            connection.send("Cancel", {"call": CANCEL, "channel": CHANNEL, "id": request_id})
        if found is None:
            continue
        frame, fields, payload = found
        if frame == "Accepted":
            if fields["duplicate"]:  # everything from here on is about the first request
                request_id = fields["duplicate"]["id"]
                is_own = fields["duplicate"]["requester"] == requester
                print("duplicate: this was asked for before", file=sys.stderr)
            print(f"ticket {wire.ticket(arguments.channel, request_id)}", file=sys.stderr)
        elif frame == "ProgressUpdate":
            progress = fields["progress"]
            print(f"progress {progress['fraction']:.0%} {progress['stage']}", file=sys.stderr)
        elif frame == "PartsFrom":
            has_parts_answer = True
            if fields["delivery"] > 1:
                print(f"parts of delivery {fields['delivery']} from {fields['first']}", file=sys.stderr)
        elif frame == "Part":
            print(f"part {fields['number']} {payload.decode(errors='replace')}", file=sys.stderr)
            if is_own:
                connection.send("AcknowledgeParts", {
                    "ticket": TICKET,
                    "requester": REQUESTER,
                    "delivery": fields["delivery"],
                    "through": fields["number"],
                })
            connection.send("PartsWindow", {"ticket": TICKET, "more": 1})
        elif frame == "Refused":
            print(f"error: refused: {fields['refusal']['message']}", file=sys.stderr)
            connection.close()
            return 3
        elif frame == "Error":
            print(f"error: {fields['message']}", file=sys.stderr)
        elif frame == "Outcome" and has_parts_answer:  # one that was told before comes again, behind the parts
            break

    status = show(fields["ending"], payload)

    # Handled: now it may be forgotten.
    if is_own:
        connection.send("Acknowledge", {
            "call": ACKNOWLEDGE, "channel": CHANNEL, "id": request_id, "requester": REQUESTER, "ticket": TICKET,
        })
        acknowledged, _ = connection.skip_to("Acknowledged")
        if acknowledged["result"] != "done":
            print(f"error: the outcome was not acknowledged: {acknowledged['result']}", file=sys.stderr)
    else:
        connection.send("Detach", {"ticket": TICKET})
    connection.close()
    return status


def show(ending, payload):
    """Prints the outcome; the exit status says what it was."""
    if isinstance(ending, str):  # expired or cancelled: there is nothing more to say
        print(f"error: {ending}", file=sys.stderr)
        return 1
    kind, about = next(iter(ending.items()))
    if kind == "replied":
        sys.stdout.buffer.write(payload + b"\n")
        sys.stdout.buffer.flush()
        return 0
    problem = about["last"] if kind == "dead" else about["problem"]
    why = f"{problem['code']}: {problem['message']}" if problem else "nothing more is known"
    reason = f" ({about['reason']})" if kind == "dead" else ""
    print(f"error: {kind}{reason}: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
