"""Weights in large memory pages: advice that changes no answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bfrb.predict.pages import PAGE_BYTES, find_heap, use_large_pages

from bfrb.predict import pages

CODE = "00400000-00500000 r-xp 00000000 08:01 131 /usr/bin/python3"


def test_only_whole_pages_of_the_heap_are_meant() -> None:
    start, size = find_heap(f"{CODE}\n00700000-00ffffff rw-p 00000000 00:00 0 [heap]") or (0, 0)
    assert start % PAGE_BYTES == size % PAGE_BYTES == 0
    assert start >= 0x700000
    assert start + size <= 0xFFFFFF
    assert size == 3 * PAGE_BYTES


@pytest.mark.parametrize("heap", ["", "00700000-007f0000 rw-p 00000000 00:00 0 [heap]"])
def test_a_small_heap_or_none_is_left_alone(heap: str) -> None:
    assert find_heap(f"{CODE}\n{heap}") is None


def test_a_heap_of_which_a_part_was_advised_before_is_meant_as_a_whole() -> None:
    parts = ["00800000-00c00000 rw-p 00000000 00:00 0 [heap]", "00c00000-01200000 rw-p 00000000 00:00 0 [heap]"]
    assert find_heap("\n".join([CODE, *parts])) == (0x800000, 5 * PAGE_BYTES)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such setting")
def test_large_allocations_lie_in_the_heap() -> None:
    code = """
import sys
from pathlib import Path
import numpy as np
from bfrb.predict.pages import HEAP_BYTES, keep_in_heap
if not keep_in_heap():
    sys.exit(0)
def is_in_heap(array):
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("[heap]")]
    ends = [[int(place, 16) for place in line[0].split("-")] for line in lines]
    return any(first <= array.ctypes.data < last for first, last in ends)
assert is_in_heap(np.ones(HEAP_BYTES // 2, np.uint8))
assert not is_in_heap(np.ones(2 * HEAP_BYTES, np.uint8))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_is_done_where_there_is_no_memory_map(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pages, "_MAPS", tmp_path / "absent")
    assert use_large_pages() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such advice")
def test_what_is_in_memory_stays_as_it_is() -> None:
    code = """
import random
from bfrb.predict.pages import PAGE_BYTES, use_large_pages
held = [random.Random(seed).randbytes(5000) for seed in range(4000)]
assert use_large_pages() >= PAGE_BYTES
assert all(bytes == random.Random(seed).randbytes(5000) for seed, bytes in enumerate(held))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
