"""From a float32 checkpoint to an INT8 file."""

from __future__ import annotations

import ctypes
import json
import os
import warnings
from typing import Any, Callable, Iterable

from . import _native, _texts
from .errors import Error


class Report:
    """How close an INT8 file is to its float32 checkpoint, and how it was made. Shows itself in a notebook."""

    def __init__(self, output: str, text: str, html: str, figures: dict[str, Any]) -> None:
        self.output = output
        self.figures = figures
        self._text, self._html = text, html

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"octavo.Report({self.output!r})\n{self._text}"

    def __getitem__(self, name: str) -> Any:
        return self.figures[name]

    def _repr_html_(self) -> str:
        return self._html

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it to a ``.html`` or ``.json`` file."""
        name = os.fspath(path)
        if not name.endswith((".html", ".json")):
            raise ValueError(f"path is {name!r}, expected a name that ends in .html or .json")
        with open(name, "w", encoding="utf-8") as file:
            file.write(self._html if name.endswith(".html") else json.dumps(self.figures) + "\n")


def calibrate(
    checkpoint: str | os.PathLike[str],
    texts: Iterable[str] | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
    progress: Callable[[str, float], Any] | None = None,
    show_progress: bool = False,
    **options: Any,
) -> Report:
    """Writes an INT8 file of a checkpoint and tells how close it is.

    Args:
        checkpoint: a Hugging Face or sentence-transformers directory.
        texts: what to calibrate on, or names of pictures; a few hundred of the kind that the model will see. A tab
            in a text stands between the two of a pair. By default those that octavo brings along.
        output: the file; by default the checkpoint's name with ``.octavo``, here.
        progress: is called with a stage ("calibrate", "compare") and how much of it is done, 0 to 1. What it raises
            ends the calibration.
        show_progress: show a bar, where tqdm is installed.
        options: flags of ``octavo calibrate`` with ``_`` for ``-``: ``method="auto"``, ``max_drop=0.5``,
            ``samples=1000``, ``ablations=False``. The environment changes nothing.

    What the command warns of is a Python warning. Ctrl-C ends it between two batches; no file is left half-written.
    """
    path = os.fspath(checkpoint)
    target = os.fspath(output) if output is not None else os.path.basename(os.path.normpath(path)) + ".octavo"
    flags = {name.replace("_", "-"): value for name, value in options.items()}
    try:
        words = json.dumps(flags)
    except TypeError as error:
        raise TypeError(f"options: {error}") from None
    samples = None
    if texts is not None:
        if isinstance(texts, str):
            raise TypeError("texts is a str, expected an iterable of them")
        names = [os.fspath(text) if isinstance(text, os.PathLike) else text for text in texts]
        samples = _texts.of_strings(names, "texts")
    return _run(path, samples, words, target, _Listener(progress, show_progress))


class _Listener:
    """Hears of progress and of sentences, and keeps what is raised meanwhile."""

    def __init__(self, progress: Callable[[str, float], Any] | None, show: bool) -> None:
        self._progress, self._bar, self._stage = progress, None, ""
        self.raised: BaseException | None = None
        self._tqdm: Any = None
        if show:
            try:
                from tqdm.auto import tqdm

                self._tqdm = tqdm
            except ImportError:
                pass

    def hear(self, _: Any, stage: bytes, fraction: float) -> int:
        try:
            what = stage.decode("utf-8", "replace")
            if fraction < 0:
                mark = "octavo: warning: "
                if what.startswith(mark):
                    warnings.warn(what[len(mark) :], stacklevel=4)
            else:
                self._show(what, fraction)
                if self._progress is not None:
                    self._progress(what, fraction)
            return 0
        except BaseException as error:  # noqa: BLE001: the caller of calibrate() gets it
            self.raised = error
            return 1

    def _show(self, stage: str, fraction: float) -> None:
        if self._tqdm is None:
            return
        if stage != self._stage:
            self.close()
            self._bar, self._stage = self._tqdm(total=100, desc=stage), stage
        self._bar.update(round(100 * fraction) - self._bar.n)  # type: ignore[attr-defined]

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _run(checkpoint: str, samples: _texts.Part | None, options: str, output: str, listener: _Listener) -> Report:
    library = _native.library()
    report = ctypes.c_void_p()
    callback = _native.Progress(listener.hear)
    try:
        status = library.calibrate(
            os.fsencode(checkpoint),
            None if samples is None else samples.pointer,
            options.encode(),
            os.fsencode(output),
            callback,
            None,
            ctypes.byref(report),
        )
    finally:
        listener.close()
    if listener.raised is not None:
        raise listener.raised
    _native.check(status)
    try:
        text, html, figures = (
            function(report).decode("utf-8")
            for function in (library.report_text, library.report_html, library.report_json)
        )
    finally:
        library.report_free(report)
    return Report(output, text, html, json.loads(figures))


__all__ = ["Error", "Report", "calibrate"]
