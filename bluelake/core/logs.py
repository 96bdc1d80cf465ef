"""One log format for every process: UTC time, level, process, message."""

import logging
import sys
import time


def set_up_logging(process: str, level: str) -> None:
    """Send this process's log to stderr, each line marked with `process`."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(
        f"%(asctime)s.%(msecs)03dZ %(levelname)s {process}: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if level == "DEBUG":
        # At DEBUG it logs every frame, and the password of a host.
        logging.getLogger("websockets").setLevel("INFO")
