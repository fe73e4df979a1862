"""Pictures, whatever they are in Python, in the form in which the library reads them."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np

from . import _native


def _is_pil(image: Any) -> bool:
    return type(image).__module__.partition(".")[0] == "PIL"


def _pixels(image: Any, name: str) -> np.ndarray[Any, Any]:
    if _is_pil(image):
        image = np.asarray(image.convert("RGB"))
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            f"{name} is an array {image.dtype} of shape {list(image.shape)}, expected uint8 [height, width, 3]"
        )
    return np.ascontiguousarray(image)


def _bytes(image: Any, name: str) -> bytes:
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, (str, os.PathLike)):
        with open(image, "rb") as file:
            return file.read()
    raise TypeError(
        f"{name} is {type(image).__name__}, expected a file's name or bytes, a PIL image or an array of pixels"
    )


def is_one(images: Any) -> bool:
    """Whether it is one picture and no iterable of them."""
    one_array = isinstance(images, np.ndarray) and images.ndim == 3
    return one_array or _is_pil(images) or isinstance(images, (str, os.PathLike, bytes, bytearray, memoryview))


class Part:
    """Some pictures for the library: all are pixels, or all are files, since the library takes one or the other."""

    def __init__(self, images: list[Any], first: int) -> None:
        names = [f"images[{first + i}]" for i in range(len(images))]
        as_pixels = [_is_pil(image) or isinstance(image, np.ndarray) for image in images]
        pairs = list(zip(images, names))
        self.struct = _native.Images(count=len(images))
        if all(as_pixels):
            arrays = [_pixels(*pair) for pair in pairs]
            self.struct.widths = (ctypes.c_int32 * len(arrays))(*[array.shape[1] for array in arrays])
            self.struct.heights = (ctypes.c_int32 * len(arrays))(*[array.shape[0] for array in arrays])
            self._owners: list[Any] = arrays
            pointers = [array.ctypes.data for array in arrays]
            sizes = [array.nbytes for array in arrays]
        else:
            if any(as_pixels):
                raise TypeError("images are files and pixels together, expected one or the other")
            files = [_bytes(*pair) for pair in pairs]
            self._owners = files
            pointers = [ctypes.cast(ctypes.c_char_p(file), ctypes.c_void_p).value or 0 for file in files]
            sizes = [len(file) for file in files]
        self.struct.data = (ctypes.c_void_p * len(images))(*pointers)
        self.struct.sizes = (ctypes.c_size_t * len(images))(*sizes)

    @property
    def pointer(self) -> Any:
        return ctypes.byref(self.struct)
