"""Trains the model on generated conversations; one CPU core is enough.

    OMP_NUM_THREADS=1 python3 -m train.train --out chat.pt

Muon for the matrices of the layers, AdamW for the rest. Steps, not the clock, end a
stage, and everything random comes from the seed. After a stage stands a checkpoint
from which `--stage` goes on.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from . import data, template
from .model import Chat, Config


@dataclass
class Stage:
    """One stretch of the training; the optimizers live on from one to the next.

    steps: how many; `schedule` the steps after which the second rate would be reached, so a stage may end before.
    rate: of both optimizers at the start and at the end.
    weights: factors on the shares of the kinds of conversations.
    budget: tokens in a batch with padding, at most.
    fused: compute attention with torch's own function, as was done at first.
    """

    steps: int
    rate: tuple[float, float]
    schedule: int = 0
    weights: dict[str, float] = field(default_factory=dict)
    budget: int = 2048
    fused: bool = False


STAGES = (
    Stage(steps=200, rate=(2.5e-3, 2.5e-3), fused=True),
    Stage(steps=400, rate=(2.5e-3, 2.5e-3)),
    Stage(steps=200, rate=(2.5e-3, 2.5e-3), budget=1024),
    Stage(steps=300, rate=(1.2e-3, 2e-5), schedule=900),
    Stage(steps=200, rate=(8e-4, 1e-5), schedule=950),
    Stage(steps=770, rate=(7.2e-4, 1e-5)),
    Stage(steps=330, rate=(6e-4, 1e-5)),
    Stage(steps=3000, rate=(1.2e-3, 1e-5)),
    Stage(steps=2500, rate=(9e-4, 1e-5)),
)
WARMUP = 60
POOL = 512  # conversations among which those of similar length are put together
IGNORE = -100


def labels(ids: list[int], start: list[int], end: int, empty: list[int]) -> list[int]:
    """Keeps the answers: what follows the start of an assistant's message, to its end.

    Whether an answer begins with a thought is up to the prompt, so the first token of
    the answers before the last is left out, and the empty thought, which a prompt brings.
    """
    out = [IGNORE] * len(ids)
    n, i, last = len(start), 0, None
    while i <= len(ids) - n:
        if ids[i : i + n] != start:
            i += 1
            continue
        i += n
        if last is not None:
            out[last] = IGNORE
        if ids[i : i + len(empty)] == empty:
            i += len(empty)
        last = i
        while i < len(ids):
            out[i] = ids[i]
            i += 1
            if ids[i - 1] == end:
                break
    return out


@dataclass
class Batch:
    ids: Tensor  # [rows, length], zero where padded
    labels: Tensor  # the same shape, shifted to the token that is to be predicted


def batches(seed: int, tok: Tokenizer, limit: int, stage: Stage) -> Iterator[Batch]:
    rng = random.Random(seed)
    start = tok.encode("<|im_start|>assistant\n").ids
    empty = tok.encode("<think>\n\n</think>\n\n").ids
    end = tok.token_to_id("<|im_end|>")
    while True:
        rows = []
        for _ in range(POOL):
            t = data.talk(rng, weights=stage.weights)
            ids = tok.encode(template.render(t.messages, t.tools)).ids
            if len(ids) <= limit + 1:
                rows.append((ids, labels(ids, start, end, empty)))
        rows.sort(key=lambda row: len(row[0]))
        groups, group = [], []
        for row in rows:
            if group and (len(group) + 1) * len(row[0]) > stage.budget:
                groups.append(group)
                group = []
            group.append(row)
        groups.append(group)
        rng.shuffle(groups)
        for group in groups:
            length = max(len(ids) for ids, _ in group) - 1
            x = torch.zeros(len(group), length, dtype=torch.long)
            y = torch.full((len(group), length), IGNORE)
            for i, (ids, wanted) in enumerate(group):
                x[i, : len(ids) - 1] = torch.tensor(ids[:-1])
                y[i, : len(ids) - 1] = torch.tensor(wanted[1:])
            yield Batch(x, y)


class Optimizer:
    """Muon and AdamW as one."""

    def __init__(self, model: Chat):
        inner = [p for p in model.layers.parameters() if p.dim() == 2]
        ids = {id(p) for p in inner}
        rest = [p for p in model.parameters() if id(p) not in ids]
        self.both = [
            torch.optim.Muon(inner, lr=0.0, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=0.0, betas=(0.9, 0.97), weight_decay=0.0),
        ]

    def step(self, rate: float) -> None:
        for optimizer in self.both:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad()


def loss_of(model: Chat, batch: Batch, fused: bool = False) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model(batch.ids, fused)
        wanted = batch.labels.reshape(-1)
        places = wanted.ne(IGNORE).nonzero().squeeze(1)
        logits = model.logits(hidden.reshape(-1, hidden.shape[-1])[places])
    return F.cross_entropy(logits.float(), wanted[places])


def run(stage: Stage, number: int, model: Chat, optimizer: Optimizer, tok: Tokenizer, seed: int, save) -> None:
    average, begun, tokens = None, time.time(), 0
    for step, batch in zip(range(stage.steps), batches(seed + number, tok, model.config.positions, stage)):
        low, high = stage.rate[1], stage.rate[0]
        rate = high + (low - high) * step / (stage.schedule or stage.steps)
        if number == 0:
            rate *= min(1.0, (step + 1) / WARMUP)
        loss = loss_of(model, batch, stage.fused)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(rate)
        tokens += batch.ids.numel()
        average = loss.item() if average is None else 0.97 * average + 0.03 * loss.item()
        if step % 50 == 49:
            spent = time.time() - begun
            print(f"stage {number} step {step + 1}/{stage.steps} loss {average:.4f} {spent:.0f} s {tokens / spent:.0f} tokens/s", flush=True)
        if step % 100 == 99:
            save()
    save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", type=Path, default=Path("tokenizer.json"))
    parser.add_argument("--out", type=Path, default=Path("chat.pt"))
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--stage", type=int, default=0, help="go on at this stage from the weights in --out")
    parser.add_argument("--until", type=int, default=len(STAGES), help="stop before this stage")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    tok = Tokenizer.from_file(str(args.tokenizer))
    model = Chat(Config(vocab=tok.get_vocab_size()))
    optimizer = Optimizer(model)
    if args.stage:
        stored = torch.load(args.out, weights_only=True)
        model.load_state_dict(stored["weights"])
        for part, state in zip(optimizer.both, stored["optimizers"]):
            part.load_state_dict(state)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)

    def save() -> None:
        states = [part.state_dict() for part in optimizer.both]
        torch.save({"config": asdict(model.config), "weights": model.state_dict(), "optimizers": states}, args.out)

    for number in range(args.stage, args.until):
        run(STAGES[number], number, model, optimizer, tok, args.seed, save)


if __name__ == "__main__":
    main()
