"""Scores an exported model on fresh triplets: a sentence, one that means the same, one that does not.

    OMP_NUM_THREADS=1 python3 -m train.evaluate --model 1
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np

from . import data
from .reference import Model

PAIRS = {"English": (False, False), "Chinese": (True, True), "across": (False, True)}


def triplets(rng: random.Random, count: int, languages: tuple[bool, bool], hard: bool, new: bool) -> list[tuple[str, str, str]]:
    """The second sentence is worded unlike the first; the third is as a near meaning or any other, in the second's language."""
    out = []
    while len(out) < count:
        meaning = data.draw(rng)
        other = data.near(rng, meaning) if hard else data.draw(rng)
        if other.frame == meaning.frame and not hard or other == meaning:
            continue
        texts = data.say(rng, meaning, languages[0]), data.say(rng, meaning, languages[1], new), data.say(rng, other, languages[1])
        if len({t.lower().rstrip(".?!。？！") for t in texts}) == 3:
            out.append(texts)
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--count", type=int, default=500)
    args = parser.parse_args()
    model = Model(args.model)
    print("| languages | third sentence | wording | 32 | 64 | 128 |\n|---|---|---|---|---|---|")
    for name, languages in PAIRS.items():
        for hard in (False, True):
            for new in (False, True):
                rng = random.Random(90210)
                cases = triplets(rng, args.count, languages, hard, new)
                vectors = np.stack([model.embed(t, normalize=False) for case in cases for t in case]).reshape(len(cases), 3, -1)
                row = []
                for size in (32, 64, 128):
                    cut = vectors[:, :, :size] / np.linalg.norm(vectors[:, :, :size], axis=-1, keepdims=True)
                    right = (cut[:, 0] * cut[:, 1]).sum(-1) > (cut[:, 0] * cut[:, 2]).sum(-1)
                    row.append(f"{right.mean():.3f}")
                kinds = "nearly the same" if hard else "any other", "kept from training" if new else "known"
                print("| " + " | ".join((name, *kinds, *row)) + " |")
    started = time.time()
    for case in cases[:300]:
        model.embed(case[0])
    print(f"{300 / (time.time() - started):.0f} sentences/s, one at a time, one thread")


if __name__ == "__main__":
    main()
