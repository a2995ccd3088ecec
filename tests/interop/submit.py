"""Submits a request to a channel, waits for the outcome, prints the payload and acknowledges it.

    python3 submit.py --broker 127.0.0.1:7420 echo_request '{"hello": "world"}'

Exit status: 0 replied, 1 another outcome, 2 usage, 3 refused, 4 no connection.
"""

import argparse
import sys

import roundtrip_wire as wire

CHANNEL, REQUESTER, TICKET, CALL = 0, 0, 0, 0  # the client chooses its numbers


def main():
    parser = argparse.ArgumentParser(description="Submit a request and wait for its outcome.")
    parser.add_argument("--broker", default="127.0.0.1:7420", metavar="HOST:PORT")
    parser.add_argument("channel", metavar="CHANNEL")
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--requester", default=None, metavar="NAME")
    parser.add_argument("--operation", default="", metavar="NAME")
    arguments = parser.parse_args()
    try:
        return submit(arguments)
    except wire.WireError as error:
        print(f"error: {error}", file=sys.stderr)
        return 4


def submit(arguments):
    connection = wire.Connection(arguments.broker, "submit.py")
    request_id = wire.new_request_id()

    # Three frames at once: numbers may be used right behind the frame that introduces them.
    connection.send("Bind", {"number": CHANNEL, "channel": arguments.channel})
    connection.send("Introduce", {
        "number": REQUESTER,
        "requester": arguments.requester or f"python-{request_id}",
        "unnamed": arguments.requester is None,
    })
    connection.send(
        "Submit",
        {
            "ticket": TICKET,
            "channel": CHANNEL,
            "id": request_id,
            "requester": REQUESTER,
            "reply_channel": None,
            "operation": arguments.operation,
            "label": {"content_type": "application/json", "headers": []},
        },
        arguments.data.encode(),
    )

    while True:
        frame, fields, payload = connection.receive()
        if frame == "Accepted":
            print(f"ticket {wire.ticket(arguments.channel, request_id)}", file=sys.stderr)
        elif frame == "ProgressUpdate":
            progress = fields["progress"]
            print(f"progress {progress['fraction']:.0%} {progress['stage']}", file=sys.stderr)
        elif frame == "Refused":
            print(f"error: refused: {fields['refusal']['message']}", file=sys.stderr)
            connection.close()
            return 3
        elif frame == "Error":
            print(f"error: {fields['message']}", file=sys.stderr)
        elif frame == "Outcome":
            break

    status = show(fields["ending"], payload)

    # Handled: now it may be forgotten.
    connection.send("Acknowledge", {"call": CALL, "channel": CHANNEL, "id": request_id, "requester": REQUESTER})
    acknowledged, _ = connection.skip_to("Acknowledged")
    if acknowledged["result"] != "done":
        print(f"error: the outcome was not acknowledged: {acknowledged['result']}", file=sys.stderr)
    connection.send("Detach", {"ticket": TICKET})
    connection.close()
    return status


def show(ending, payload):
    """Prints the outcome; the exit status says what it was."""
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
