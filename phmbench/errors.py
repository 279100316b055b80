"""Errors that end a run with a message for the user and without a traceback.

    PhmbenchError            exit code 1
    ├── ConfigError          exit code 2: the choices are wrong; all findings at once, before torch is imported
    ├── DataError            exit code 3: the data are missing, damaged or not enough for what is asked
    │   └── LeakageError     exit code 4: the audit found samples of the test set in training or validation
    ├── PrunedError          a search has ended this trial: no failure
    └── RecordError          exit code 5: a run directory is not what it must be (in use, damaged, of another run)

A message reads "name: what; got …; expected …; next step".
"""


class PhmbenchError(Exception):
    """Root of all errors that are meant for the user."""

    exit_code = 1


class ConfigError(PhmbenchError):
    """The choices are wrong."""

    exit_code = 2


class DataError(PhmbenchError):
    """The data are missing, damaged, or not enough for what is asked."""

    exit_code = 3


class LeakageError(DataError):
    """The test set shares samples with training or validation."""

    exit_code = 4


class PrunedError(PhmbenchError):
    """A search has ended this trial, since others were better by then."""


class RecordError(PhmbenchError):
    """A run directory is in use, damaged, or belongs to another run."""

    exit_code = 5
