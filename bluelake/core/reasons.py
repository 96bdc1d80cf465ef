"""The closed lists of why an event is rejected, and of what is odd about one that is not."""

import json
from enum import StrEnum

# The table `rejects` keeps this many bytes of a frame.
MAX_REJECT_BYTES = 16 << 20


class RejectReason(StrEnum):
    """Why a frame cannot be a row. The drain counts it by its reason and keeps its bytes in `rejects`."""

    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    LONE_SURROGATE = "lone_surrogate"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_KIND = "unknown_kind"
    UNKNOWN_OPERATION = "unknown_operation"
    UNKNOWN_COLLECTION = "unknown_collection"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    TIME_IN_FUTURE = "time_in_future"
    INVALID_DID = "invalid_did"
    INVALID_RKEY = "invalid_rkey"
    INVALID_REV = "invalid_rev"
    INVALID_RECORD = "invalid_record"
    TOO_LARGE = "too_large"
    UNWRITABLE = "unwritable"
    """An event with a value that DuckDB, Arrow or delta-rs cannot handle."""
    TOO_DEEP = "too_deep"


# The ingester checks a frame's shape and time. Only the drain checks its values.
_DRAIN_REJECT_REASONS = (
    RejectReason.INVALID_DID,
    RejectReason.INVALID_RKEY,
    RejectReason.INVALID_REV,
    RejectReason.INVALID_RECORD,
    RejectReason.UNWRITABLE,
)
INGEST_REJECT_REASONS = tuple(reason for reason in RejectReason if reason not in _DRAIN_REJECT_REASONS)


class GapCause(StrEnum):
    """Why a span of time may lack events. A row of `gaps` names one of these."""

    CURSOR_TOO_OLD = "cursor_too_old"
    """The host refused the cursor: it does not reach back that far."""
    REPLAY_STARTS_LATE = "replay_starts_late"
    """The host accepted the cursor, yet began later."""
    HOST_SKIPPED = "host_skipped"
    """The host's times jumped forward while it was being read."""
    FRAME_TOO_LARGE = "frame_too_large"
    """A frame was larger than can be received and had to be skipped."""


class HostFault(StrEnum):
    """What a Jetstream host did wrong, or why it was left. None of them is fatal: the stream goes on elsewhere or again."""

    UNREACHABLE = "unreachable"
    """No connection, no answer, or no websocket handshake."""
    REFUSED = "refused"
    """HTTP 4xx at the upgrade."""
    UNAVAILABLE = "unavailable"
    """HTTP 5xx at the upgrade, or 429."""
    WRONG_SUBPROTOCOL = "wrong_subprotocol"
    CURSOR_TOO_OLD = "cursor_too_old"
    """The host no longer has what follows the sequence number; it is asked by time."""
    UNKNOWN_DICTIONARY = "unknown_dictionary"
    """The host does not take the compression dictionary that it gave."""
    NO_DICTIONARY = "no_dictionary"
    """The host has none, or gave something else; it is read without compression."""
    BAD_COMPRESSION = "bad_compression"
    """A frame does not decompress, or to more than is accepted; the host is read without compression."""
    ERROR_FRAME = "error_frame"
    """The host ended the stream with an error."""
    FRAME_TOO_LARGE = "frame_too_large"
    """A frame larger than can be received; it is skipped, and a gap."""
    CLOSED = "closed"
    """The connection ended, whoever is to blame."""
    SILENT = "silent"
    """The connection was open, and nothing came, or nothing that is an event."""
    RENUMBERED = "renumbered"
    """The host has another event under the sequence number of the last one."""
    SLOW = "slow"
    """The host served less than its share of the network's usual rate."""
    GAP = "gap"
    """The host did not serve a span of time, and another one was tried for it."""
    UNEXPECTED = "unexpected"
    """The host did what the ingester was not made for; its log has the traceback."""


class Anomaly(StrEnum):
    """What is odd about an event that is a row all the same."""

    CREATED_AT_INVALID = "created_at_invalid"
    NUL_IN_TEXT = "nul_in_text"


# A longer one takes seconds, and a hundred times its size.
_LONGEST_DIAGNOSED = 1_000_000


def diagnose_syntax(frame: bytes) -> RejectReason:
    """Why a JSON parser refused `frame`.

    An escaped half of a surrogate pair is grammatical JSON, but no Unicode text (RFC 8259 §8.2). Very long frames are not
    searched for one.
    """
    try:
        text = frame.decode("utf-8")
        if len(text) > _LONGEST_DIAGNOSED:
            return RejectReason.NOT_JSON
        decoded = json.loads(text)
    except UnicodeDecodeError:
        return RejectReason.NOT_UTF8
    except (ValueError, RecursionError):
        return RejectReason.NOT_JSON
    try:
        json.dumps(decoded, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return RejectReason.LONE_SURROGATE
    return RejectReason.NOT_JSON
