"""Trains the model on generated pictures and questions; one CPU core is enough.

    OMP_NUM_THREADS=1 python3 -m train.train --model 1 --out shapes-vl.pt

It goes through STAGES. First the vision encoder alone learns to tell what has its centre
in which merged patch (`Helper`), then all parts learn to answer. Each stage starts with a
fresh optimizer from the weights of the one before. Steps, not the clock, end a stage, and
everything random comes from the seed.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from . import chat, questions, scene
from .chat import Format
from .model import Config, ShapesVL
from .preprocess import Preprocessor
from .scene import COLORS, SHAPES, Scene

IGNORED = -100
AHEAD = 240  # pictures among which those of one grid are put together


@dataclass
class Picture:
    scene: Scene
    pixels: torch.Tensor  # [N, 3·P·P], one frame
    grid: tuple[int, int, int]


@dataclass
class Row:
    """Token ids with positions; a token sees those before it in its own part and in part 0, or all before it."""

    ids: list[int]
    positions: list[chat.Position]
    labels: list[int]
    parts: list[int]
    chained: bool


@dataclass
class Batch:
    frame: Tensor | None
    grid: tuple[int, int, int]
    ids: Tensor
    positions: Tensor
    labels: Tensor
    mask: Tensor
    shape: Tensor | None
    color: Tensor | None
    kinds: list[list[str]]


def picture(rng: random.Random, processor: Preprocessor, counts: tuple[int, int, int, int] = scene.COUNTS) -> Picture:
    composed = scene.compose(rng, counts)
    image = processor.resize(scene.draw(rng, composed))
    grid = processor.grid(image)
    patches = torch.from_numpy(processor.patches(image))
    square = processor.patch_size**2
    single = patches.view(len(patches), 3, processor.temporal_patch_size, square)[:, :, 0]
    return Picture(composed, single.reshape(len(patches), 3 * square).clone(), grid)


def alike(rng: random.Random, processor: Preprocessor, size: int, counts: tuple[int, int, int, int] = scene.COUNTS) -> Iterator[list[Picture]]:
    """Yields pictures of one grid at a time."""
    while True:
        groups: dict[tuple, list[Picture]] = {}
        for _ in range(AHEAD):
            drawn = picture(rng, processor, counts)
            groups.setdefault(drawn.grid, []).append(drawn)
        chunks = [g[i : i + size] for g in groups.values() for i in range(0, len(g), size)]
        rng.shuffle(chunks)
        yield from (c for c in chunks if len(c) > size // 4)


def centers(pictures: list[Picture], merge: int) -> tuple[Tensor, Tensor]:
    """Returns for each merged patch which shape and which colour has its centre there, 0 for none."""
    _, h, w = pictures[0].grid
    h, w = h // merge, w // merge
    shape, color = torch.zeros(len(pictures), h * w, dtype=torch.long), torch.zeros(len(pictures), h * w, dtype=torch.long)
    for i, drawn in enumerate(pictures):
        for thing in sorted(drawn.scene.things, key=lambda t: t.radius):
            at = int(thing.y * h) * w + int(thing.x * w)
            shape[i, at] = SHAPES.index(thing.shape) + 1
            color[i, at] = list(COLORS).index(thing.color) + 1
    return shape, color


class Writer:
    """Writes conversations about pictures as rows."""

    def __init__(self, form: Format):
        self.form = form
        self.after = form.ids("\n")  # between the end of a turn and the next

    def row(self, rng: random.Random, drawn: Picture, number: int, style: str, boost: dict[str, float]) -> tuple[Row, list[str]]:
        """style: `apart` for independent questions on one picture, `chain` for one conversation,
        `last` for a conversation whose picture follows the first question, `talk` for none without picture."""
        system = chat.turn("system", rng.choice(questions.SYSTEM)) if rng.random() < 0.12 else ""
        grids = [] if style == "talk" else [drawn.grid]
        asked = questions.several(rng, drawn.scene, number, boost)
        if style == "talk":
            asked = [questions.talk(rng, drawn.scene) for _ in range(number)]
        head = system + chat.opening("user") + (chat.image() if style in ("apart", "chain") else "")
        ids = self.form.ids(head, grids if style in ("apart", "chain") else [])
        positions = self.form.positions(ids, grids)
        row = Row(ids, positions, [IGNORED] * len(ids), [0] * len(ids), style != "apart")
        follow = max(positions[-1]) + 1
        for i, question in enumerate(asked):
            text = question.text + (chat.image() if style == "last" and i == 0 else "")
            if i and row.chained:
                text = "\n" + chat.opening("user") + text
            ids = self.form.ids(text + chat.turn("", "")[len(chat.opening("")) :] + chat.opening(), grids if style == "last" and i == 0 else [])
            answer = [*self.form.ids(question.answer), self.form.end]
            start = max(row.positions[-1]) + 1 if row.chained else follow
            row.positions += self.form.positions(ids + answer, grids, start)
            row.ids += ids + answer
            row.labels += [IGNORED] * len(ids) + answer
            row.parts += [i + 1] * len(ids + answer)
        return row, [q.kind + ("_zh" if q.chinese else "") for q in asked]


def batch(
    rng: random.Random, writer: Writer, pictures: list[Picture], number: int, styles: dict[str, float], boost: dict[str, float] | None = None
) -> Batch:
    style = rng.choices(list(styles), list(styles.values()))[0]
    rows, kinds = [], []
    for drawn in pictures:
        row, asked = writer.row(rng, drawn, number, style, boost or {})
        rows.append(row)
        kinds.append(asked)
    length = max(len(r.ids) for r in rows)
    ids, labels = torch.zeros(len(rows), length, dtype=torch.long), torch.full((len(rows), length), IGNORED)
    positions, parts = torch.zeros(3, len(rows), length, dtype=torch.long), torch.full((len(rows), length), -1)
    for i, row in enumerate(rows):
        n = len(row.ids)
        ids[i, :n], labels[i, :n], parts[i, :n] = torch.tensor(row.ids), torch.tensor(row.labels), torch.tensor(row.parts)
        positions[:, i, :n] = torch.tensor(row.positions).t()
    order = torch.arange(length)
    seen = (order.unsqueeze(0) <= order.unsqueeze(1)).unsqueeze(0)
    if not rows[0].chained:
        seen = seen & ((parts.unsqueeze(1) == 0) | (parts.unsqueeze(1) == parts.unsqueeze(2)))
    mask = (~seen).float().unsqueeze(1) * -1e9
    if style == "talk":
        return Batch(None, pictures[0].grid, ids, positions, labels, mask, None, None, kinds)
    shape, color = centers(pictures, writer.form.merge)
    frame = torch.stack([p.pixels for p in pictures])
    return Batch(frame, pictures[0].grid, ids, positions, labels, mask, shape, color, kinds)


def forward(model: ShapesVL, b: Batch, pad: int, only: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Returns logits, of all places or the marked ones, and the features of the pictures."""
    embedded = model.decoder.embed(b.ids)
    features = None
    if b.frame is not None:
        features = model.vision(b.frame, b.grid[1], b.grid[2])
        embedded = embedded.clone()
        embedded[b.ids == pad] = features.reshape(-1, features.size(-1))
    return model.decoder(embedded, b.mask.expand(len(b.ids), -1, -1, -1), b.positions, only=only)[0], features


class Words:
    """Draws a picture's features towards the embeddings of what they show.

    A merged patch in which a shape has its centre shall look like the words for its colour and form,
    every one like the words for its place: then the decoder finds by likeness what a question names,
    and the answer's words are there to be read.
    """

    def __init__(self, form: Format):
        tokenizer, self.merge = form.tokenizer, form.merge
        groups = (COLORS, SHAPES, ("top", "bottom"), ("left", "right"))
        self.groups = [torch.tensor([tokenizer.encode(" " + w).ids[0] for w in g]) for g in groups]

    def __call__(self, embeddings: Tensor, features: Tensor, grid: chat.Grid, shape: Tensor, color: Tensor) -> Tensor:
        features = features * torch.rsqrt(features.pow(2).mean(-1, keepdim=True) + 1e-6)
        h, w = grid[1] // self.merge, grid[2] // self.merge
        row, column = self.ends(h).view(1, h, 1).expand(len(features), h, w), self.ends(w).view(1, 1, w).expand(len(features), h, w)
        total = torch.zeros(())
        for ids, target, nothing in zip(self.groups, (color, shape, row, column), (0.1, 0.1, 1.0, 1.0), strict=True):
            scores = features @ embeddings[ids].t()
            scores = torch.cat((torch.zeros_like(scores[..., :1]), scores), -1)
            weight = torch.ones(len(ids) + 1)
            weight[0] = nothing
            total = total + F.cross_entropy(scores.flatten(0, 1), target.flatten(), weight=weight)
        return total

    @staticmethod
    def ends(number: int) -> Tensor:
        """Returns 1 for the places in the first third, 2 for those in the last, 0 between."""
        at = (torch.arange(number) + 0.5) / number
        return (at < 1 / 3).long() + 2 * (at > 2 / 3).long()


def loss(model: ShapesVL, b: Batch, form: Format, helped: float, words: Words | None) -> Tensor:
    following = F.pad(b.labels[:, 1:], (0, 1), value=IGNORED)
    answers = following != IGNORED
    logits, features = forward(model, b, form.pad, answers)
    total = F.cross_entropy(logits, following[answers])
    if helped and features is not None:
        total = total + helped * model.helper(features, b.shape, b.color)
    if words is not None and features is not None:
        total = total + 0.3 * words(model.decoder.embed.weight, features, b.grid, b.shape, b.color)
    return total


@torch.no_grad()
def score(model: ShapesVL, writer: Writer, processor: Preprocessor, seed: int, rounds: int, styles: dict[str, float]) -> dict[str, tuple[int, int]]:
    """Returns for each kind how many answers of how many are right to the letter, decoded greedily."""
    rng = random.Random(seed)
    found: dict[str, tuple[int, int]] = {}
    source = alike(rng, processor, 20)
    for _ in range(rounds):
        b = batch(rng, writer, next(source), 4, styles)
        logits, _ = forward(model, b, writer.form.pad)
        # With the right tokens before it, each most likely token right is the same as greedy decoding right.
        right = (logits[:, :-1].argmax(-1) == b.labels[:, 1:]) | (b.labels[:, 1:] == IGNORED)
        for i, kinds in enumerate(b.kinds):
            marks = (b.labels[i, 1:] != IGNORED).tolist() + [False]
            start, number = None, 0
            for at, marked in enumerate(marks):
                if marked and start is None:
                    start = at
                if not marked and start is not None:
                    good, all_ = found.get(kinds[number], (0, 0))
                    found[kinds[number]] = (good + bool(right[i, start:at].all()), all_ + 1)
                    start, number = None, number + 1
    return found


def shown(found: dict[str, tuple[int, int]]) -> str:
    good, all_ = sum(g for g, _ in found.values()), sum(n for _, n in found.values())
    return f"exact {good / all_:.3f} of {all_}: " + " ".join(f"{k} {g / n:.2f}" for k, (g, n) in sorted(found.items()))


def rate(step: int, steps: int, peak: float) -> float:
    return peak * min(1.0, (step + 1) / 100) * max(0.02, 0.5 * (1 + math.cos(math.pi * step / steps)))


STYLES = {"apart": 0.62, "chain": 0.16, "last": 0.18, "talk": 0.04}


@dataclass(frozen=True)
class Stage:
    """One stretch of the training; `schedule` is the number of steps after which the rate would be least."""

    name: str
    steps: int
    schedule: int
    peak: float
    helped: float = 0.0  # share of the helper's loss at the start; it falls with the rate
    size: int = 20  # pictures in a batch, at most
    asked: int = 4  # questions on each picture
    boost: dict[str, float] = field(default_factory=dict)  # factors on the shares of the kinds of question
    counts: tuple[int, int, int, int] = scene.COUNTS  # shares of pictures with one to four shapes
    words: bool = False  # with the loss of `Words`
    rescale: bool = False  # first bring features and places nearer to each other; see `rescale`
    seed: int = 0


PLACES_MORE = {"where": 3, "neighbor": 1.5, "relation": 1.5, "color": 1.3, "count": 0.6, "count_some": 0.7, "shape": 0.7, "background": 0.5}
STAGES = (
    Stage("look", steps=1200, schedule=2400, peak=1.5e-3),
    Stage("answer", steps=563, schedule=5000, peak=1.5e-3, helped=0.5),
    Stage("answer", steps=2000, schedule=2000, peak=1.2e-3, helped=0.3, size=10, seed=1000),
    Stage("answer", steps=1300, schedule=1300, peak=1.5e-3, helped=0.15, size=10, seed=2000),
    Stage("answer", steps=2200, schedule=2200, peak=1.5e-3, helped=1.0, size=14, asked=3, boost=PLACES_MORE, rescale=True, seed=3000),
    Stage("answer", 700, 7000, 1e-3, 0.5, size=14, asked=3, boost=PLACES_MORE, words=True, counts=(50, 50, 0, 0), seed=4000),
    Stage("look", 3000, 3000, 1.5e-3, words=True, seed=5000),
    Stage("answer", 800, 8000, 1.2e-3, 0.5, size=14, asked=3, boost=PLACES_MORE, words=True, counts=(30, 50, 20, 0), seed=6000),
    Stage("answer", 1800, 1800, 1.2e-3, 0.5, size=14, asked=3, boost=PLACES_MORE, words=True, seed=7000),
)


@torch.no_grad()
def rescale(model: ShapesVL) -> None:
    """Makes the places in the features six times as strong against the rest, which had drowned them."""
    last = model.vision.merger[2]
    last.weight /= 3
    last.bias /= 3
    model.vision.spot.weight *= 2
    for head in (model.helper.shape, model.helper.color):
        head.weight *= 3


def run(model: ShapesVL, stage: Stage, source: Iterator[list[Picture]], writer: Writer, rng: random.Random, out: Path) -> None:
    looking = stage.name == "look"
    if stage.rescale:
        rescale(model)
    words = Words(writer.form) if stage.words else None
    parameters = list((nn.ModuleList([model.vision, model.helper]) if looking else model).parameters())
    optimizer = torch.optim.AdamW(parameters, lr=stage.peak, weight_decay=0.01)
    running, started = 0.0, time.time()
    for step in range(stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, stage.schedule, stage.peak)
        pictures = next(source)
        if looking:
            _, h, w = pictures[0].grid
            features = model.vision(torch.stack([p.pixels for p in pictures]), h, w)
            shape, color = centers(pictures, writer.form.merge)
            value = model.helper(features, shape, color)
            if words is not None:
                value = value + 0.3 * words(model.decoder.embed.weight.detach(), features, pictures[0].grid, shape, color)
        else:
            helped = stage.helped * max(0.1, 1 - step / stage.schedule)
            value = loss(model, batch(rng, writer, pictures, stage.asked, STYLES, stage.boost), writer.form, helped, words)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        running = value.item() if step == 0 else 0.98 * running + 0.02 * value.item()
        if step % 100 == 99:
            print(f"{stage.name} {step + 1} {time.time() - started:.0f}s loss {running:.3f}", flush=True)
        if step % 500 == 499 and not looking:
            save(model, out)


def save(model: ShapesVL, path: Path) -> None:
    torch.save({"config": asdict(model.c), "weights": model.state_dict()}, path)


def load(path: Path) -> ShapesVL:
    stored = torch.load(path)
    model = ShapesVL(Config(**stored["config"]))
    model.load_state_dict(stored["weights"])
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True, help="the folder with tokenizer.json")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stage", type=int, default=0, help="the stage to begin with, from the weights in --out")
    parser.add_argument("--until", type=int, default=len(STAGES), help="the stage to stop before")
    parser.add_argument("--seed", type=int, default=2026)
    args = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    writer, processor = Writer(Format(tokenizer)), Preprocessor()
    torch.manual_seed(args.seed)
    model = ShapesVL(Config(vocab=tokenizer.get_vocab_size())) if args.stage == 0 else load(args.out).train()
    print("parameters:", sum(p.numel() for p in [*model.vision.parameters(), *model.decoder.parameters()]), flush=True)
    rng, source, seeded = random.Random(), iter(()), None
    for stage in STAGES[args.stage : args.until]:
        if stage.seed != seeded:
            rng, seeded = random.Random(args.seed + stage.seed), stage.seed
            source = alike(rng, processor, stage.size, stage.counts)
        run(model, stage, source, writer, rng, args.out)
        save(model, args.out)
        model.eval()
        print(shown(score(model, writer, processor, 777, 12, STYLES)) if stage.name == "answer" else "looked", flush=True)
        model.train()


if __name__ == "__main__":
    main()
