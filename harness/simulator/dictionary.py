"""The zstd dictionary that both wires compress with, trained from frames of the simulator's own."""

import asyncio

import zstandard

from harness.simulator.envelopes import envelope
from harness.simulator.generator import generate_events

_SEED = 1
_FRAMES = 2_000
_ACCOUNTS = 500
_START_US = 1_783_175_888_000_000
_RATE = 600.0
_BYTES = 65_536
_DICTIONARY_ID = 20_260_704
# Parameters of the trainer: given, since searching for the best ones takes seconds.
_SEGMENT_BYTES = 200
_GRAM_BYTES = 8


def train_dictionary(identity: int = _DICTIONARY_ID) -> zstandard.ZstdCompressionDict:
    """The dictionary with that id, the same at every call."""
    samples: list[bytes | bytearray | memoryview[int]] = []
    for number, event in enumerate(generate_events(_FRAMES, _SEED, _START_US, _RATE, _ACCOUNTS)):
        found = envelope(event.frame, number)
        samples.append(event.frame if found is None or number % 2 else found[1])
    return zstandard.train_dictionary(_BYTES, samples, k=_SEGMENT_BYTES, d=_GRAM_BYTES, dict_id=identity)


class Dictionary:
    """The current dictionary, trained when it is first asked for."""

    def __init__(self) -> None:
        self._training: asyncio.Task[zstandard.ZstdCompressionDict] | None = None
        self.id = _DICTIONARY_ID
        """What its header says."""

    async def get(self) -> zstandard.ZstdCompressionDict:
        """The dictionary."""
        if self._training is None:
            self._training = asyncio.create_task(asyncio.to_thread(train_dictionary, self.id))
        return await asyncio.shield(self._training)

    def retire(self) -> None:
        """Go over to one with another id. Who has the old one has to fetch the new one to subscribe again."""
        self.id += 1
        self._training = None
