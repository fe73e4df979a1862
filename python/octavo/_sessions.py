"""A model's handle, and a session for each caller that runs at the same time: made when needed, used again, never shared.

The threads of a session do not exist in a forked child, which makes sessions of its own and leaves those of its parent
alone. The model itself is memory that nothing changes: a child goes on using it, and shares its pages.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import weakref
from typing import Iterator

from . import _native


class Handle:
    """An open model."""

    def __init__(self, path: str, threads: int, isa: str | None, mapped: bool) -> None:
        library = _native.library()
        options = _native.ModelOptions(isa=_native.string(isa), mapped=int(mapped))
        model = ctypes.c_void_p()
        _native.check(library.model_open(os.fsencode(path), ctypes.byref(options), ctypes.byref(model)))
        self.value = model.value or 0
        self._threads = threads
        self._free: list[int] = []  # sessions that nobody uses; append and pop are atomic
        self._process = os.getpid()
        self._finalizer = weakref.finalize(self, _close, self._process, self._free, library, self.value)

    def info(self) -> bytes:
        json = ctypes.c_char_p()
        _native.check(_native.library().model_info(self.value, ctypes.byref(json)))
        return json.value or b"{}"

    @contextlib.contextmanager
    def session(self) -> Iterator[int]:
        """A session that no other caller has."""
        process = os.getpid()
        if process != self._process:  # in a child
            self._process = process
            self._finalizer.detach()
            self._free = []
            self._finalizer = weakref.finalize(self, _close, process, self._free, _native.library(), self.value)
        try:
            session = self._free.pop()
        except IndexError:
            session = self._new_session()
        try:
            yield session
        finally:
            if os.getpid() == process:
                self._free.append(session)

    def _new_session(self) -> int:
        options = _native.SessionOptions(threads=self._threads)
        session = ctypes.c_void_p()
        _native.check(
            _native.library().session_create(self.value, ctypes.byref(options), ctypes.byref(session))
        )
        assert session.value is not None
        return session.value


def _close(process: int, sessions: list[int], library: _native.Library, model: int) -> None:
    if os.getpid() != process:
        return
    for session in sessions:
        library.session_free(session)
    library.model_release(model)
