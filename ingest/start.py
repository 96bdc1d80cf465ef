"""Where the very first run starts. It is kept until there is a cursor: Redis may be lost before anything is in the lake."""

import json
from datetime import datetime

from bluelake.core.clock import to_datetime
from bluelake.core.errors import CorruptStateError
from bluelake.core.files import write_durably
from bluelake.core.settings import Settings, parse_start


def first_start_us(settings: Settings, began: datetime) -> int:
    """The time that JETSTREAM_START meant when its present value was first used, microseconds since 1970.

    `began`: when this ingester began. A relative start counts from there. Raises CorruptStateError, OSError.
    """
    path = settings.home / "ingest-start.json"
    try:
        kept = json.loads(path.read_bytes())
        if kept["jetstream_start"] == settings.jetstream_start:
            return int(kept["start_us"])
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptStateError(f"{path}: not what an ingester writes ({error}); delete it") from error
    start_us = parse_start(settings.jetstream_start, began)
    kept = {"jetstream_start": settings.jetstream_start, "start_us": start_us, "at": to_datetime(start_us).isoformat()}
    write_durably(path, json.dumps(kept, indent=1).encode() + b"\n")
    return start_us
