"""A bar by tqdm where it is there and wanted; else nothing."""

from __future__ import annotations

from typing import Any


class Bar:
    def __init__(self, total: int, label: str, show: bool) -> None:
        self._bar: Any = None
        if show:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=total, desc=label)

    def add(self, count: int) -> None:
        if self._bar is not None:
            self._bar.update(count)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
