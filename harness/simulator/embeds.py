"""What posts carry: images, video, link cards, quotes. app.bsky.embed.*"""

import random
from typing import NamedTuple

from harness.simulator.identifiers import CidSource
from harness.simulator.posts import Post
from harness.simulator.texts import Writer, json_string

_SHAPES = ((2000, 1500), (1080, 1920), (1200, 1200), (1600, 900), (900, 1600))
_MOST_IMAGES = 4
_DOMAIN_ENDINGS = ("example", "example.com", "example.org", "test", "example.net")


class Embed(NamedTuple):
    """An embed as JSON, and what there is to know about it.

    kind: as the lake names it. alt_texts: those that are not empty. link: where a link card leads.
    """

    json: str
    kind: str
    media_count: int = 0
    alt_texts: tuple[str, ...] = ()
    link: str | None = None


class EmbedMaker:
    """Makes embeds."""

    def __init__(self, rng: random.Random, writer: Writer, cids: CidSource) -> None:
        self._rng = rng
        self._writer = writer
        self._cids = cids

    def blob(self, mime_type: str, most_bytes: int) -> str:
        """A reference to an uploaded file."""
        size = 4000 + int(self._rng.random() * most_bytes)
        cid = self._cids.blob()
        return f'{{"$type":"blob","ref":{{"$link":"{cid}"}},"mimeType":"{mime_type}","size":{size}}}'

    def _aspect_ratio(self) -> str:
        width, height = _SHAPES[int(self._rng.random() * len(_SHAPES))]
        return f'{{"height":{height},"width":{width}}}'

    def images(self, language: str) -> Embed:
        """One to four images, a third of them with an alternative text."""
        random_ = self._rng.random
        count = 1 + int(random_() ** 3 * _MOST_IMAGES)
        alts = [self._writer.phrase(language) if random_() < 0.35 else "" for _ in range(count)]
        images = ",".join(
            f'{{"alt":{json_string(alt)},"aspectRatio":{self._aspect_ratio()},"image":{self.blob("image/jpeg", 950_000)}}}'
            for alt in alts
        )
        body = f'{{"$type":"app.bsky.embed.images","images":[{images}]}}'
        return Embed(body, "images", count, tuple(alt for alt in alts if alt))

    def video(self, language: str) -> Embed:
        """A video, sometimes with an alternative text."""
        alt = self._writer.phrase(language) if self._rng.random() < 0.2 else ""
        described = f'"alt":{json_string(alt)},' if alt else ""
        body = (
            f'{{"$type":"app.bsky.embed.video",{described}"aspectRatio":{self._aspect_ratio()},'
            f'"video":{self.blob("video/mp4", 30_000_000)}}}'
        )
        return Embed(body, "video", 1, (alt,) if alt else ())

    def address(self, language: str) -> str:
        """A web address; its domain is one of those that RFC 2606 keeps free."""
        names, random_ = self._writer.vocabulary.names, self._rng.random
        # The cube makes some sites much more popular than others.
        site = names[int(random_() ** 3 * len(names))]
        ending = _DOMAIN_ENDINGS[len(site) % len(_DOMAIN_ENDINGS)]
        slug = "-".join(names[int(random_() * len(names))] for _ in range(2 + int(random_() * 4)))
        query = f"?lang={language}&ref=feed" if random_() < 0.2 else ""
        return f"https://{'www.' if random_() < 0.4 else ''}{site}.{ending}/{slug}{query}"

    def external(self, language: str, link: str) -> Embed:
        """The card of a web page."""
        thumb = f'"thumb":{self.blob("image/jpeg", 400_000)},' if self._rng.random() < 0.85 else ""
        description = json_string(self._writer.phrase(language))
        title = json_string(self._writer.phrase(language))
        body = (
            f'{{"$type":"app.bsky.embed.external","external":{{"description":{description},{thumb}'
            f'"title":{title},"uri":{json_string(link)}}}}}'
        )
        return Embed(body, "external", link=link)

    def record(self, quoted: Post) -> Embed:
        """A quote."""
        return Embed(f'{{"$type":"app.bsky.embed.record","record":{quoted.ref}}}', "record")

    def record_with_media(self, quoted: Post, media: Embed) -> Embed:
        """A quote with images, a video or a link card of its own."""
        record = self.record(quoted).json
        body = f'{{"$type":"app.bsky.embed.recordWithMedia","media":{media.json},"record":{record}}}'
        return media._replace(json=body, kind="record_with_media")
