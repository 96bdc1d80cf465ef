"""Posts and profiles as JSON: as records, and as the ledger tells them.

A record's keys are in alphabetical order: repositories keep them so (DAG-CBOR), and Jetstream serves them so.
"""

from dataclasses import dataclass, field

from harness.simulator.embeds import Embed
from harness.simulator.posts import Post
from harness.simulator.richtext import RichText
from harness.simulator.texts import json_string, json_strings

NO_EMBED = Embed("", "none")


@dataclass(slots=True)
class PostDraft:
    """A post. tags: the record's `tags`, which no reader sees."""

    rich: RichText
    langs: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    embed: Embed = NO_EMBED
    parent: Post | None = None
    quoted: Post | None = None

    @property
    def root(self) -> Post | None:
        """The post that started the thread."""
        return self.parent and (self.parent.root or self.parent)

    def record(self, created_at: str) -> str:
        """The record, app.bsky.feed.post."""
        parts = [f'{{"$type":"app.bsky.feed.post","createdAt":"{created_at}"']
        if self.embed.json:
            parts.append(f'"embed":{self.embed.json}')
        if self.rich.facets:
            parts.append(f'"facets":[{",".join(self.rich.facets)}]')
        if self.labels:
            values = ",".join(f'{{"val":"{label}"}}' for label in self.labels)
            parts.append(f'"labels":{{"$type":"com.atproto.label.defs#selfLabels","values":[{values}]}}')
        if self.langs:
            parts.append(f'"langs":{json_strings(self.langs)}')
        if self.parent is not None and self.root is not None:
            parts.append(f'"reply":{{"parent":{self.parent.ref},"root":{self.root.ref}}}')
        if self.tags:
            parts.append(f'"tags":{json_strings(self.tags)}')
        parts.append(f'"text":{json_string(self.rich.text)}}}')
        return ",".join(parts)

    def truth(self, cid: str) -> str:
        """The ledger's fields of a post."""
        rich, embed = self.rich, self.embed
        links = list(dict.fromkeys([*rich.links, *([embed.link] if embed.link else [])]))
        domains = list(dict.fromkeys(link.split("/")[2] for link in links))
        return (
            f'"cid":"{cid}","text":{json_string(rich.text)},"langs":{json_strings(self.langs)},'
            f'"hashtags":{json_strings(rich.hashtags)},"hashtag_keys":{json_strings(rich.hashtag_keys)},'
            f'"mentions":{json_strings(rich.mentions)},'
            f'"links":{json_strings(links)},"domains":{json_strings(domains)},'
            f"{_reference('reply_parent', self.parent)},{_reference('reply_root', self.root)},{_reference('quote', self.quoted)},"
            f'"embed":"{embed.kind}","media_count":{embed.media_count},'
            f'"alt_texts":{json_strings(list(embed.alt_texts))},"labels":{json_strings(self.labels)}'
        )


@dataclass(slots=True)
class ProfileDraft:
    """A profile. avatar: a blob's JSON."""

    display_name: str
    description: str
    avatar: str
    pinned: Post | None = None

    def record(self, created_at: str | None) -> str:
        """The record, app.bsky.actor.profile. Old ones have no time of creation."""
        parts = [f'{{"$type":"app.bsky.actor.profile","avatar":{self.avatar}']
        if created_at is not None:
            parts.append(f'"createdAt":"{created_at}"')
        parts.append(f'"description":{json_string(self.description)}')
        parts.append(f'"displayName":{json_string(self.display_name)}')
        if self.pinned is not None:
            parts.append(f'"pinnedPost":{self.pinned.ref}')
        return ",".join(parts) + "}"

    def truth(self, cid: str) -> str:
        """The ledger's fields of a profile."""
        pinned = f'"{self.pinned.rkey}"' if self.pinned is not None else "null"
        return (
            f'"cid":"{cid}","display_name":{json_string(self.display_name)},'
            f'"description":{json_string(self.description)},"pinned_post_rkey":{pinned}'
        )


def _reference(name: str, post: Post | None) -> str:
    if post is None:
        return f'"{name}_did":null,"{name}_rkey":null'
    return f'"{name}_did":"{post.account.did}","{name}_rkey":"{post.rkey}"'
