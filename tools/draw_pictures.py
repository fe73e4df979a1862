#!/usr/bin/env python3
"""Draws the two pictures that ship with the project; nothing in them comes from a photograph.

Usage: tools/draw_pictures.py FOLDER (needs Pillow and numpy)
"""
import math
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def traffic_light():
    """Three lamps in a dark housing before an evening sky; the red one is lit."""
    image = Image.new("RGB", (320, 400))
    sky = np.linspace(0, 1, 400)[:, None, None] * np.array([90, 60, 20]) + np.array([110, 150, 200])
    image = Image.fromarray(np.broadcast_to(sky, (400, 320, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.rectangle((150, 300, 170, 400), fill=(70, 70, 75))
    draw.rounded_rectangle((100, 30, 220, 310), 22, fill=(28, 30, 32), outline=(60, 62, 64), width=4)
    lamps = [((235, 40, 30), 80), ((70, 52, 10), 170), ((12, 60, 34), 260)]
    for colour, y in lamps:
        draw.ellipse((122, y - 38, 198, y + 38), fill=(12, 12, 12))
        draw.ellipse((126, y - 34, 194, y + 34), fill=colour)
    glow = Image.new("RGB", image.size)
    ImageDraw.Draw(glow).ellipse((110, 30, 210, 130), fill=(120, 20, 10))
    glow = glow.filter(ImageFilter.GaussianBlur(22))
    return Image.fromarray(np.clip(np.asarray(image, int) + np.asarray(glow, int), 0, 255).astype(np.uint8))


def clock():
    """A wall clock at ten past ten."""
    image = Image.new("RGB", (360, 300), (222, 214, 196))
    draw = ImageDraw.Draw(image)
    draw.ellipse((63, 18, 303, 288), fill=(196, 188, 170))
    draw.ellipse((60, 15, 300, 285), fill=(60, 40, 26))
    draw.ellipse((74, 29, 286, 271), fill=(250, 248, 240))
    x, y = 180, 150
    for i in range(60):
        angle = i * math.pi / 30
        inner = 92 if i % 5 else 82
        ends = [(x + r * math.sin(angle), y - r * math.cos(angle) * 1.14) for r in (inner, 100)]
        draw.line(ends, fill=(20, 20, 20), width=2 if i % 5 else 5)
    for angle, length, width in ((-math.pi / 3 + 0.09, 52, 8), (math.pi / 3, 78, 5), (2.6, 84, 2)):
        tip = (x + length * math.sin(angle), y - length * math.cos(angle) * 1.14)
        draw.line([(x, y), tip], fill=(20, 20, 20) if width > 2 else (170, 20, 20), width=width)
    draw.ellipse((x - 7, y - 7, x + 7, y + 7), fill=(20, 20, 20))
    return image.filter(ImageFilter.GaussianBlur(0.6))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    traffic_light().save(f"{sys.argv[1]}/traffic-light.jpg", quality=88)
    clock().save(f"{sys.argv[1]}/clock.png", optimize=True)


main()
