"""Vocabularies: the words of a language, drawn by Zipf's law."""

import random
from collections.abc import Sequence
from typing import Generic, TypeVar

from harness.simulator import words

T = TypeVar("T")

# Words in the synthetic tail of each vocabulary. The rarest come once in 65,536 words.
_TAIL_WORDS = 12_000
_ZIPF_EXPONENT = 1.12
_LEAST_TABLE_BITS = 16


class ZipfTable(Generic[T]):
    """Items of which the r-th is drawn in proportion to 1 / (r + offset) ** exponent.

    Drawn from a table of at least 65,536 places in which frequent items stand many times: a draw costs one look-up.
    """

    def __init__(self, items: Sequence[T], exponent: float, offset: float = 2.7) -> None:
        weights = [(rank + offset) ** -exponent for rank in range(len(items))]
        self._bits = max(_LEAST_TABLE_BITS, len(items).bit_length() + 2)
        places, total = 1 << self._bits, sum(weights)
        table: list[T] = []
        owed = 0.0
        for item, weight in zip(items, weights, strict=True):
            owed += weight / total * places
            count = int(owed)
            table.extend([item] * count)
            owed -= count
        table.extend(items[0] for _ in range(places - len(table)))
        self._table = table

    def draw(self, rng: random.Random) -> T:
        """One item."""
        return self._table[rng.getrandbits(self._bits)]

    def draw_many(self, rng: random.Random, count: int) -> list[T]:
        """`count` items, with repetitions."""
        table, mask = self._table, (1 << self._bits) - 1
        return [table[place & mask] for place in memoryview(rng.randbytes(count * 4)).cast("I")]


def synthetic_latin(rng: random.Random, count: int, vowels: str, consonants: str) -> list[str]:
    """Distinct pronounceable words of two to four syllables."""
    found: dict[str, None] = {}
    while len(found) < count:
        syllables = 2 + int(rng.random() * 3)
        word = "".join(_one(rng, consonants) + _one(rng, vowels) for _ in range(syllables))
        found[word if rng.random() < 0.6 else word + _one(rng, consonants)] = None
    return list(found)


def synthetic_japanese(rng: random.Random, count: int) -> list[str]:
    """Distinct words of two or three kanji, or three to five katakana."""
    found: dict[str, None] = {}
    while len(found) < count:
        if rng.random() < 0.6:
            word = "".join(_one(rng, words.KANJI) for _ in range(2 + int(rng.random() * 2)))
        else:
            word = "".join(_one(rng, words.KATAKANA) for _ in range(3 + int(rng.random() * 3)))
        found[word] = None
    return list(found)


def _one(rng: random.Random, characters: str) -> str:
    return characters[int(rng.random() * len(characters))]


class Vocabulary:
    """Every word that the population knows, by language (ISO 639-1)."""

    def __init__(self, rng: random.Random) -> None:
        english = synthetic_latin(rng, _TAIL_WORDS, "aeiouaeioy", "bcdfglmnprstvwz")
        portuguese = synthetic_latin(rng, _TAIL_WORDS // 2, "aeiouãéôa", "bcçdfglmnprstv")
        czech = synthetic_latin(rng, _TAIL_WORDS // 2, "aeiouáěíýů", "bcčdhjklmnpřsštvzž")
        self.latin = {
            "en": ZipfTable([*words.ENGLISH, *english], _ZIPF_EXPONENT),
            "pt": ZipfTable([*words.PORTUGUESE, *portuguese], _ZIPF_EXPONENT),
            "cs": ZipfTable([*words.CZECH, *czech], _ZIPF_EXPONENT),
        }
        japanese = synthetic_japanese(rng, _TAIL_WORDS)
        self.nouns = ZipfTable([*words.JAPANESE, *japanese], _ZIPF_EXPONENT)
        self.particles = ZipfTable(words.JAPANESE_PARTICLES, 0.8)
        self.endings = ZipfTable(words.JAPANESE_ENDINGS, 0.7)
        self.stops = ZipfTable(words.JAPANESE_STOPS, 0.9)
        self.emoji = ZipfTable(words.EMOJI, 0.8)
        self.asides = ZipfTable(words.ASIDES, 0.3)
        topics = [*words.TOPICS, *(word.capitalize() for word in english[:600])]
        self.topics = {
            "en": ZipfTable(topics, 1.0),
            "ja": ZipfTable([*words.TOPICS_JAPANESE, *japanese[:300]], 1.0),
            "pt": ZipfTable([*words.TOPICS_OTHER, *portuguese[:200]], 1.0),
            "cs": ZipfTable([*words.TOPICS_OTHER[4:], *czech[:200]], 1.0),
        }
        self.names = english[:4000]
