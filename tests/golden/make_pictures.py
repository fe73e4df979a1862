#!/usr/bin/env python3
"""Makes pictures.safetensors: small drawn pictures in many formats, and what Pillow makes of them.

Usage: tests/golden/make_pictures.py OUT.safetensors (needs Pillow and numpy)
Tensors: "file.NAME" u8, the bytes of an encoded picture; "rgb.NAME" u8 [height, width, 3], it decoded and upright;
"resize.METHOD.WIDTHxHEIGHT" u8, "rgb.plain.png" resized.
"""
import io
import json
import struct
import sys

import numpy as np
from PIL import Image, ImageOps


def drawing():
    y, x = np.mgrid[0:47, 0:61]
    rgb = np.stack([x * 4, y * 5, (x * y) % 256], -1).astype(np.uint8)
    rgb[10:30, 15:40] = (250, 30, 60)
    rgb[20:44, 30:55][::2, ::3] = (0, 255, 0)
    return Image.fromarray(rgb)


def encode(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def with_orientation(image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image, format="JPEG", quality=90, exif=exif.tobytes())


def files():
    plain = drawing()
    alpha = plain.copy()
    alpha.putalpha(Image.fromarray(np.arange(47 * 61, dtype=np.uint32).astype(np.uint8).reshape(47, 61)))
    palette = plain.quantize(40)
    result = {
        "plain.png": encode(plain, format="PNG"),
        "alpha.png": encode(alpha, format="PNG"),
        "palette.png": encode(palette, format="PNG"),
        "grey.png": encode(plain.convert("L"), format="PNG"),
        "grey_alpha.png": encode(alpha.convert("LA"), format="PNG"),
        "bilevel.png": encode(plain.convert("1"), format="PNG"),
        "plain.jpg": encode(plain, format="JPEG", quality=85),
        "full_chroma.jpg": encode(plain, format="JPEG", quality=90, subsampling=0),
        "progressive.jpg": encode(plain, format="JPEG", quality=80, progressive=True),
        "grey.jpg": encode(plain.convert("L"), format="JPEG", quality=85),
        "cmyk.jpg": encode(plain.convert("CMYK"), format="JPEG", quality=90),
        "plain.ppm": encode(plain, format="PPM"),
        "grey.pgm": encode(plain.convert("L"), format="PPM"),
    }
    for orientation in range(1, 9):
        result[f"orientation_{orientation}.jpg"] = with_orientation(plain, orientation)
    return result


def tensors():
    for name, data in files().items():
        yield "file." + name, np.frombuffer(data, np.uint8)
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        yield "rgb." + name, np.asarray(image.convert("RGB"))
    for method in ("bilinear", "bicubic"):
        for size in ((30, 20), (100, 90), (61, 20), (7, 47), (3, 2), (200, 5)):
            resized = drawing().resize(size, getattr(Image.Resampling, method.upper()))
            yield f"resize.{method}.{size[0]}x{size[1]}", np.asarray(resized)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    header, blob = {}, b""
    for name, array in tensors():
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": "U8", "shape": list(array.shape), "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(sys.argv[1], "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + blob)


main()
