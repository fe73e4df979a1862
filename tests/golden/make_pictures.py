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
import zlib

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


def exif(orientation, endian="<", kind=3):
    """A TIFF structure of an orientation alone: kind 3 is a SHORT, 4 a LONG."""
    value = struct.pack(endian + "HH", orientation, 0) if kind == 3 else struct.pack(endian + "I", orientation)
    head = b"II*\0" if endian == "<" else b"MM\0*"
    return head + struct.pack(endian + "IHHHI", 8, 1, 0x0112, kind, 1) + value + bytes(4)


def with_segment(jpeg, payload):
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def with_chunk(png, name, payload, before=b"IDAT"):
    chunk = struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))
    at = png.find(before) - 4
    return png[:at] + chunk + png[at:]


def oriented_files(small):
    jpeg, png = encode(small, format="JPEG", quality=90, subsampling=0), encode(small, format="PNG")
    hexadecimal = b"\nexif\n%8d\n%s\n" % (len(exif(7)) + 6, (b"Exif\0\0" + exif(7)).hex().encode())
    result = {
        "exif_big_endian_long_6.jpg": with_segment(jpeg, b"Exif\0\0" + exif(6, ">", 4)),
        "xmp_8.jpg": with_segment(jpeg, b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="8"/>'),
        "exif_6.png": with_chunk(png, b"eXIf", exif(6)),
        "exif_after_pixels_3.png": with_chunk(png, b"eXIf", exif(3, ">"), b"IEND"),
        "xmp_5.png": with_chunk(png, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<tiff:Orientation>5</tiff:Orientation>"),
        "raw_profile_7.png": with_chunk(png, b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(hexadecimal)),
        "exif_9.png": with_chunk(png, b"eXIf", exif(9)),
        "exif_6.webp": encode(small, format="WEBP", lossless=True, exif=exif(6)),
    }
    for orientation in (2, 5):
        result[f"orientation_{orientation}.tif"] = encode(
            small, format="TIFF", compression="tiff_lzw", tiffinfo={0x0112: orientation}
        )
    return result


def bmp(width, height, bits, data, compression=0, palette=b"", masks=()):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    head += struct.pack(f"<{len(masks)}I", *masks) + palette
    return b"BM" + struct.pack("<IHHI", 54 + len(head) - 40 + len(data), 0, 0, 14 + len(head)) + head + data


def bmp_files(small, noise):
    runs = b"".join(bytes([5, k, 0, 3, k, 9, 4, 0, 11, 7, 0, 0]) for k in range(5)) + b"\0\1"
    halves = b"".join(bytes([0, 5, 0x12, 0x34, 0x50, 0, 14, 0x9A, 0, 0]) for _ in range(5)) + b"\0\1"
    return {
        "plain.bmp": encode(small, format="BMP"),
        "top_down.bmp": bmp(19, -5, 4, noise[: 12 * 5], palette=noise[:64]),
        "runs.bmp": bmp(19, 5, 8, runs, 1, noise[:1024]),
        "half_byte_runs.bmp": bmp(19, 5, 4, halves, 2, noise[:64]),
        "fifteen_bits.bmp": bmp(19, 5, 16, noise[: 40 * 5]),
        "sixteen_bits.bmp": bmp(19, 5, 16, noise[: 40 * 5], 3, masks=(0xF800, 0x7E0, 0x1F)),
        "alpha.bmp": bmp(19, 5, 32, noise[: 76 * 5]),
    }


def gif_files(small):
    plain = encode(small.quantize(16), format="GIF", interlace=0)
    larger, offset, no_palette = bytearray(plain), bytearray(plain), bytearray(plain)
    larger[6:10] = struct.pack("<HH", 31, 20)
    at = offset.find(b",", 13 + 48)
    offset[at + 1 : at + 5] = struct.pack("<HH", 3, 2)
    no_palette[10] &= 0x7F
    del no_palette[13 : 13 + 48]
    frames = io.BytesIO()
    small.quantize(8).save(frames, format="GIF", save_all=True, append_images=[small.rotate(180).quantize(8)])
    return {
        "plain.gif": plain,
        "interlaced.gif": encode(small.quantize(16), format="GIF", interlace=1),
        "transparent.gif": encode(small.quantize(16), format="GIF", transparency=3),
        "larger_canvas.gif": bytes(larger),
        "offset.gif": bytes(offset),
        "no_palette.gif": bytes(no_palette),
        "frames.gif": frames.getvalue(),
    }


def webp_files(small, alpha):
    frames = io.BytesIO()
    small.save(frames, format="WEBP", save_all=True, append_images=[small.rotate(180)], lossless=True)
    return {
        "lossless.webp": encode(small, format="WEBP", lossless=True),
        "alpha.webp": encode(alpha, format="WEBP", lossless=True),
        "lossy.webp": encode(small, format="WEBP", quality=80),
        "frames.webp": frames.getvalue(),
    }


def tiff_files(small, alpha, deep):
    return {
        "plain.tif": encode(small, format="TIFF"),
        "deflate.tif": encode(alpha, format="TIFF", compression="tiff_adobe_deflate"),
        "palette.tif": encode(small.quantize(40), format="TIFF", compression="packbits"),
        "bilevel.tif": encode(small.convert("1"), format="TIFF", compression="group4"),
        "cmyk.tif": encode(small.convert("CMYK"), format="TIFF"),
        "deep_grey.tif": encode(deep, format="TIFF"),
        "jpeg.tif": encode(small, format="TIFF", compression="jpeg", quality=90),
    }


def more_files():
    small = drawing().crop((5, 5, 28, 22))
    noise = np.random.default_rng(1).integers(0, 256, 2048, np.uint8).tobytes()
    alpha = small.copy()
    alpha.putalpha(Image.fromarray(np.arange(23 * 17, dtype=np.uint32).astype(np.uint8).reshape(17, 23)))
    deep = Image.fromarray((np.arange(23 * 17, dtype=np.uint32) * 37 % 700).astype(np.uint16).reshape(17, 23))
    result = {
        "deep_grey.png": encode(deep, format="PNG"),
        "deep_grey.pgm": encode(deep, format="PPM"),
        "largest_1000.ppm": b"P6 3 1 1000\n" + np.array([0, 1, 2, 500, 501, 998, 999, 1000, 333], ">u2").tobytes(),
        "one_pixel.png": encode(small.crop((3, 3, 4, 4)), format="PNG"),
        "one_row.jpg": encode(small.crop((0, 4, 23, 5)), format="JPEG", quality=90, subsampling=0),
    }
    for more in (
        oriented_files(small),
        bmp_files(small, noise),
        gif_files(small),
        webp_files(small, alpha),
        tiff_files(small, alpha, deep),
    ):
        result.update(more)
    return result


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
    result.update(more_files())
    return result


def tensors():
    for name, data in files().items():
        yield "file." + name, np.frombuffer(data, np.uint8)
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        yield "rgb." + name, np.asarray(image.convert("RGB"))
    for method in ("bilinear", "bicubic", "nearest", "box", "hamming", "lanczos"):
        sizes = ((30, 20), (100, 90), (61, 20), (7, 47), (3, 2), (200, 5))
        for size in sizes if method.startswith("bi") else ((30, 20), (83, 50), (3, 2)):
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
