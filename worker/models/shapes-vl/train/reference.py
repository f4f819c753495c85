"""Writes what the engine's tests expect: pictures of many kinds with their pixel values, and conversations with their tokens.

    OMP_NUM_THREADS=1 python3 -m train.reference --model 1 --to testdata

images.json says for each picture of images/ the grid and some pixel values (row, column, value) and the mean of all;
resized/ has the picture as it is after the resizing, in 8 bits, so every pixel value can be checked.
`lossy` marks those whose decoding differs between decoders: compare them from the resized picture on.
conversations.json has for each conversation the rendered prompt, its ids with the pads repeated, its positions
in three rows, the greedy output, the position of each step, and how near the decision ever was.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from . import scene
from .engine import Engine, user
from .preprocess import Preprocessor, decode
from .scene import Scene, Thing

THREE = (
    Thing("circle", "red", 0.24, 0.3, 0.17),
    Thing("star", "blue", 0.74, 0.28, 0.16),
    Thing("square", "green", 0.5, 0.76, 0.15),
)
TWO = (Thing("triangle", "orange", 0.25, 0.72, 0.17), Thing("cross", "purple", 0.74, 0.3, 0.17))
ONE = (Thing("star", "black", 0.5, 0.5, 0.2),)


def drawn(seed: int, width: int, height: int, things: tuple[Thing, ...], background: str = "white") -> Image.Image:
    return scene.draw(random.Random(seed), Scene(width, height, background, list(things)), spoil=False)


def transparent(image: Image.Image) -> Image.Image:
    """Makes the corner's colour transparent, with softer edges, under another colour than white."""
    pixels = np.asarray(image.convert("RGB")).astype(int)
    far = np.abs(pixels - pixels[0, 0]).max(-1)
    alpha = np.clip(far * 4, 0, 255)
    pixels[far == 0] = (255, 0, 255)
    return Image.fromarray(np.dstack([pixels, alpha]).astype(np.uint8), "RGBA")


def pictures(to: Path) -> list[str]:
    """Writes the pictures, returns the names of those whose decoding may differ."""
    drawn(1, 120, 96, THREE).save(to / "plain.png")
    drawn(2, 97, 131, THREE, "beige").save(to / "odd.png")
    drawn(3, 224, 150, THREE, "light blue").save(to / "half.jpg", quality=85, subsampling=2)
    drawn(4, 101, 141, TWO, "gray").save(to / "full.jpg", quality=92, subsampling=0)
    turned = drawn(5, 190, 120, TWO).transpose(Image.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter to the right
    turned.save(to / "turned.jpg", quality=92, exif=exif)
    drawn(6, 140, 140, TWO, "pink").save(to / "lossless.webp", lossless=True)
    drawn(7, 150, 110, THREE, "light green").save(to / "lossy.webp", quality=85)
    drawn(8, 133, 88, TWO).quantize(64).save(to / "palette.gif")
    frames = [drawn(9, 96, 96, ONE).quantize(32), drawn(10, 96, 96, THREE).quantize(32)]
    frames[0].save(to / "moving.gif", save_all=True, append_images=frames[1:], duration=200, loop=0)
    drawn(11, 75, 111, ONE).convert("L").save(to / "gray.png")
    sixteen = np.asarray(drawn(12, 84, 84, ONE, "gray").convert("L")).astype(np.uint16) * 257
    Image.fromarray(sixteen).save(to / "gray16.png")
    transparent(drawn(13, 160, 120, TWO)).save(to / "alpha.png")
    drawn(14, 110, 150, THREE).quantize(48).save(to / "palette.png", transparency=0)
    drawn(15, 300, 70, TWO, "beige").save(to / "wide.png")
    drawn(16, 640, 480, THREE, "light blue").save(to / "large.png")
    drawn(17, 20, 17, ONE).save(to / "tiny.png")
    return ["half.jpg", "full.jpg", "turned.jpg", "lossy.webp"]


def describe(to: Path, names: list[str], lossy: list[str], processor: Preprocessor) -> None:
    rng = random.Random(3)
    rows = []
    for name in names:
        source = decode((to / "images" / name).read_bytes())
        resized = processor.resize(source)
        resized.save(to / "resized" / f"{name}.png", optimize=True)
        values = processor.patches(resized)
        places = [(rng.randrange(values.shape[0]), rng.randrange(values.shape[1])) for _ in range(24)]
        rows.append(
            {
                "file": name,
                "lossy": name in lossy,
                "width": source.width,
                "height": source.height,
                "grid": list(processor.grid(resized)),
                "shape": list(values.shape),
                "mean": round(float(values.astype(np.float64).mean()), 6),
                "samples": [[r, c, round(float(values[r, c]), 6)] for r, c in places],
            }
        )
    sizes = [[h, w, *processor.size(h, w)] for h, w in sizes_to_try()]
    lines = ",\n".join(json.dumps(r) for r in rows)
    text = f'{{"images": [\n{lines}\n],\n"sizes": {json.dumps(sizes)}}}\n'
    (to / "images.json").write_text(text, encoding="utf-8")


def sizes_to_try() -> list[tuple[int, int]]:
    """Heights and widths: small, halves between two multiples, very long, very large."""
    rng = random.Random(11)
    out = [(1, 1), (1, 200), (200, 1), (14, 14), (42, 42), (70, 126), (126, 70), (98, 98), (112, 112), (168, 168), (169, 168), (4000, 3000), (20000, 101)]
    return out + [(rng.randint(1, 500), rng.randint(1, 500)) for _ in range(40)]


CONVERSATIONS = (
    ("plain.png", "How many shapes are there?"),
    ("plain.png", "What color is the circle?"),
    ("plain.png", "Where is the star?"),
    ("plain.png", "正方形是什么颜色？"),
    ("odd.png", "描述一下这张图。"),
    ("odd.png", "Is there a blue star in the image?"),
    ("lossless.webp", "What is the orange shape?"),
    ("lossless.webp", "图里有几个图形？"),
    ("palette.gif", "Describe the image."),
    ("moving.gif", "How many shapes are there?"),
    ("gray.png", "What shape is black?"),
    ("alpha.png", "What color is the background?"),
    ("palette.png", "Is the circle left of the star?"),
    ("wide.png", "What is right of the triangle?"),
    ("large.png", "List the shapes from left to right."),
    ("large.png", "圆形在哪里？"),
    ("tiny.png", "What do you see?"),
)


def conversations() -> list[tuple[list[dict], list[str]]]:
    out = [([user(text)], [name]) for name, text in CONVERSATIONS]
    out.append(([user("Which shape is blue?", last=True)], ["plain.png"]))
    turns = [user("How many shapes are there?"), {"role": "assistant", "content": "There are 3 shapes."}, {"role": "user", "content": "Where is the square?"}]
    out.append((turns, ["plain.png"]))
    out.append(([{"role": "system", "content": "You are a helpful assistant."}, user("What color is the cross?")], ["lossless.webp"]))
    out.append(([{"role": "user", "content": "Hello!"}], []))
    out.append(([user("How many shapes are there?", pictures=2)], ["plain.png", "wide.png"]))
    both = [{"type": "image"}, {"type": "text", "text": "First. "}, {"type": "image"}, {"type": "text", "text": "What is in the image?"}]
    out.append(([{"role": "user", "content": both}], ["moving.gif", "odd.png"]))
    return out


def parts(message: dict) -> list[dict]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def converse(to: Path, engine: Engine) -> None:
    rows = []
    for messages, names in conversations():
        answer = engine.generate(messages, [(to / "images" / n).read_bytes() for n in names])
        columns = np.array(answer.positions).T.tolist()
        rows.append(
            {
                "images": names,
                "messages": messages,
                "prompt": answer.prompt,
                "ids": answer.ids,
                "grids": [list(g) for g in answer.grids],
                "positions": columns,
                "output": answer.output,
                "steps": answer.steps,
                "text": answer.text,
                "margin": round(answer.margin, 3),
            }
        )
        said = [p.get("text", "") for p in parts(messages[-1])]
        print(names, "".join(said), "->", answer.text, round(answer.margin, 2))
    lines = ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows)
    (to / "conversations.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    args = parser.parse_args()
    engine = Engine(args.model)
    for folder in ("images", "resized"):
        shutil.rmtree(args.to / folder, ignore_errors=True)
        (args.to / folder).mkdir(parents=True)
    lossy = pictures(args.to / "images")
    names = sorted(p.name for p in (args.to / "images").iterdir())
    describe(args.to, names, lossy, engine.processor)
    converse(args.to, engine)


if __name__ == "__main__":
    main()
