"""Exceptions of the harness.

HarnessError
├── TruthError       the ledger or the lake is not what the oracle can read
└── PipelineError    a command of the pipeline failed although nothing was wrong any more
"""


class HarnessError(Exception):
    """Base of everything that the harness raises on purpose."""


class TruthError(HarnessError):
    """A ledger, a Delta log or a Parquet file cannot be read; the message names it."""


class PipelineError(HarnessError):
    """A command failed, or did not end, while no fault was on."""
