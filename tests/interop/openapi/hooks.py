"""What the description has no words for: which findings of schemathesis are none, and why, and what a run must have seen."""

import json
import os
from itertools import cycle

import schemathesis
from schemathesis.core.failures import MalformedJson, ServerError
from schemathesis.openapi.checks import MissingContentType, RejectedPositiveData, UseAfterFree

# What a good call may be refused for, with the reason why its description cannot say so.
REFUSED = {
    "channel_full": "how much a channel holds already",
    "key_conflict": "what was sent under the key before",
    "unknown_operation": "which operations the channel lists",
}

# A run that has not seen all of these has compared less than it seems to.
STATES = {"scheduled", "waiting", "in_flight", "backing_off", "replied", "failed", "dead", "expired", "cancelled"}

# What may be said of a delivery, each of which must have counted.
SETTLED = {"reply", "fail", "reject", "release", "throttle", "stopped", "renew", "progress", "part"}

# What a run must have seen of deliveries and mailboxes beside that.
CONDITIONS = {"taken", "listed", "an empty list", "held", "held with a reply"}
CONFLICTS = {"409 " + code for code in ("lease_lost", "cancelled", "expired", "not_stopped", "mailbox_taken", "no_outcome_yet")}

# For each state a ticket of the broker's, as often as there may be calls that change them.
TICKETS = cycle(json.loads(os.environ["ROUNDTRIP_TICKETS"]))

# The same for deliveries, by the condition that they are in.
DELIVERIES = cycle(json.loads(os.environ["ROUNDTRIP_DELIVERIES"]))

# Whose mailboxes are read, by turns as a list and as their holder: night-shift and late-shift have replies, that of
# old-shift is held.
READERS = ["night-shift", "old-shift", "first-nobody", "late-shift", "second-nobody", "third-nobody"]


@schemathesis.hook
def before_load_schema(context, schema):
    """Has each call for a request or a delivery made for one in each state, whatever else is made up."""
    for path in schema["paths"].values():
        for method in [method for method, call in path.items() if is_stream(call)]:
            del path[method]  # A stream ends when its request does: there is no whole answer to compare.
        for call in path.values():
            for parameter in call.get("parameters", ()):
                values = examples(call, parameter["name"])
                if values:
                    del parameter["example"]
                    parameter["examples"] = {value: {"value": value} for value in values}


# A mailbox is read in one of two ways. These are the parameters that only the other has.
NOT_OF_READER = cycle([("open", "lease", "Roundtrip-Holder"), ("after",)])


@schemathesis.hook
def before_call(context, case, kwargs):
    """Has good calls read mailboxes in both ways: a call with all parameters at once is refused for that alone."""
    if case.operation.path.endswith("/replies") and case.meta and case.meta.generation.mode.is_positive:
        for name in next(NOT_OF_READER):
            for part in (case.query, case.headers):
                if part:
                    part.pop(name, None)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether it is one."""
    if isinstance(failure, ServerError):
        # 500, 502 and 504 are how a request ended: the gateway answered what it was asked for.
        return outcome(response) is None
    if isinstance(failure, RejectedPositiveData):
        return outcome(response) is None and not is_refused_for_good_reason(case, response)
    if isinstance(failure, MissingContentType):
        # Neither a service nor a requester need say of what type a payload is, and the gateway does not guess.
        return not is_payload(response)
    if isinstance(failure, MalformedJson):
        # And it may say that something is JSON that is none.
        return not is_payload(response)
    if isinstance(failure, UseAfterFree):
        # DELETE of a request cancels it: it stays, and has its outcome.
        return not failure.free.startswith("DELETE /v1/requests/")
    return True


def is_refused_for_good_reason(case, response):
    code = problem(response).get("code")
    if code in REFUSED or response.status_code == 415:  # which content types the channel lists
        return True
    # How two values relate to each other, what there is already, and that an undeclared channel's name has room for its
    # reply channel's.
    sent = {name.lower(): value for name, value in (case.headers or {}).items()}
    query = {name: str(value).lower() for name, value in (case.query or {}).items()}
    holds = "open" in query or "roundtrip-holder" in sent
    may_retry = query.get("retry") == "true"
    call = case.operation.path.rpartition("/")[2]
    return code == "invalid" and (
        # What the body of a failure is depends on whether another attempt may come, and only then it may come later.
        (call == "fail" and ("after" in query) > may_retry)
        or (call == "fail" and may_retry and problem(response)["detail"].startswith("The body must be JSON"))
        # Which parts there are already.
        or (call == "part" and "number" in query)
        # What is for a list alone, and what for a holder alone.
        or (call == "replies" and ("after" in query and holds or ("lease" in query) > holds))
        or ("roundtrip-reply-channel" in sent and "roundtrip-requester" not in sent)
        or float(sent.get("roundtrip-delay", 0)) >= float(sent.get("roundtrip-deadline", "inf"))
        or len((case.path_parameters or {}).get("channel", "")) > 122
    )


@schemathesis.check
class EveryStateWasSeen:
    """Of what is there a run must have seen each state, outcome and condition, not 404 and 409 alone."""

    def __init__(self):
        self.seen = {}

    def after_response(self, context, response, case):
        for what in [outcome(response) or problem(response).get("state"), *conditions(response, case)]:
            self.seen[what] = self.seen.get(what, 0) + 1

    def after_run(self, context):
        missing = (STATES | SETTLED | CONDITIONS | CONFLICTS) - self.seen.keys()
        assert not missing, f"not seen: {sorted(missing)}; seen: {self.seen}"


def conditions(response, case):
    """What an answer shows of a delivery or a mailbox."""
    call = case.operation.path.rpartition("/")[2]
    if call in SETTLED and case.method == "POST" and response.status_code == 204:
        yield call
    if call == "deliveries" and response.status_code == 200:
        yield "taken"
    if call == "replies" and "roundtrip-holder" in response.headers:
        yield "held with a reply" if outcome(response) else "held"
    elif call == "replies" and response.status_code == 200:
        listed = response.json()
        # As the description says it of ListedReply; the same answer could be a reply's payload, were it not for its headers.
        assert all(reply.keys() == {"ticket", "channel", "operation", "outcome"} for reply in listed), listed
        yield "listed" if listed else "an empty list"
    if response.status_code == 409:
        yield f"409 {problem(response).get('code')}"


def examples(call, parameter):
    """The values of a parameter that each run begins with, where they are others than the description's."""
    match call["operationId"], parameter:
        case _, "ticket":
            return next(TICKETS)
        case _, "delivery":
            return next(DELIVERIES)
        case "read_mailbox", "requester":
            return READERS
        case "take", "channel":
            return ["work_request"]


def is_stream(call):
    return any("text/event-stream" in answer.get("content", ()) for answer in call["responses"].values())


def is_payload(response):
    """Whether the body is what a requester or a service sent, as it came."""
    return outcome(response) == "replied" or "roundtrip-delivery" in response.headers


def outcome(response):
    values = response.headers.get("roundtrip-outcome")
    return values and values[0]


def problem(response):
    try:
        told = response.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
