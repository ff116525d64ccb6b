"""Errors a user can mend.

Every error raised for bad input is a `BfrbError`. The command line turns it into two lines on stderr and exit
code 2; in Python it is an ordinary exception.
"""

from typing import Any


class BfrbError(Exception):
    r"""Input that cannot be used.

    Parameters
    ----------
    problem
        What was expected and what came instead, in one or two sentences.
    remedy
        What the user can do about it.

    Examples
    --------
    >>> str(BfrbError("expected a folder, got the file 'a.csv'", remedy="name the folder it lies in"))
    "expected a folder, got the file 'a.csv'\n  to do: name the folder it lies in"
    """

    def __init__(self, problem: str, *, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.problem, self.remedy)

    def __str__(self) -> str:
        return f"{self.problem}\n  to do: {self.remedy}"


class DataError(BfrbError):
    """Recordings, labels or demographics that cannot be read or do not fit together."""


class ConfigError(BfrbError):
    """A spec, preset or option that does not exist or has an impossible value."""


class BundleError(BfrbError):
    """A bundle that is damaged, incomplete or made for something else."""


def _rebuild(kind: type[BfrbError], problem: str, remedy: str) -> BfrbError:
    """The error on the other side of a process's border."""
    return kind(problem, remedy=remedy)
