"""Scores an exported model on fresh pictures, one request at a time, through the whole reference engine.

    OMP_NUM_THREADS=1 python3 -m train.evaluate --model 1 --count 100
"""

from __future__ import annotations

import argparse
import io
import random
import time
from pathlib import Path

from . import questions, scene
from .engine import Engine, user


def encoded(rng: random.Random, image) -> bytes:
    data = io.BytesIO()
    if rng.random() < 0.5:
        image.save(data, "PNG")
    else:
        image.save(data, "JPEG", quality=rng.randint(60, 95))
    return data.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--count", type=int, default=100, help="questions of each kind in each language")
    parser.add_argument("--seed", type=int, default=90210)
    parser.add_argument("--last", action="store_true", help="put the picture after the question")
    args = parser.parse_args()
    engine, rng = Engine(args.model), random.Random(args.seed)
    good = asked = tokens = 0
    started, wrong = time.time(), []
    print("| question | English | Chinese |\n|---|---|---|")
    for kind in questions.KINDS:
        row = []
        for zh in (False, True):
            right = 0
            for _ in range(args.count):
                question = None
                while question is None:
                    picture = scene.compose(rng)
                    question = questions.ask(rng, picture, kind, zh)
                image = encoded(rng, scene.draw(rng, picture))
                answer = engine.generate([user(question.text, last=args.last)], [image])
                right += answer.text == question.answer
                tokens += len(answer.output)
                if answer.text != question.answer:
                    wrong.append((question.text, question.answer, answer.text))
            row.append(f"{right / args.count:.2f}")
            good, asked = good + right, asked + args.count
        print(f"| {kind} | {' | '.join(row)} |", flush=True)
    took = time.time() - started
    print(f"exact {good / asked:.3f} of {asked}; {asked / took:.1f} requests/s, {tokens / took:.0f} tokens/s with drawing and coding, one thread")
    for case in rng.sample(wrong, min(10, len(wrong))):
        print("  wrong:", *case, sep=" | ")


if __name__ == "__main__":
    main()
