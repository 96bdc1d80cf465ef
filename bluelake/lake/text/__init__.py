"""One canonical form of text, for a tag's key, for searching and for ranking."""

from bluelake.lake.text.canonical import canonical
from bluelake.lake.text.characters import EMOJI_STYLE
from bluelake.lake.text.patterns import patterns
from bluelake.lake.text.tags import tag_key, tags_of

__all__ = ["EMOJI_STYLE", "canonical", "patterns", "tag_key", "tags_of"]
