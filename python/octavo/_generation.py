"""Text that is made, as an iterator: the library works on a thread and hands over what is certain."""

from __future__ import annotations

import ctypes
import queue
import threading
from typing import Any, Iterator

from . import _native
from ._sessions import Handle


def generate(handle: Handle, prompt: str, options: _native.GenerateOptions, *owners: Any) -> Iterator[str]:
    """Pieces of the text; ``owners`` live as long as the options point to them."""
    pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    ended = threading.Event()

    def take(_: Any, text: Any, length: int) -> int:
        pieces.put(ctypes.string_at(text, length).decode("utf-8", "replace"))
        return int(ended.is_set())

    def work() -> None:
        try:
            sink = _native.TextSink(take)
            with handle.session() as session:
                status = _native.library().generate(
                    session, _native.string(prompt), ctypes.byref(options), sink, None, None
                )
                if status != _native.CANCELLED:
                    _native.check(status)  # the message is this thread's
            pieces.put(None)
        except BaseException as error:  # noqa: BLE001: it is raised where the text is read
            pieces.put(error)

    def read() -> Iterator[str]:
        thread = threading.Thread(target=work, name="octavo.generate", daemon=True)
        thread.start()
        try:
            while True:
                piece = pieces.get()
                if piece is None:
                    return
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            ended.set()
            _ = owners

    return read()
