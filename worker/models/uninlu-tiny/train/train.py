"""Trains the model on generated sentences; one CPU core is enough.

    OMP_NUM_THREADS=1 python3 -m train.train --out uninlu.pt

It goes through STAGES; each starts with a fresh optimizer from the weights of the one
before. Steps, not the clock, end a stage, and everything random comes from the
seed: the same seed, library versions and kind of CPU give the same weights.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial

import torch
from torch import Tensor

from . import data, entities, tokenizer, wide
from .model import Config, UniNLU, circle_loss

CROPPABLE = {"ner", "relation", "event", "attribute_sentiment", "qa"}


@dataclass
class Stage:
    """How one stretch of the training goes.

    steps: how many; `schedule` the steps after which the rate would be zero, so a stage may end before.
    seed: added to the seed of the whole training.
    boost: factors on the tasks' shares.
    wide: draw from the first generator instead of the simpler one.
    sizes: how long the texts are, see `size`.
    easy: see `entities.World`.
    budget: tokens through the upper half in a batch, at most.
    pool: texts among which those of similar length are put together; few mix the tasks better.
    shifted: share of texts whose positions do not start at 0, so that all positions get trained.
    hints: queries taken from a text, at most.
    cropped, foreign: share of texts cut like a later window, and of those with a query of another task.
    bfloat16: compute the matrix products of the forward pass in bfloat16.
    """

    steps: int
    schedule: int
    rate: float
    seed: int = 0
    warmup: int = 200
    boost: dict[str, float] = field(default_factory=dict)
    wide: bool = False
    sizes: str = "usual"
    easy: int = 4
    budget: int = 1300
    pool: int = 240
    shifted: float = 0.06
    hints: int = 2
    cropped: float = 0.04
    foreign: float = 0.04
    bfloat16: bool = False

    def size(self, progress: float, rng: random.Random) -> float:
        """Draws how long the next text shall be; see `data.sample`."""
        if self.sizes == "usual":
            return 1.5 if rng.random() < 0.015 else 1.0
        if self.sizes == "short":
            return 0.0
        if self.sizes == "growing":
            short = 1.0 if progress < 0.2 else 0.6
            return 0.0 if rng.random() < short else 1.0
        short, long, low, high = {"mixed": (0.3, 0.05, 0.5, 1.0), "lighter": (0.4, 0.03, 0.4, 1.0)}[self.sizes]
        if rng.random() < short:
            return 0.0
        return 1.5 if rng.random() < long else rng.uniform(low, high)


_wide = partial(Stage, wide=True, hints=3, cropped=0.08, foreign=0.06, bfloat16=True)
_LABELS_MORE = {"sentiment": 2, "classification": 2, "matching": 1.3, "nli": 0.8, "reading": 0.7, "event": 0.9, "attribute_sentiment": 1.1}
_LABELS_FIRST = {"ner": 0.7, "relation": 0.6, "event": 0.9, "attribute_sentiment": 0.8, "qa": 0.8, "sentiment": 1.3, "classification": 1.3, "matching": 1.2, "nli": 0.6}
_LABELS_ONLY = {"ner": 0.15, "relation": 0.15, "event": 0.2, "attribute_sentiment": 0.15, "qa": 0.1, "sentiment": 4, "classification": 2, "matching": 0.5, "nli": 0.15, "reading": 0.2}
_PAIRS_FIRST = {"ner": 0.3, "relation": 0.3, "event": 0.6, "attribute_sentiment": 0.4, "qa": 0.3, "sentiment": 0.3, "classification": 0.4, "matching": 3, "nli": 0.1, "reading": 0.8}
_READING_FIRST = {"ner": 0.3, "relation": 0.3, "event": 0.5, "attribute_sentiment": 0.4, "qa": 0.8, "sentiment": 0.15, "classification": 0.3, "matching": 0.2, "nli": 0.1, "reading": 3}
_ALL = {"ner": 0.9, "relation": 0.9, "event": 1.8, "attribute_sentiment": 1.4, "qa": 1.2, "sentiment": 0.3, "classification": 0.7, "matching": 0.6, "nli": 0.3, "reading": 1.3}
_REST = {"ner": 0.9, "relation": 0.9, "event": 2.6, "attribute_sentiment": 2.4, "qa": 0.8, "sentiment": 0.2, "classification": 0.6, "matching": 0.3, "nli": 0.2, "reading": 1.0}
_OPINIONS_FIRST = {"ner": 0.3, "relation": 0.2, "event": 2, "attribute_sentiment": 7, "qa": 0.2, "sentiment": 0.1, "classification": 0.2, "matching": 0.1, "nli": 0.1, "reading": 1.5}
_LAST = {"ner": 1, "relation": 0.9, "event": 2.6, "attribute_sentiment": 3, "qa": 0.6, "sentiment": 0.15, "classification": 0.6, "matching": 0.4, "nli": 0.2, "reading": 1}
STAGES = (
    _wide(steps=3000, schedule=9500, rate=1.2e-3, seed=0, budget=2000, pool=480, shifted=0.4, sizes="growing", warmup=300),
    _wide(steps=1400, schedule=6600, rate=1.1e-3, seed=1000, budget=1800, shifted=0.1, sizes="mixed", warmup=300),
    _wide(steps=600, schedule=2900, rate=9e-4, seed=2000, budget=1800, shifted=0.1, sizes="lighter", warmup=100, boost=_LABELS_MORE),
    _wide(steps=750, schedule=750, rate=7e-4, seed=3000, budget=1800, shifted=0.1, sizes="lighter", warmup=40, boost=_LABELS_MORE),
    Stage(steps=1000, schedule=16000, rate=1e-3, easy=0, boost=_LABELS_FIRST),
    Stage(steps=750, schedule=16000, rate=1e-3, seed=5000, easy=0, boost=_LABELS_ONLY, sizes="short", warmup=50),
    Stage(steps=900, schedule=16000, rate=1e-3, seed=6000, easy=0, boost=_PAIRS_FIRST, sizes="short", warmup=50),
    Stage(steps=500, schedule=16000, rate=1e-3, seed=7000, easy=1, boost=_READING_FIRST, sizes="short", warmup=50),
    Stage(steps=750, schedule=3000, rate=1e-3, seed=8000, easy=1, boost=_ALL, warmup=50),
    Stage(steps=1000, schedule=3300, rate=1e-3, seed=9000, easy=2, boost=_REST, warmup=50),
    Stage(steps=350, schedule=4000, rate=1e-3, seed=10000, easy=3, boost=_OPINIONS_FIRST, sizes="short", warmup=40),
    Stage(steps=1700, schedule=1700, rate=1e-3, seed=11000, boost=_LAST, warmup=40),
)


@dataclass
class Row:
    """A tokenized text with some of its queries; spans in token positions, open-ended where a window cuts them."""

    ids: list[int]
    hints: list[list[int]]
    heads: list[list[int]]
    tails: list[list[int]]


def to_row(example: data.Example, queries: list[data.Query], tok, config: Config, rng: random.Random, cropped: float) -> Row:
    encoded = tok.encode(example.text)
    ids, offsets = encoded.ids, encoded.offsets
    first, last = 0, min(len(ids), config.window)
    if example.task in CROPPABLE and len(ids) > 24 and rng.random() < cropped:
        # A later window of a long text: it starts anywhere and lacks [CLS], maybe [SEP].
        first = rng.randrange(1, len(ids) - 16)
        last = min(len(ids) if rng.random() < 0.5 else rng.randrange(first + 12, len(ids)), first + config.window)
    starts = {a: i for i, (a, b) in enumerate(offsets) if b > a}
    ends = {b: i for i, (a, b) in enumerate(offsets) if b > a}
    hints, heads, tails = [], [], []
    for query in queries:
        hint = tok.encode(query.hint).ids
        hints.append(hint if len(hint) <= config.hint_max else hint[: config.hint_max - 1] + hint[-1:])
        heads.append([starts[a] - first for a, _ in query.spans if first <= starts[a] < last])
        tails.append([ends[b] - first for _, b in query.spans if first <= ends[b] < last])
    return Row(ids[first:last], hints, heads, tails)


def pick_queries(example: data.Example, rng: random.Random, most: int) -> list[data.Query]:
    """Takes a few of an example's queries, those with an answer more often."""
    weighted = [(rng.random() ** (1.0 if q.spans else 2.2), i) for i, q in enumerate(example.queries)]
    return [example.queries[i] for _, i in sorted(weighted, reverse=True)[:most]]


@dataclass
class Progress:
    value: float = 0.0


def rows(seed: int, config: Config, stage: Stage, progress: Progress) -> Iterator[list[Row]]:
    """Yields batches of rows of similar length, at most `stage.budget` tokens through the upper half each."""
    rng = random.Random(seed)
    source, names = (wide.data, wide.entities) if stage.wide else (data, entities)
    world = names.World(rng) if stage.wide else names.World(rng, easy=stage.easy)
    tok = tokenizer.build()
    while True:
        pool = []
        for _ in range(stage.pool):
            example = source.sample(world, stage.size(progress.value, rng), stage.boost)
            queries = pick_queries(example, rng, stage.hints)
            foreign = source.foreign_query(world, example) if rng.random() < stage.foreign else None
            pool.append(to_row(example, queries + [foreign] * (foreign is not None), tok, config, rng, stage.cropped))
        pool.sort(key=lambda row: len(row.ids) if stage.wide else (len(row.ids) // 5, max(map(len, row.hints))))
        batches, batch, count, longest_hint = [], [], 0, 0
        for row in pool:
            hint = max(longest_hint, *map(len, row.hints))
            if batch and (count + len(row.hints)) * (len(row.ids) + hint) > stage.budget:
                batches.append(batch)
                batch, count, hint = [], 0, max(map(len, row.hints))
            batch.append(row)
            count, longest_hint = count + len(row.hints), hint
        batches.append(batch)
        rng.shuffle(batches)
        yield from batches


def padded(lists: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Returns ids and mask, both [len(lists), longest]."""
    longest = max(map(len, lists))
    ids = torch.zeros(len(lists), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, values in enumerate(lists):
        ids[i, : len(values)] = torch.tensor(values)
        mask[i, : len(values)] = 1
    return ids, mask


def loss_of(model: UniNLU, batch: list[Row], shifted: float, rng: random.Random) -> Tensor:
    """Encodes each text once and points with each of its hints."""
    config = model.config
    ids, mask = padded([row.ids for row in batch])
    owner = torch.tensor([i for i, row in enumerate(batch) for _ in row.hints])
    hint_ids, hint_mask = padded([hint for row in batch for hint in row.hints])
    # In use positions start at 0; some start later here, so that every position is trained.
    room = config.positions - ids.size(1) - hint_ids.size(1)
    shift = torch.tensor([rng.randint(0, max(0, room)) if rng.random() < shifted else 0 for _ in batch])
    places = (torch.arange(ids.size(1))[None, :] + shift[:, None]).clamp(max=config.positions - 1)
    begin = (shift + mask.sum(1))[owner]
    hint_places = (torch.arange(hint_ids.size(1))[None, :] + begin[:, None]).clamp(max=config.positions - 1)
    text = model.encode(ids, mask, places)
    head, tail = model.point(text[owner], mask[owner], hint_ids, hint_mask, hint_places)
    want_head, want_tail = torch.zeros_like(head, dtype=torch.bool), torch.zeros_like(tail, dtype=torch.bool)
    for i, (starts, ends) in enumerate((s, e) for row in batch for s, e in zip(row.heads, row.tails)):
        want_head[i, starts] = True
        want_tail[i, ends] = True
    return circle_loss(head, want_head) + circle_loss(tail, want_tail)


def rate_at(step: int, stage: Stage) -> float:
    """Linear warm-up, then linear decay to nearly nothing at the end of the schedule."""
    return stage.rate * min(1.0, (step + 1) / stage.warmup) * max(0.005, 1 - step / stage.schedule)


def run(model: UniNLU, stage: Stage, seed: int, save: Callable[[], None], keep: int) -> None:
    """Trains the model through one stage."""
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}], betas=(0.9, 0.98))
    progress, rng = Progress(), random.Random(seed + 1)
    batches = rows(seed, model.config, stage, progress)
    started, average, seen = time.time(), 0.0, 0
    for step in range(stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, stage)
        progress.value = step / stage.schedule
        batch = next(batches)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=stage.bfloat16):
            loss = loss_of(model, batch, stage.shifted, rng)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seen += sum(len(row.hints) for row in batch)
        average = 0.99 * average + 0.01 * loss.item()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}  loss {average:.3f}  hints {seen}  {time.time() - started:.0f} s", flush=True)
        if keep and (step + 1) % keep == 0:
            save()
    save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="where the weights go")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--start", help="weights to go on from")
    parser.add_argument("--stage", type=int, default=1, help="the first stage to run")
    parser.add_argument("--keep", type=int, default=0, help="save every so many steps, too")
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    model = UniNLU(Config(vocab=len(tokenizer.vocabulary())))
    if args.start:
        model.load_state_dict(torch.load(args.start, weights_only=True)["weights"])
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {model.config.vocab} tokens", flush=True)

    def save() -> None:
        torch.save({"config": asdict(model.config), "seed": args.seed, "weights": model.state_dict()}, args.out)

    for number, stage in enumerate(STAGES[args.stage - 1 :], args.stage):
        print(f"stage {number}", flush=True)
        run(model, stage, args.seed + stage.seed, save, args.keep)


if __name__ == "__main__":
    main()
