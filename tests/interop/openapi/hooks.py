"""What the description has no words for: which findings of schemathesis are none, and why, and what a run must have seen."""

import json
import os
from itertools import cycle

import schemathesis
from schemathesis.core.failures import ServerError
from schemathesis.openapi.checks import MissingContentType, RejectedPositiveData, UseAfterFree

# What a good call may be refused for, with the reason why its description cannot say so.
REFUSED = {
    "channel_full": "how much a channel holds already",
    "key_conflict": "what was sent under the key before",
    "unknown_operation": "which operations the channel lists",
}

# A run that has not seen all of these has compared less than it seems to.
STATES = {"scheduled", "waiting", "in_flight", "backing_off", "replied", "failed", "dead", "expired", "cancelled"}

# For each state a ticket of the broker's, as often as there may be calls that change them.
TICKETS = cycle(json.loads(os.environ["ROUNDTRIP_TICKETS"]))


@schemathesis.hook
def before_load_schema(context, schema):
    """Has each call for a request made for one in each state, whatever else is made up."""
    for path in schema["paths"].values():
        for method in [method for method, call in path.items() if is_stream(call)]:
            del path[method]  # A stream ends when its request does: there is no whole answer to compare.
        for call in path.values():
            for parameter in call.get("parameters", ()):
                if parameter["name"] == "ticket":
                    del parameter["example"]
                    parameter["examples"] = {ticket: {"value": ticket} for ticket in next(TICKETS)}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether it is one."""
    if isinstance(failure, ServerError):
        # 500, 502 and 504 are how a request ended: the gateway answered what it was asked for.
        return outcome(response) is None
    if isinstance(failure, RejectedPositiveData):
        return outcome(response) is None and not is_refused_for_good_reason(case, response)
    if isinstance(failure, MissingContentType):
        # A service need not say of what type its reply is, and the gateway does not guess.
        return outcome(response) != "replied"
    if isinstance(failure, UseAfterFree):
        # DELETE of a request cancels it: it stays, and has its outcome.
        return not failure.free.startswith("DELETE /v1/requests/")
    return True


def is_refused_for_good_reason(case, response):
    code = problem(response).get("code")
    if code in REFUSED or response.status_code == 415:  # which content types the channel lists
        return True
    # How two values relate to each other, and that an undeclared channel's name has room for its reply channel's.
    sent = {name.lower(): value for name, value in (case.headers or {}).items()}
    return code == "invalid" and (
        ("roundtrip-reply-channel" in sent and "roundtrip-requester" not in sent)
        or float(sent.get("roundtrip-delay", 0)) >= float(sent.get("roundtrip-deadline", "inf"))
        or len((case.path_parameters or {}).get("channel", "")) > 122
    )


@schemathesis.check
class EveryStateWasSeen:
    """Of requests that are there a run must have seen each state and outcome, not 404 alone."""

    def __init__(self):
        self.seen = {}

    def after_response(self, context, response, case):
        state = outcome(response) or problem(response).get("state")
        self.seen[state] = self.seen.get(state, 0) + 1

    def after_run(self, context):
        missing = STATES - self.seen.keys()
        assert not missing, f"not seen: {sorted(missing)}; seen: {self.seen}"


def is_stream(call):
    return any("text/event-stream" in answer.get("content", ()) for answer in call["responses"].values())


def outcome(response):
    values = response.headers.get("roundtrip-outcome")
    return values and values[0]


def problem(response):
    try:
        told = response.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
