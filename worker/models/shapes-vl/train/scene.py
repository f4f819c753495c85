"""Draws pictures of coloured shapes, and knows what is in them.

    python3 -m train.scene --to /tmp/look --count 12    # to look at some

A scene is drawn at three times its size and averaged down, so edges are anti-aliased;
then light falls on it from a side, the sensor adds noise, and some pictures are scaled
or pass through JPEG, as pictures do that come from elsewhere.
"""

from __future__ import annotations

import argparse
import io
import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLORS = {
    "red": (214, 36, 40),
    "orange": (245, 138, 22),
    "yellow": (244, 218, 46),
    "green": (36, 158, 64),
    "blue": (44, 84, 214),
    "purple": (142, 48, 170),
    "black": (24, 24, 26),
    "white": (248, 248, 248),
}
SHAPES = ("circle", "square", "triangle", "star", "cross")
BACKGROUNDS = {
    "white": (246, 246, 244),
    "gray": (158, 160, 162),
    "black": (34, 34, 36),
    "light blue": (180, 214, 244),
    "light green": (190, 232, 188),
    "pink": (248, 200, 212),
    "beige": (232, 216, 182),
}
# Colours that would not stand out from a background.
HIDDEN = {"black": "black", "gray": ""} | dict.fromkeys(("white", "pink", "beige", "light blue", "light green"), "white")
SMALLEST, LARGEST = 56, 224  # sides of a picture
SCALE = 3


@dataclass
class Thing:
    """One shape; its centre and radius are in parts of the picture's width, height, and root of its area."""

    shape: str
    color: str
    x: float
    y: float
    radius: float

    @property
    def name(self) -> tuple[str, str]:
        return self.color, self.shape


@dataclass
class Scene:
    width: int
    height: int
    background: str
    things: list[Thing]


def size(rng: random.Random) -> tuple[int, int]:
    """Draws width and height; no side is more than twice the other."""
    while True:
        width, height = rng.randint(SMALLEST, LARGEST), rng.randint(SMALLEST, LARGEST)
        if max(width, height) <= 2 * min(width, height):
            return width, height


COUNTS = (15, 30, 30, 25)  # shares of pictures with one to four shapes


def compose(rng: random.Random, counts: tuple[int, int, int, int] = COUNTS) -> Scene:
    """Draws a scene: one to four shapes that do not touch; three times in four no two are of one form."""
    width, height = size(rng)
    background = rng.choice(list(BACKGROUNDS))
    colors = [c for c in COLORS if c != HIDDEN[background]]
    root = math.sqrt(width * height)
    count = rng.choices((1, 2, 3, 4), counts)[0]
    shapes = rng.sample(SHAPES, count) if rng.random() < 0.75 else rng.choices(SHAPES, k=count)
    things: list[Thing] = []
    for shape in shapes:
        color = rng.choice(colors)
        for attempt in range(60):
            radius = rng.uniform(0.09, 0.2 if count < 4 else 0.17) * (1 if attempt < 30 else 0.8)
            reach = radius * root * 1.1
            if 2 * reach > min(width, height):
                continue
            x, y = rng.uniform(reach, width - reach), rng.uniform(reach, height - reach)
            thing = Thing(shape, color, x / width, y / height, radius)
            if all(apart(thing, other, width, height) for other in things):
                things.append(thing)
                break
    return Scene(width, height, background, things)


def apart(a: Thing, b: Thing, width: int, height: int) -> bool:
    root = math.sqrt(width * height)
    distance = math.hypot((a.x - b.x) * width, (a.y - b.y) * height)
    return a.name != b.name and distance > (a.radius + b.radius) * root * 1.08 + 0.02 * root


def outline(rng: random.Random, thing: Thing, cx: float, cy: float, r: float) -> list[tuple[float, float]]:
    """Returns the corners of a shape, slightly turned."""

    def ring(angles: list[float], radii: list[float], turn: float) -> list[tuple[float, float]]:
        return [(cx + q * math.cos(a + turn), cy + q * math.sin(a + turn)) for a, q in zip(angles, radii, strict=True)]

    if thing.shape == "square":
        return ring([math.pi / 4 + k * math.pi / 2 for k in range(4)], [r * 1.08] * 4, rng.uniform(-0.2, 0.2))
    if thing.shape == "triangle":
        return ring([-math.pi / 2 + k * 2 * math.pi / 3 for k in range(3)], [r * 1.12] * 3, rng.uniform(-0.3, 0.3))
    if thing.shape == "star":
        return ring([-math.pi / 2 + k * math.pi / 5 for k in range(10)], [r * 1.12, r * 0.48] * 5, rng.uniform(-0.3, 0.3))
    arm = 0.34
    far, near = math.hypot(1, arm) * r, math.hypot(arm, arm) * r
    angles, radii = [], []
    for k in range(4):
        quarter = k * math.pi / 2
        angles += [quarter - math.atan(arm), quarter + math.atan(arm), quarter + math.pi / 4]
        radii += [far, far, near]
    return ring(angles, radii, rng.uniform(-0.2, 0.2))


def shade(rng: random.Random, color: tuple[int, int, int], by: int) -> tuple[int, int, int]:
    return tuple(min(255, max(0, c + rng.randint(-by, by))) for c in color)


def draw(rng: random.Random, scene: Scene, spoil: bool = True) -> Image.Image:
    """Draws the scene as an RGB picture. Without `spoil` there is no noise, scaling or compression."""
    width, height = scene.width, scene.height
    big = Image.new("RGB", (width * SCALE, height * SCALE), shade(rng, BACKGROUNDS[scene.background], 6))
    pen = ImageDraw.Draw(big)
    if rng.random() < 0.2:
        pattern(rng, pen, big, scene.background)
    root = math.sqrt(width * height) * SCALE
    for thing in scene.things:
        color = shade(rng, COLORS[thing.color], 8)
        cx, cy, r = thing.x * big.width, thing.y * big.height, thing.radius * root
        if thing.shape == "circle":
            r *= 0.95
            pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=color)
        else:
            pen.polygon(outline(rng, thing, cx, cy, r), fill=color)
    image = big.reduce(SCALE)
    return spoiled(rng, image) if spoil else image


def pattern(rng: random.Random, pen: ImageDraw.ImageDraw, big: Image.Image, background: str) -> None:
    """Stripes or dots, barely darker or lighter than the background."""
    color = shade(rng, BACKGROUNDS[background], 14)
    step = rng.randint(8, 24) * SCALE
    if rng.random() < 0.5:
        slant = rng.choice((-1, 0, 1)) * big.height
        for x in range(-big.height, big.width + big.height, step):
            pen.line((x, 0, x + slant, big.height), fill=color, width=step // 4)
    else:
        dot = step // 5
        for y in range(0, big.height, step):
            for x in range(0, big.width, step):
                pen.ellipse((x, y, x + dot, y + dot), fill=color)


def spoiled(rng: random.Random, image: Image.Image) -> Image.Image:
    """Adds light, noise, now and then another scale and the losses of JPEG."""
    noise = np.random.default_rng(rng.getrandbits(32))
    pixels = np.asarray(image, dtype=np.float32)
    if rng.random() < 0.6:
        angle, depth = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.12)
        rows = np.linspace(-1, 1, image.height, dtype=np.float32)[:, None] * math.sin(angle)
        columns = np.linspace(-1, 1, image.width, dtype=np.float32)[None, :] * math.cos(angle)
        pixels = pixels * (1 - depth / 2 + depth * (rows + columns) / 2)[:, :, None]
    if rng.random() < 0.6:
        pixels = pixels + noise.standard_normal(pixels.shape, dtype=np.float32) * rng.uniform(1, 7)
    image = Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
    if rng.random() < 0.2:
        factor = rng.uniform(0.75, 1.4)
        filters = (Image.NEAREST, Image.BILINEAR, Image.BICUBIC, Image.LANCZOS)
        sides = (max(SMALLEST, round(image.width * factor)), max(SMALLEST, round(image.height * factor)))
        image = image.resize(sides, rng.choice(filters))
    if rng.random() < 0.35:
        data = io.BytesIO()
        image.save(data, "JPEG", quality=rng.randint(40, 95), subsampling=rng.choice((0, 1, 2)))
        image = Image.open(data).convert("RGB")
    return image


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    rng = random.Random(args.seed)
    for i in range(args.count):
        scene = compose(rng)
        draw(rng, scene).save(args.to / f"{i}.png")
        print(i, scene.background, [(t.color, t.shape, round(t.x, 2), round(t.y, 2)) for t in scene.things])


if __name__ == "__main__":
    main()
