"""URLs without their credentials, for logs and messages."""

import re

_CREDENTIALS = re.compile(r"://[^\s,'\"]*@")


def without_credentials(address: str) -> str:
    """The address of a host without a name and a password before it."""
    return address.rpartition("@")[2]


def shown(text: str) -> str:
    """`text` with `***` in place of every URL's credentials."""
    return _CREDENTIALS.sub("://***@", text)
