"""URLs as people may see them: without the name and the password that they may hold."""

import re

_CREDENTIALS = re.compile(r"://[^\s,'\"]*@")


def shown(text: str) -> str:
    """`text` with `***` in place of every URL's credentials."""
    return _CREDENTIALS.sub("://***@", text)
