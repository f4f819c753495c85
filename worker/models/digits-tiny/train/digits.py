"""Draws digits: own strokes, bent, slanted, thick or thin, on 28 × 28 pixels.

A digit is one or more lines through points in a unit square (x right, y down). `python3 -m train.digits` prints some as text.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

SIDE, SCALE = 28, 4
Line = list[tuple[float, float]]


def arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float, steps: int = 14) -> Line:
    """Points on an ellipse; angles in degrees, 0 to the right, 90 down."""
    angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles]


# For each digit the ways to write it; a way is a list of strokes.
WAYS: tuple[tuple[list[Line], ...], ...] = (
    ([arc(0.5, 0.5, 0.32, 0.45, -90, 270)], [arc(0.5, 0.5, 0.24, 0.45, -60, 300)]),
    ([[(0.5, 0.05), (0.5, 0.95)]], [[(0.32, 0.22), (0.52, 0.05), (0.52, 0.95)]], [[(0.32, 0.22), (0.52, 0.05), (0.52, 0.95)], [(0.3, 0.95), (0.74, 0.95)]]),
    ([arc(0.5, 0.3, 0.3, 0.25, 190, 390) + [(0.2, 0.95), (0.82, 0.95)]], [arc(0.5, 0.32, 0.28, 0.27, 180, 400) + [(0.45, 0.7), (0.2, 0.92), (0.5, 0.9), (0.82, 0.95)]]),
    ([arc(0.47, 0.28, 0.27, 0.23, 200, 450) + arc(0.47, 0.72, 0.3, 0.23, -90, 150)], [[(0.2, 0.06), (0.76, 0.06), (0.45, 0.4)] + arc(0.45, 0.68, 0.31, 0.27, -80, 150)]),
    ([[(0.62, 0.95), (0.62, 0.05), (0.15, 0.66), (0.85, 0.66)]], [[(0.25, 0.08), (0.2, 0.52), (0.8, 0.5)], [(0.66, 0.1), (0.62, 0.95)]]),
    ([[(0.78, 0.06), (0.28, 0.06), (0.25, 0.45)] + arc(0.46, 0.67, 0.3, 0.27, -110, 140)], [[(0.3, 0.08), (0.26, 0.46)] + arc(0.46, 0.67, 0.3, 0.27, -100, 150), [(0.3, 0.07), (0.8, 0.06)]]),
    ([[(0.7, 0.06), (0.4, 0.3), (0.24, 0.62)] + arc(0.5, 0.7, 0.27, 0.25, 180, -180)], [arc(0.58, 0.5, 0.36, 0.46, -60, -180, 8) + arc(0.5, 0.7, 0.27, 0.24, 180, -180)]),
    ([[(0.18, 0.07), (0.82, 0.07), (0.42, 0.95)]], [[(0.18, 0.07), (0.82, 0.07), (0.42, 0.95)], [(0.36, 0.5), (0.74, 0.5)]]),
    ([arc(0.5, 0.27, 0.24, 0.22, 90, 450) + arc(0.5, 0.72, 0.29, 0.23, -90, 270)],),
    ([arc(0.48, 0.3, 0.27, 0.25, 0, -360) + [(0.74, 0.5), (0.62, 0.95)]], [arc(0.48, 0.3, 0.27, 0.25, 0, -360) + arc(0.4, 0.5, 0.35, 0.45, 0, 110, 8)]),
)


def draw(rng: np.random.Generator, digit: int) -> np.ndarray:
    """Returns a drawing [28, 28] in float32, 0 for paper and 1 for ink."""
    way = WAYS[digit][rng.integers(len(WAYS[digit]))]
    angle, slant = rng.normal(0, 0.12), rng.normal(0, 0.15)
    wide, high = rng.uniform(11, 19), rng.uniform(16, 22)
    shift = np.array([14 + rng.uniform(-3, 3), 14 + rng.uniform(-2, 2)])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    waves = rng.normal(0, 0.025, (2, 2)), rng.uniform(0, 6.3, (2, 2))
    image = Image.new("L", (SIDE * SCALE, SIDE * SCALE))
    pen = ImageDraw.Draw(image)
    thick = rng.uniform(1.3, 3.4) * SCALE
    for stroke in way:
        centered = (bent(np.array(stroke), waves) - 0.5) * [wide, high]
        centered[:, 0] -= slant * centered[:, 1]
        place = (centered @ turn.T + shift) * SCALE
        line = [tuple(p) for p in place]
        pen.line(line, fill=255, width=round(thick), joint="curve")
        for x, y in (line[0], line[-1]):
            pen.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=255)
    pixels = np.asarray(image.reduce(SCALE), dtype=np.float32) / 255
    pixels = pixels * rng.uniform(0.6, 1) + rng.normal(0, rng.uniform(0, 0.08), pixels.shape)
    return pixels.clip(0, 1).astype(np.float32)


def bent(points: np.ndarray, waves: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Shifts points by slow waves over the square, so that no two digits are the same."""
    height, phase = waves
    x, y = points[:, 0], points[:, 1]
    dx = height[0, 0] * np.sin(5 * y + phase[0, 0]) + height[0, 1] * np.sin(5 * x + phase[0, 1])
    dy = height[1, 0] * np.sin(5 * x + phase[1, 0]) + height[1, 1] * np.sin(5 * y + phase[1, 1])
    return np.stack((x + dx, y + dy), 1)


def batch(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns drawings [size, 1, 28, 28] and their digits [size]."""
    digits = rng.integers(10, size=size)
    return np.stack([draw(rng, int(d)) for d in digits])[:, None], digits


def main() -> None:
    rng = np.random.default_rng(1)
    for digit in range(10):
        for row in draw(rng, digit):
            print("".join(" .:-=+*#%@"[min(9, int(v * 10))] for v in row))


if __name__ == "__main__":
    main()
