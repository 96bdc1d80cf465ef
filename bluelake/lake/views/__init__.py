"""The published cached views: publish, list, read."""

from bluelake.lake.views.published import (
    ColumnInfo,
    Published,
    UnknownViewError,
    ViewInfo,
    ViewPage,
    current,
    iterate,
    publish,
    read,
)

__all__ = [
    "ColumnInfo",
    "Published",
    "UnknownViewError",
    "ViewInfo",
    "ViewPage",
    "current",
    "iterate",
    "publish",
    "read",
]
