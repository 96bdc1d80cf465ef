"""Exceptions of the simulator.

SimulatorError               base; the message is one line that says what to do; exit code 2
├── OptionError              an option's value cannot be used
├── PortTakenError           the address cannot be listened on
├── FramesFileError          the file of frames cannot be read
├── LedgerError              the ledger cannot be read or written
│   └── LedgerMismatchError  the ledger records another timeline than the one being served
├── ControlError             a fault's parameters are wrong; becomes an HTTP 400
└── SubscriptionError        a subscriber's parameters are wrong; becomes an HTTP 400
    ├── CursorTooOldError    v2: the cursor's event is not there any more
    └── UnknownDictionaryError  v2: no such dictionary
"""


class SimulatorError(Exception):
    """Base of every exception that the simulator raises on purpose."""

    exit_code = 2


class OptionError(SimulatorError):
    """An option's value cannot be used."""


class PortTakenError(SimulatorError):
    """The address cannot be listened on."""


class FramesFileError(SimulatorError):
    """The file of frames cannot be read."""


class LedgerError(SimulatorError):
    """The ledger cannot be read or written."""


class LedgerMismatchError(LedgerError):
    """The ledger records another timeline than the one being served."""


class SubscriptionError(SimulatorError):
    """A subscriber's parameters are wrong. name: what v2 calls the error."""

    name = "InvalidRequest"


class CursorTooOldError(SubscriptionError):
    """The cursor's event is not there any more; the message carries the oldest number that is."""

    name = "CursorTooOld"


class UnknownDictionaryError(SubscriptionError):
    """There is no such dictionary; the message carries the id of the one that there is."""

    name = "UnknownZstdDictionary"


class ControlError(SimulatorError):
    """A fault's parameters are wrong."""
