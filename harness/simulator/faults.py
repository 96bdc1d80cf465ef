"""Faults on demand: `GET /control/<fault>?…` on a host's port makes that host misbehave.

| fault | what the host does |
|---|---|
| `drop` | cuts every connection; with `mid_frame=1` in the middle of a frame |
| `stall?seconds=S` | serves nothing, with the sockets open |
| `slow?rate=R&seconds=S` | serves at most R events a second to each subscriber |
| `duplicate?events=N` | serves the next N events of each subscriber twice |
| `back?seconds=S` | serves everything again from S seconds ago |
| `again?seconds=S` | sends whom it serves live what happened in the last S seconds once more with new times, as after a kill |
| `skip?seconds=S` | withholds what happens in the next S seconds, now and in every later replay |
| `forget?before_us=U` | replays nothing any more that is older than that base time |
| `refuse?status=503&seconds=S` | answers every request to subscribe with that status |
| `error?name=ConsumerTooSlow` | sends v2 subscribers an error frame, and closes every connection |
| `subprotocol?name=X&seconds=S` | agrees on that subprotocol, which nobody offered |
| `retire` | goes over to a dictionary with another id, all hosts do |
| `garbage?frames=N` | sends N frames that no Jetstream sends, never recorded in the ledger |
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qsl

from harness.simulator.activity import MICROSECONDS
from harness.simulator.dictionary import Dictionary
from harness.simulator.errors import ControlError
from harness.simulator.garbage import garbage_frame
from harness.simulator.host import Host
from harness.simulator.subscriber import Pace, Subscriber
from harness.simulator.wires import shifted, time_of

_LONGEST_SECONDS = 7 * 86_400.0
_MOST_EVENTS = 1_000_000
_LARGEST_RATE = 1e6
_LONGEST_NAME = 100

Parameters = dict[str, str]
Answer = dict[str, object]


class Faults:
    """The faults of one host. subscribers: who is being served; shared with the frontend, which keeps it."""

    def __init__(self, host: Host, dictionary: Dictionary) -> None:
        self._host = host
        self._dictionary = dictionary
        self.subscribers: set[Subscriber] = set()
        self.pace = Pace()
        self.counts: Counter[str] = Counter()
        self._refusing_until = 0.0
        self._refusal_status = 503
        self._agreeing_until = 0.0
        self._subprotocol = ""
        self._garbage = 0
        self._closing: set[asyncio.Task[None]] = set()
        self._makers: dict[str, Callable[[Parameters], Answer]] = {
            "drop": self._drop,
            "stall": self._stall,
            "slow": self._slow,
            "duplicate": self._duplicate,
            "back": self._back,
            "again": self._again,
            "skip": self._skip,
            "forget": self._forget,
            "refuse": self._refuse,
            "error": self._error,
            "subprotocol": self._agree,
            "retire": self._retire,
            "garbage": self._send_garbage,
            "state": self._state,
        }

    @property
    def refusal(self) -> int | None:
        """The HTTP status with which subscriptions are refused at the moment; None: they are not."""
        return self._refusal_status if asyncio.get_running_loop().time() < self._refusing_until else None

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that is agreed on at the moment, whatever is offered; None: the right one."""
        return self._subprotocol if asyncio.get_running_loop().time() < self._agreeing_until else None

    def control(self, name: str, query: str) -> Answer:
        """Make a fault happen. Gives what was done. Raises ControlError, which names the parameter, and LedgerError."""
        maker = self._makers.get(name)
        if maker is None:
            raise ControlError(f"/control/{name}: use one of {', '.join(self._makers)}")
        answer = maker(dict(parse_qsl(query, keep_blank_values=True)))
        if name != "state":
            self.counts[name] += 1
        return {"fault": name, "connections": len(self.subscribers), **answer}

    def _drop(self, given: Parameters) -> Answer:
        mid_frame = given.get("mid_frame", "0") not in ("0", "false", "")
        for subscriber in self.subscribers:
            partial = b""
            if mid_frame:
                # More is announced than ever comes, and there is enough of it to be taken for something.
                whole = subscriber.wire.message(b'{"did":"did:plc:cutcutcutcutcutcutcutcut","time_us":' + b"1" * 400)
                partial = whole[: len(whole) // 2]
            subscriber.cut(partial)
        return {}

    def _stall(self, given: Parameters) -> Answer:
        self.pace.stall(_number(given, "seconds", _LONGEST_SECONDS))
        return {}

    def _slow(self, given: Parameters) -> Answer:
        self.pace.slow(_number(given, "rate", _LARGEST_RATE, least=0.1), _number(given, "seconds", _LONGEST_SECONDS))
        for subscriber in self.subscribers:
            subscriber.repace()
        return {}

    def _duplicate(self, given: Parameters) -> Answer:
        for subscriber in self.subscribers:
            subscriber.reader.repeat = int(_number(given, "events", _MOST_EVENTS))
        return {}

    def _back(self, given: Parameters) -> Answer:
        timeline = self._host.timeline
        since_us = self._host.clock() - int(_number(given, "seconds", _LONGEST_SECONDS) * MICROSECONDS)
        index = max(timeline.index_at(since_us), self._host.floor_index())
        for subscriber in self.subscribers:
            subscriber.reader.rewind(timeline.position_of(index))
        return {"events": timeline.length - index}

    def _again(self, given: Parameters) -> Answer:
        """A host that was killed reads its relay from a while ago on, and stamps what comes with the time of now."""
        host, timeline = self._host, self._host.timeline
        live = [subscriber for subscriber in self.subscribers if subscriber.reader.is_live]
        since_us = host.clock() - int(_number(given, "seconds", _LONGEST_SECONDS) * MICROSECONDS)
        to_us = timeline.latest_us + 1
        first, count = timeline.index_at(since_us), 0
        if not live or first >= timeline.length:
            return {"events": 0}
        at_us = host.tell_again(since_us, to_us)
        for index in range(first, timeline.length):
            frame, collection, did, seen_us = timeline.event_at(index)
            told_us = time_of(frame)
            if not since_us <= seen_us < to_us or any(start <= seen_us < end for start, end in host.withheld):
                continue
            if told_us == seen_us:
                # An imported time stays.
                frame = shifted(frame, at_us + count - seen_us)
            count += 1
            for subscriber in live:
                if subscriber.reader.wants(collection, did):
                    subscriber.inject(subscriber.wire.payload(frame, index))
        return {"events": count}

    def _skip(self, given: Parameters) -> Answer:
        from_us, to_us = self._host.withhold(_number(given, "seconds", _LONGEST_SECONDS))
        return {"from_us": from_us, "to_us": to_us}

    def _forget(self, given: Parameters) -> Answer:
        floor_us = int(_number(given, "before_us", self._host.clock()))
        self._host.forget(floor_us)
        return {"before_us": floor_us}

    def _refuse(self, given: Parameters) -> Answer:
        status = int(_number(given, "status", 599, least=400, default=503))
        self._refusing_until = asyncio.get_running_loop().time() + _number(given, "seconds", _LONGEST_SECONDS)
        self._refusal_status = status
        return {}

    def _agree(self, given: Parameters) -> Answer:
        self._subprotocol = _name(given)
        self._agreeing_until = asyncio.get_running_loop().time() + _number(given, "seconds", _LONGEST_SECONDS)
        return {}

    def _retire(self, given: Parameters) -> Answer:
        self._dictionary.retire()
        return {"dictionary": self._dictionary.id}

    def _error(self, given: Parameters) -> Answer:
        name = _name(given)
        for subscriber in self.subscribers:
            task = asyncio.create_task(subscriber.fail(name))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return {}

    def _send_garbage(self, given: Parameters) -> Answer:
        count = int(_number(given, "frames", 10_000))
        for number in range(self._garbage, self._garbage + count):
            for subscriber in self.subscribers:
                subscriber.inject(garbage_frame(number), packed=number % 3 != 2)
        self._garbage += count
        return {}

    def _state(self, given: Parameters) -> Answer:
        host, timeline = self._host, self._host.timeline
        return {
            "host": host.port,
            "number": host.number,
            "offset_us": host.offset_us,
            "now_us": host.clock(),
            "events": timeline.length,
            "latest_us": timeline.latest_us,
            "live": timeline.live_from is not None,
            "withheld": [{"from_us": from_us, "to_us": to_us} for from_us, to_us in host.withheld],
            "faults": {name: self.counts[name] for name in self._makers if name != "state"},
            "subscriptions": [
                subscriber.connection.request.path for subscriber in self.subscribers if subscriber.connection.request
            ],
        }


def _name(given: Parameters) -> str:
    name = given.get("name", "")
    if not name.isascii() or not name.isalnum() or len(name) > _LONGEST_NAME:
        raise ControlError(f"name={name[:_LONGEST_NAME]}: use ASCII letters and digits, such as ConsumerTooSlow")
    return name


def _number(given: Parameters, name: str, most: float, *, least: float = 0.0, default: float | None = None) -> float:
    text = given.get(name)
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        raise ControlError(f"{name}={text}: use a number from {least:g} to {most:g}")
    return value
