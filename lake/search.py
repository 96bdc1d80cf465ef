"""Search over the current posts: the interface that an inverted index can fill, and the scan that fills it now.

A scan takes the newest hours first, in groups that grow, until the page and the capped total are known. In each
group it finds the posts that match by themselves, and only for those looks at what supersedes them. How words are
compared is in `TextMatcher`.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
from deltalake.exceptions import DeltaError

from core.clock import to_datetime, to_us
from core.settings import Settings
from lake.duck import connect
from lake.errors import LakeError
from lake.matching import TextMatcher
from lake.relations import BEGINNING_US, END_US, between, current_rows, scan, sql_template
from lake.store import DataFile, Store
from lake.tables import ACCOUNTS, BATCHES, POSTS
