"""Text with facets: mentions, links and tags that know which bytes they stand on.

https://docs.bsky.app/docs/advanced-guides/post-richtext: positions count bytes of UTF-8.
"""

from harness.simulator.texts import json_string


class RichText:
    """Text that grows at its end."""

    __slots__ = ("facets", "hashtag_keys", "hashtags", "links", "mentions", "text")

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.facets: list[str] = []
        self.hashtags: list[str] = []
        self.hashtag_keys: list[str] = []
        self.mentions: list[str] = []
        self.links: list[str] = []

    def append(self, text: str) -> None:
        """Add plain text."""
        self.text += text

    def mention(self, handle: str, did: str) -> None:
        """Add a mention, shown as its handle."""
        self._facet(f"@{handle}", f'{{"$type":"app.bsky.richtext.facet#mention","did":"{did}"}}')
        self.mentions.append(did)

    def link(self, link: str, shown: str) -> None:
        """Add a link, shown as `shown`."""
        self._facet(shown, f'{{"$type":"app.bsky.richtext.facet#link","uri":{json_string(link)}}}')
        self.links.append(link)

    def tag(self, tag: str, sign: str = "#", written: str = "") -> None:
        """Add a hashtag with its sign. `written`: how the facet has it, `tag` unless told otherwise."""
        self._facet(sign + tag, f'{{"$type":"app.bsky.richtext.facet#tag","tag":{json_string(written or tag)}}}')
        self.tagged(tag, written)

    def tagged(self, tag: str, written: str = "") -> None:
        """Take note of a hashtag: its key, and how the lake shows it, without a sign."""
        self.hashtags.append((written or tag).removeprefix("#"))
        self.hashtag_keys.append(tag.lower())

    def _facet(self, shown: str, feature: str) -> None:
        start = len(self.text.encode())
        end = start + len(shown.encode())
        self.facets.append(f'{{"features":[{feature}],"index":{{"byteEnd":{end},"byteStart":{start}}}}}')
        self.text += shown
