"""Serves a channel: replies with the payload in capital letters.

    python3 serve.py --broker 127.0.0.1:7420 echo_request --count 1

A payload that is no text is failed finally. Prints the id of each request that it has settled, one a line. Exit status:
0 done, 2 usage, 3 refused, 4 no connection.
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
    connection.send("Subscribe", {"service": SERVICE, "channel": CHANNEL, "credit": 1, "hold": "connection"})

    settled, calls, unanswered = 0, 0, {}
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
            token = fields["token"]
            connection.send("ProgressReport", {
                "channel": CHANNEL,
                "token": token,
                "progress": {"fraction": 0.5, "stage": "shouting", "note": ""},
            })
            settlement, reply = work(fields["label"], payload)
            # A client that connects again sends what was not answered once more. This one ends with its connection:
            # then the broker gives the request to another service.
            calls += 1
            unanswered[calls] = token["id"]
            connection.send("Settle", {"call": calls, "channel": CHANNEL, "token": token, "settlement": settlement}, reply)
        elif frame == "Answered":
            request_id, answer = unanswered.pop(fields["call"]), fields["answer"]
            if answer == "settled":
                settled += 1
                print(request_id, flush=True)
            else:
                print(f"not settled: {request_id}: {answer}", file=sys.stderr)
        elif frame == "Stop":
            # Work here takes no time, so there is nothing to interrupt: the settlement was sent, or will be answered
            # with lease_lost.
            print(f"stopped: {fields['token']['id']}: {fields['reason']}", file=sys.stderr)
        elif frame == "Drain":
            print(f"the broker stops within {fields['remaining_ms']} ms", file=sys.stderr)
        elif frame == "Error":
            print(f"error: {fields['message']}", file=sys.stderr)

    # With credit 1 nothing is in hand now; what might be on its way goes back uncounted.
    connection.send("Unsubscribe", {"service": SERVICE})
    connection.skip_to("Unsubscribed")
    connection.close()
    return 0


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
