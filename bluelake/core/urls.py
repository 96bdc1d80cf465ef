"""URLs as people may see them: without the name and the password that they may hold."""

import re

_CREDENTIALS = re.compile(r"://[^\s,'\"]*@")


def without_credentials(address: str) -> str:
    """A host's address without the name and the password that may stand before it."""
    return address.rpartition("@")[2]


def shown(text: str) -> str:
    """`text` with `***` in place of every URL's credentials."""
    return _CREDENTIALS.sub("://***@", text)
