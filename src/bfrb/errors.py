"""Errors a user can mend.

Every error raised for bad input is a `BfrbError`. The command line turns it into two lines on stderr and exit
code 2; in Python it is an ordinary exception.
"""

from functools import partial
from typing import Any


class BfrbError(Exception):
    r"""Input that cannot be used: what was expected and what came instead, and what the user can do about it.

    >>> str(BfrbError("expected a folder, got the file 'a.csv'", remedy="name the folder it lies in"))
    "expected a folder, got the file 'a.csv'\n  to do: name the folder it lies in"
    """

    def __init__(self, problem: str, *, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), remedy=self.remedy), (self.problem,)

    def __str__(self) -> str:
        return f"{self.problem}\n  to do: {self.remedy}"


class DataError(BfrbError):
    """Recordings, labels or demographics that cannot be read or do not fit together."""


class ConfigError(BfrbError):
    """A spec, preset or option that does not exist or has an impossible value."""


class BundleError(BfrbError):
    """A bundle that is damaged, incomplete or made for something else."""
