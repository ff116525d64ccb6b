"""How much a table of untrusted bytes may claim to hold."""

from __future__ import annotations

from dataclasses import dataclass

from bfrb.errors import DataError

MAX_VALUES = 20_000_000
"""Most values of a table, all columns together."""

MAX_UNPACKED_BYTES = 256 << 20
"""Most bytes of a table, unpacked."""


def refused(expected: str, found: str) -> DataError:
    """The error for a table that is not believed."""
    return DataError(f"expected {expected}, got {found}", remedy="send a whole, flat table of one recording")


@dataclass
class Budget:
    """What a table may still claim."""

    values: int = MAX_VALUES
    unpacked_bytes: int = MAX_UNPACKED_BYTES

    def take_values(self, *counts: int) -> None:
        """Take the largest of some counts of values.

        Raises
        ------
        DataError
            If one is negative, or more than is left.
        """
        self.values -= max(counts)
        if min(counts) < 0 or self.values < 0:
            raise refused(f"at most {MAX_VALUES:,} values in a table", f"a claim of {MAX_VALUES - self.values:,}")

    def take_bytes(self, *counts: int) -> None:
        """Take the largest of some sizes.

        Raises
        ------
        DataError
            If one is negative, or more than is left.
        """
        self.unpacked_bytes -= max(counts)
        if min(counts) < 0 or self.unpacked_bytes < 0:
            limit = MAX_UNPACKED_BYTES >> 20
            claim = MAX_UNPACKED_BYTES - self.unpacked_bytes
            raise refused(f"at most {limit} MiB unpacked in a table", f"a claim of {claim:,} bytes")
