"""Deciding what a post or a profile says."""

import random
import unicodedata

from harness.simulator.drafts import NO_EMBED, PostDraft, ProfileDraft
from harness.simulator.embeds import Embed, EmbedMaker
from harness.simulator.identifiers import CidSource
from harness.simulator.population import Account, Population
from harness.simulator.posts import Post
from harness.simulator.richtext import RichText
from harness.simulator.texts import Writer

_LABELS = ("porn", "sexual", "nudity", "graphic-media", "!no-unauthenticated")
_SHOWN_LINK_CHARACTERS = 26
_NAME_CHARACTERS = 32

# Shares of posts.
_MENTIONING = 0.06
_LINKING = 0.11
_TAGGED = 0.17
_LABELLED = 0.015
# Shares of tagged posts.
_TAGS_UNSEEN_TOO = 0.1
_TAGS_BARE = 0.2
# Cumulated shares of posts with images, video and link cards: of posts that start a thread, and of replies.
_MEDIA_OF_POSTS = (0.30, 0.34, 0.40)
_MEDIA_OF_REPLIES = (0.07, 0.08, 0.10)
_CARD_OF_LINKS = 0.8
_QUOTES_WITH_MEDIA = 0.2


class Composer:
    """Composes posts and profiles."""

    def __init__(self, rng: random.Random, writer: Writer, population: Population, cids: CidSource) -> None:
        self._rng = rng
        self._writer = writer
        self._population = population
        self._embeds = EmbedMaker(rng, writer, cids)

    def post(self, account: Account, parent: Post | None, quoted: Post | None) -> PostDraft:
        """A post of `account`, which may reply to one post and quote another."""
        language, random_ = account.language, self._rng.random
        draft = PostDraft(RichText(), self._langs(language), parent=parent, quoted=quoted)
        rich = draft.rich
        if random_() < _MENTIONING:
            mentioned = self._population.other_than(account)
            rich.mention(mentioned.handle, mentioned.did)
            rich.append(" ")
        rich.append(self._writer.text(language))
        link = self._add_link(rich, language) if random_() < _LINKING else None
        if random_() < _TAGGED:
            self._add_tags(draft, language)
        if random_() < _LABELLED:
            draft.labels.append(_LABELS[int(random_() * len(_LABELS))])
        draft.embed = self._embed(draft, language, link)
        return draft

    def profile(self, account: Account, pinned: Post | None) -> ProfileDraft:
        """A profile of `account`."""
        return ProfileDraft(
            self._writer.phrase(account.language)[:_NAME_CHARACTERS],
            self._writer.text(account.language),
            self._embeds.blob("image/jpeg", 900_000),
            pinned,
        )

    def _langs(self, language: str) -> list[str]:
        """The languages that a client states: none at times, or another spelling, or two."""
        chance = self._rng.random()
        if chance < 0.05:
            return []
        if chance < 0.08 and language != "en":
            return [language, "en"]
        return ["en-US"] if chance > 0.98 and language == "en" else [language]

    def _add_link(self, rich: RichText, language: str) -> str:
        link = self._embeds.address(language)
        shown = link.removeprefix("https://")
        if len(shown) > _SHOWN_LINK_CHARACTERS:
            shown = shown[:_SHOWN_LINK_CHARACTERS] + "..."
        rich.append("\n" if self._rng.random() < 0.5 else " ")
        rich.link(link, shown)
        return link

    def _add_tags(self, draft: PostDraft, language: str) -> None:
        """Add hashtags: as facets, or bare as clients without facets leave them, or in the record's `tags` too."""
        rich, random_ = draft.rich, self._rng.random
        topics: dict[str, str] = {}
        for topic in self._writer.vocabulary.topics[language].draw_many(self._rng, 1 + int(random_() ** 2 * 4)):
            topics.setdefault(topic.lower(), topic)
        sign = "＃" if language == "ja" and random_() < 0.2 else "#"
        way = random_()
        for topic in topics.values():
            rich.append(" ")
            if way >= _TAGS_BARE:
                rich.tag(topic, sign, _odd(topic, way))
            else:
                rich.append(sign + topic)
                rich.tagged(topic)
        if way > 1 - _TAGS_UNSEEN_TOO:
            first = next(iter(topics.values()))
            unseen = f"{first}{len(rich.text)}"
            # One of them repeats a tag in sight in another case: it is the same tag.
            draft.tags = [first.upper() if first.isascii() else first, unseen]
            rich.tagged(unseen)

    def _embed(self, draft: PostDraft, language: str, link: str | None) -> Embed:
        embeds, chance = self._embeds, self._rng.random()
        images, video, card = _MEDIA_OF_POSTS if draft.parent is None else _MEDIA_OF_REPLIES
        if link is not None and chance < _CARD_OF_LINKS:
            media = embeds.external(language, link)
        elif chance < images:
            media = embeds.images(language)
        elif chance < video:
            media = embeds.video(language)
        elif chance < card:
            media = embeds.external(language, embeds.address(language))
        else:
            media = NO_EMBED
        if draft.quoted is None:
            return media
        if media is not NO_EMBED and chance < _QUOTES_WITH_MEDIA:
            return embeds.record_with_media(draft.quoted, media)
        return embeds.record(draft.quoted)


def _odd(topic: str, way: float) -> str:
    """Some clients write a tag with its sign, with a character that nobody sees, or decomposed: readers see the same tag."""
    oddity = int(way * 10_000) % 20
    if oddity == 0:
        return f"#{topic}"
    if oddity == 1:
        return f"{topic[:1]}\u200b{topic[1:]}"
    return unicodedata.normalize("NFD", topic) if oddity == 2 else topic
