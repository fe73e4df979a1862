"""Python's texts, and pyarrow's, in the form in which the library reads them."""

from __future__ import annotations

import ctypes
from typing import Any, Iterable, Iterator, Union

import numpy as np

from . import _native

Texts = Union[str, Iterable[str]]


class Part:
    """Some texts for the library; what they point to lives as long."""

    def __init__(self, struct: _native.Texts, *owners: Any) -> None:
        self.struct = struct
        self._owners = owners

    @property
    def pointer(self) -> Any:
        return ctypes.byref(self.struct)


def of_strings(texts: list[str], name: str = "texts", first: int = 0) -> Part:
    """Texts one behind the other in UTF-8; ``first`` is the place of the first for messages."""
    try:
        joined = "".join(texts)
    except TypeError:
        wrong = next(i for i, text in enumerate(texts) if not isinstance(text, str))
        raise TypeError(f"{name}[{first + wrong}] is {type(texts[wrong]).__name__}, expected a str") from None
    if joined.isascii():
        data = joined.encode("ascii")
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    else:
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        data = b"".join(encoded)
        lengths = np.fromiter(map(len, encoded), np.int64, len(texts))
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    bytes_ = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
    return Part(_native.Texts(count=len(texts), bytes=bytes_, offsets=offsets.ctypes.data), data, offsets)


class Strings:
    """Texts of a list."""

    def __init__(self, texts: list[str], name: str) -> None:
        self.texts, self.name = texts, name

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, first: int, count: int) -> Part:
        return of_strings(self.texts[first : first + count], self.name, first)


class Arrow:
    """Texts of a pyarrow array of strings, read where they are."""

    def __init__(self, array: Any, name: str) -> None:
        kind = str(array.type)
        if kind not in ("string", "large_string"):
            raise TypeError(f"{name} is a pyarrow array of {kind}, expected one of string or large_string")
        if array.null_count:
            raise ValueError(f"{name} has {array.null_count} nulls, expected a text in each place")
        _, offsets, data = array.buffers()
        self.array, self.large, self.count = array, kind == "large_string", len(array)
        self.offsets = 0 if offsets is None else offsets.address + array.offset * (8 if self.large else 4)
        self.bytes = 0 if data is None else data.address

    def __len__(self) -> int:
        return self.count

    def part(self, first: int, count: int) -> Part:
        struct = _native.Texts(count=min(count, self.count - first), bytes=self.bytes or None)
        if self.large:
            struct.offsets = self.offsets + 8 * first
        else:
            struct.offsets32 = self.offsets + 4 * first
        return Part(struct, self.array)


Source = Union[Strings, Arrow]


def _is_arrow(texts: Any) -> bool:
    return type(texts).__module__.partition(".")[0] == "pyarrow"


def sources(texts: Any, name: str = "texts") -> list[Source]:
    """The texts of an iterable, in order; those of a chunked pyarrow array are several. A str is none: callers decide."""
    if _is_arrow(texts):
        chunks = texts.chunks if hasattr(texts, "chunks") else [texts]
        return [Arrow(chunk, name) for chunk in chunks]
    if isinstance(texts, (bytes, bytearray)) or isinstance(texts, dict) or not hasattr(texts, "__iter__"):
        raise TypeError(f"{name} is {type(texts).__name__}, expected a str or an iterable of them")
    return [Strings(texts if isinstance(texts, list) else list(texts), name)]


def strings(texts: Any, name: str = "texts") -> list[str]:
    """The same as a list of str, of an iterable or a pyarrow array."""
    result = list(texts.to_pylist()) if _is_arrow(texts) else None
    if result is None:
        (source,) = sources(texts, name)
        assert isinstance(source, Strings)
        result = source.texts
    for place, text in enumerate(result):
        if not isinstance(text, str):
            raise TypeError(f"{name}[{place}] is {type(text).__name__}, expected a str")
    return result


def parts(texts: list[Source], step: int) -> Iterator[tuple[int, Part]]:
    """The texts, at most ``step`` at a time, and how many they are."""
    for source in texts:
        for first in range(0, len(source), step):
            yield min(step, len(source) - first), source.part(first, step)
