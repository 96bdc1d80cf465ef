"""Numbers as people read them."""

from collections.abc import Sequence

from django import template

register = template.Library()


@register.filter
def thousands(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


@register.filter
def thousandth(number: int) -> str:
    """Milliseconds as seconds."""
    return f"{number / 1000:,.2f}"


@register.filter
def megabytes(size_bytes: int) -> str:
    """Bytes as MB."""
    return f"{size_bytes / 1e6:,.1f}"


@register.filter
def at(items: Sequence[object], index: int) -> object:
    """The item at `index`."""
    return items[index]
