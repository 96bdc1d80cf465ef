"""What people write: running text in Latin and Japanese script, and JSON strings of it."""

import json.encoder
import math
import random
import statistics

from harness.simulator.vocabulary import Vocabulary

_encode = json.encoder.encode_basestring
_HTML = (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e"))

# Words in a post: most posts are short, few are long, and 300 characters is the end.
_MEDIAN_WORDS = 13
_WORDS_SPREAD = 0.75
_MOST_WORDS = 44
_QUANTILES = 512
_STOPS = (". ", ". ", ". ", ". ", "! ", "? ", "... ", ", ")
# A Japanese phrase (a noun and its particle) stands for about this many Latin words.
_WORDS_A_PHRASE = 2.2


def json_string(text: str) -> str:
    """`text` as a JSON string, escaped as Go's encoder does, which Jetstream uses: &, < and > too."""
    encoded = _encode(text)
    if "&" in encoded or "<" in encoded or ">" in encoded:
        for character, escape in _HTML:
            encoded = encoded.replace(character, escape)
    return encoded


def json_strings(texts: list[str]) -> str:
    """A JSON list of strings."""
    return "[" + ",".join(map(json_string, texts)) + "]" if texts else "[]"


class Writer:
    """Writes what an account of a language would."""

    def __init__(self, rng: random.Random, vocabulary: Vocabulary) -> None:
        self._rng = rng
        self.vocabulary = vocabulary
        spread = statistics.NormalDist(math.log(_MEDIAN_WORDS), _WORDS_SPREAD)
        quantiles = (spread.inv_cdf((place + 0.5) / _QUANTILES) for place in range(_QUANTILES))
        self._lengths = [min(_MOST_WORDS, max(1, round(math.exp(quantile)))) for quantile in quantiles]

    def text(self, language: str) -> str:
        """A post's worth of text, without tags, mentions and links."""
        random_ = self._rng.random
        length = self._lengths[int(random_() * _QUANTILES)]
        text = self.japanese(length) if language == "ja" else self.latin(language, length)
        chance = random_()
        if chance < 0.25:
            text = f"{text} {self.vocabulary.emoji.draw(self._rng)}"
        elif chance < 0.33:
            text = f"{text}\n\n{self.vocabulary.asides.draw(self._rng)}"
        return text

    def phrase(self, language: str) -> str:
        """A few words: a title, an alternative text, a name."""
        length = 3 + int(self._rng.random() * 8)
        return self.japanese(length) if language == "ja" else self.latin(language, length)

    def latin(self, language: str, length: int) -> str:
        """`length` words in sentences."""
        words = self.vocabulary.latin[language].draw_many(self._rng, length)
        random_ = self._rng.random
        sentences = []
        start = 0
        while start < length:
            end = start + 4 + int(random_() * 10)
            sentence = " ".join(words[start:end])
            sentences.append(sentence[0].upper() + sentence[1:] + _STOPS[int(random_() * len(_STOPS))])
            start = end
        text = "".join(sentences).rstrip(", ")
        return text.replace(". ", ".\n\n", 1) if len(sentences) > 2 and random_() < 0.3 else text

    def japanese(self, length: int) -> str:
        """About as much as `length` Latin words, without spaces, as it is written."""
        vocabulary, rng = self.vocabulary, self._rng
        phrases = max(1, round(length / _WORDS_A_PHRASE))
        nouns = vocabulary.nouns.draw_many(rng, phrases)
        particles = vocabulary.particles.draw_many(rng, phrases)
        written = []
        for position in range(phrases):
            written.append(nouns[position])
            if position % 4 == 3 or position == phrases - 1:
                written.append(vocabulary.endings.draw(rng))
                written.append(vocabulary.stops.draw(rng))
            else:
                written.append(particles[position])
        return "".join(written)
