"""Scores the exported model on conversations whose last question never occurred in training.

    python3 -m train.evaluate --model 1 --count 60
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

from . import data
from .engine import Engine


def split(text: str) -> tuple[str, str]:
    """-> thought, answer"""
    if text.startswith("<think>") and "</think>" in text:
        thought, answer = text.removeprefix("<think>").split("</think>", 1)
        return thought.strip("\n"), answer.strip("\n")
    return "", text


def call_of(text: str) -> dict | None:
    if not text.startswith("<tool_call>\n") or not text.endswith("\n</tool_call>"):
        return None
    try:
        return json.loads(text.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"))
    except ValueError:
        return None


def correct(talk: data.Talk, text: str, think: bool) -> bool:
    """Tells whether an answer is exactly the expected one, or another that is right; a thought is there only when asked for."""
    thought, answer = split(text)
    if bool(thought) != think:
        return False
    wanted = talk.answer
    if wanted.get("tool_calls"):
        function = wanted["tool_calls"][0]["function"]
        return call_of(answer) == {"name": function["name"], "arguments": function["arguments"]}
    return answer == wanted["content"] or (talk.right is not None and talk.right(answer))


def fresh(seed: int, count: int) -> dict[str, list[data.Talk]]:
    """Draws held-out conversations until each category has count of them, or 40,000 draws are done."""
    rng, found, seen = random.Random(seed), defaultdict(list), set()
    for _ in range(40000):
        t = data.talk(rng, held=True)
        text = json.dumps(t.messages[:-1], ensure_ascii=False)
        if len(found[t.category]) < count and text not in seen:
            seen.add(text)
            found[t.category].append(t)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("1"))
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=90210)
    parser.add_argument("--wrong", type=int, default=0, help="show so many wrong answers of each category")
    args = parser.parse_args()
    engine = Engine(args.model)
    print("| category | texts | direct | thinking | English | Chinese |\n|---|---|---|---|---|---|")
    total = [0, 0, 0]
    for category, talks in sorted(fresh(args.seed, args.count).items()):
        hits, by_language, shown = [0, 0], defaultdict(list), []
        for t in talks:
            for think in (False, True):
                text = engine.chat(t.messages[:-1], t.tools, think)
                good = correct(t, text, think)
                hits[think] += good
                by_language[t.extra[0]].append(good)
                if not good:
                    shown.append((t.messages[-2]["content"], text, t.answer))
        share = [f"{sum(v) / len(v):.2f}" if v else "" for v in (by_language["en"], by_language["zh"])]
        print(f"| {category} | {len(talks)} | {hits[0] / len(talks):.2f} | {hits[1] / len(talks):.2f} | {share[0]} | {share[1]} |", flush=True)
        for item in shown[: args.wrong]:
            print("   ", item)
        total = [total[0] + len(talks), total[1] + hits[0], total[2] + hits[1]]
    print(f"| all | {total[0]} | {total[1] / total[0]:.3f} | {total[2] / total[0]:.3f} | | |")


if __name__ == "__main__":
    main()
