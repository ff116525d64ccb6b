"""Pickled arrays and scalers, read as data: no class is looked up, no function is called.

A pickle is a program for a small stack machine that may call any function there is. Here its instructions are followed
as far as they put data together; the few names that arrays and scikit-learn's `StandardScaler` are made of are known
by their spelling, and any other name is refused. Neither scikit-learn nor joblib has to be installed.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bfrb.arrays import Array
from bfrb.errors import BundleError

MAX_BYTES = 64 * 2**20
"""Larger files are refused: a scaler or a list of names has some kilobytes."""


STANDARD_SCALER = "StandardScaler"

_KINDS = {
    "numpy.ndarray": "ndarray",
    "numpy.dtype": "dtype",
    "numpy.core.multiarray._reconstruct": "array",
    "numpy._core.multiarray._reconstruct": "array",
    "numpy.core.numeric._frombuffer": "buffer",
    "numpy._core.numeric._frombuffer": "buffer",
    "numpy.core.multiarray.scalar": "scalar",
    "numpy._core.multiarray.scalar": "scalar",
    "sklearn.preprocessing._data.StandardScaler": STANDARD_SCALER,
    "sklearn.preprocessing.data.StandardScaler": STANDARD_SCALER,
    "joblib.numpy_pickle.NumpyArrayWrapper": "joblib",
    "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper": "joblib",
    "copyreg._reconstructor": "reconstructor",
    "copy_reg._reconstructor": "reconstructor",
    "builtins.object": "object",
    "__builtin__.object": "object",
    "_codecs.encode": "encode",
}
"""Every name that may stand in a pickle, and what is made of it."""

_CONSTANTS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_NOTHING = {"PROTO", "FRAME"}

_DTYPE = re.compile(r"[biuf][1248]|O8?|U\d{1,4}")
_DAMAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, EOFError, RecursionError)


@dataclass(eq=False)
class Instance:
    """A name in a pickle, or something made of it.

    Parameters
    ----------
    kind
        What is made: a value of the table above.
    arguments
        What it is made from; None for the bare name.
    state
        What was set afterwards.
    """

    kind: str
    arguments: tuple[Any, ...] | None = None
    state: Any = None


class _RefusedError(Exception):
    """The pickle wants something that is not admitted."""


def read_pickle(path: Path) -> Any:
    """What is in a pickle or joblib file: numbers, text, lists, tuples, dicts, arrays and `Instance`s of scalers.

    Raises
    ------
    BundleError
        If the file is too large, damaged, compressed, or asks for anything else.
    """
    with path.open("rb") as file:
        return _reading(path, lambda: _load(_buffer(file, path)))


def read_npy(path: Path) -> Array:
    """The array in a `.npy` file; an array of objects must be one of strings.

    Raises
    ------
    BundleError
        If the file is too large, damaged or holds other objects.
    """
    with path.open("rb") as file:
        array: Array = _reading(path, lambda: _load_npy(_buffer(file, path)))
    return array


def _reading(path: Path, read: Callable[[], Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd escapes in texts of damaged files
            return read()
    except _RefusedError as error:
        raise BundleError(
            f"{path} is refused: {error}",
            remedy="save it again as an array of strings or a plain StandardScaler, uncompressed",
        ) from None
    except _DAMAGE as error:
        raise BundleError(f"{path} is damaged or no such file: {error}", remedy="copy it again") from None


def _buffer(file: BinaryIO, path: Path) -> io.BytesIO:
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise BundleError(f"{path} has more than {MAX_BYTES} bytes", remedy="check that it is the right file")
    return io.BytesIO(data)


def _load_npy(file: io.BytesIO) -> Array:
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = header[np.lib.format.read_magic(file)](file)
    if not dtype.hasobject:
        file.seek(0)
        plain: Array = np.lib.format.read_array(file, allow_pickle=False)
        return plain
    array = _load(file)
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ValueError("its objects are no array of the announced shape")
    return array


def _load(file: io.BytesIO) -> Any:
    if file.getvalue()[file.tell() : file.tell() + 1] not in (b"\x80", b"(", b"c", b"]", b"}"):
        raise _RefusedError("it is compressed, or no pickle")
    return _resolve(_Machine(file).run(), {})


class _Machine:
    """The stack machine, without calls: `REDUCE` and its kin only note what should be made of what."""

    def __init__(self, file: io.BytesIO) -> None:
        self.file = file
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for opcode, argument, _ in pickletools.genops(self.file):
            if opcode.name == "STOP":
                return self.stack.pop()
            self._step(opcode.name, argument)
        raise EOFError("it ends too early")

    def _step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self.stack.append(argument)
        elif name in _VALUES:
            self.stack.append(_VALUES[name])
        elif name in _TUPLES:
            self.stack[-_TUPLES[name] :] = [tuple(self.stack[-_TUPLES[name] :])]
        elif name in _PUTS:
            self.memo[int(argument)] = self.stack[-1]
        elif name in _GETS:
            self.stack.append(self.memo[int(argument)])
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in _NOTHING:
            raise _RefusedError(f"the instruction {name} is not admitted")

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def gather(self, kind: Callable[[list[Any]], Any]) -> None:
        gathered = kind(self.pop_mark())
        self.stack.append(gathered)

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def push_name(self, argument: str) -> None:
        name = argument.replace(" ", ".")
        if name not in _KINDS:
            raise _RefusedError(f"it asks for {name}, which is not admitted; nothing was run")
        self.stack.append(Instance(_KINDS[name]))

    def push_stack_name(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.push_name(f"{module} {name}")

    def make(self, _: Any) -> None:
        arguments, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, Instance) or name.arguments is not None or not isinstance(arguments, tuple):
            raise _RefusedError("it calls something that is no known name")
        if name.kind == "reconstructor":
            name, arguments = arguments[0], ()
        self.stack.append(Instance(name.kind, arguments))

    def build(self, _: Any) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if not isinstance(made, Instance) or made.arguments is None:
            raise _RefusedError("it changes something that it did not make")
        made.state = state
        if made.kind == "joblib":
            self.stack[-1] = _read_joblib_array(self.file, _resolve(state, {}))

    def append(self, _: Any) -> None:
        value = self.stack.pop()
        self.stack[-1].append(value)

    def appends(self, _: Any) -> None:
        values = self.pop_mark()
        self.stack[-1].extend(values)

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][key] = value

    def set_items(self, _: Any) -> None:
        values = self.pop_mark()
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "MEMOIZE": _Machine.memoize,
    "GLOBAL": _Machine.push_name,
    "STACK_GLOBAL": _Machine.push_stack_name,
    "REDUCE": _Machine.make,
    "NEWOBJ": _Machine.make,
    "BUILD": _Machine.build,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "TUPLE": lambda machine, _: machine.gather(tuple),
    "LIST": lambda machine, _: machine.gather(list),
    "DICT": lambda machine, _: machine.gather(lambda values: dict(zip(values[::2], values[1::2], strict=True))),
}


def _resolve(value: Any, done: dict[int, Any]) -> Any:
    """The same data with arrays, types and bytes in place of what was noted; shared parts are resolved once."""
    if id(value) not in done:
        done[id(value)] = _resolve_anew(value, done)
    return done[id(value)]


def _resolve_anew(value: Any, done: dict[int, Any]) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_resolve(item, done) for item in value)
    if isinstance(value, dict):
        return {key: _resolve(item, done) for key, item in value.items()}
    if not isinstance(value, Instance) or value.arguments is None:
        return value
    arguments, state = _resolve(value.arguments, done), _resolve(value.state, done)
    if value.kind == STANDARD_SCALER:
        return Instance(value.kind, (), state)
    return _MAKERS[value.kind](arguments, state)


def _make_dtype(arguments: Any, state: Any) -> np.dtype[Any]:
    if not _DTYPE.fullmatch(arguments[0]):
        raise _RefusedError(f"arrays of type {arguments[0]!r} are not admitted")
    dtype: np.dtype[Any] = np.dtype(arguments[0])
    if state is not None and (state[2] is not None or state[3] is not None):
        raise _RefusedError("arrays of records are not admitted")
    return dtype if state is None or state[1] not in ("<", ">") else dtype.newbyteorder(state[1])


def _make_array(_: Any, state: Any) -> Array:
    _, shape, dtype, fortran, data = state
    return _fill(shape, dtype, "F" if fortran else "C", data)


def _make_from_buffer(arguments: Any, _: Any) -> Array:
    data, dtype, shape, order = arguments
    return _fill(shape, dtype, order, data)


def _make_scalar(arguments: Any, _: Any) -> Any:
    dtype, data = arguments
    return _fill((), dtype, "C", data)[()]


def _make_bytes(arguments: Any, _: Any) -> bytes:
    text, encoding = arguments
    if encoding != "latin1":
        raise _RefusedError(f"the encoding {encoding!r} is not admitted")
    return bytes(text.encode("latin1"))


_MAKERS: dict[str, Callable[[Any, Any], Any]] = {
    "dtype": _make_dtype,
    "array": _make_array,
    "buffer": _make_from_buffer,
    "scalar": _make_scalar,
    "encode": _make_bytes,
}


def _fill(shape: Any, dtype: Any, order: str, data: Any) -> Array:
    """An array of a shape from its bytes, or from a list of strings."""
    if not isinstance(dtype, np.dtype):
        raise ValueError("an array lacks its type")
    if dtype.hasobject:
        return _array_of_strings(shape, data)
    return np.frombuffer(bytes(data), dtype).reshape(shape, order=order).copy()  # type: ignore[call-overload, no-any-return]


def _array_of_strings(shape: Any, data: Any) -> Array:
    if not isinstance(data, list) or not all(isinstance(item, str) for item in data):
        raise _RefusedError("an array of objects other than strings is not admitted")
    array = np.empty(len(data), dtype=object)
    array[:] = data
    return array.reshape(shape)


def _read_joblib_array(file: io.BytesIO, state: dict[str, Any]) -> Array:
    """The array that joblib writes into the middle of a pickle, right after its description."""
    shape, dtype, order = state["shape"], state["dtype"], state["order"]
    if dtype.hasobject:
        array = _resolve(_Machine(file).run(), {})
        if not isinstance(array, np.ndarray):
            raise ValueError("objects that are no array")
        return array
    if state.get("numpy_array_alignment_bytes") is not None:
        file.read(file.read(1)[0])
    return _fill(shape, dtype, order, file.read(math.prod(shape) * dtype.itemsize))
