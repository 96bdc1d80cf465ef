"""The published cached views: publish, list, read."""

from bluelake.lake.views.published import (
    ColumnInfo,
    UnknownViewError,
    ViewInfo,
    ViewPage,
    current,
    iterate,
    publish,
    read,
)

__all__ = ["ColumnInfo", "UnknownViewError", "ViewInfo", "ViewPage", "current", "iterate", "publish", "read"]
