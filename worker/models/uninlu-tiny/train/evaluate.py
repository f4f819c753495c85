"""Scores an exported model on fresh sentences with held-out names, and times it.

    OMP_NUM_THREADS=1 python3 -m train.evaluate --model 1

`hints` is the F1 of spans given the right prefix, `exact` the share of hints answered
without any error, `paths` the F1 of whole paths from the schema alone.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np

from . import data
from .engine import Engine
from .entities import World


def f1(hits: int, predicted: int, wanted: int) -> float:
    return 2 * hits / (predicted + wanted) if predicted + wanted else 1.0


def schema_and_paths(example: data.Example) -> tuple[dict, set]:
    """Returns the nested schema of a chained example and its paths as (outer span, key, inner offsets)."""
    root = next(q.prefix[0][0] for q in example.queries if q.prefix)
    inner = list(dict.fromkeys(q.key for q in example.queries if q.prefix))
    paths = {(q.prefix[0][1], q.key, span) for q in example.queries if q.prefix for span in q.spans}
    return {root: dict.fromkeys(inner)}, paths


def score(engine: Engine, task: str, count: int, seed: int, size: float, show: int = 0, easy: int = 4) -> str:
    world = World(random.Random(f"{seed} {task}"), unseen=True, easy=easy)
    hits = predicted = wanted = exact = asked = 0
    path_hits = path_predicted = path_wanted = 0
    for _ in range(count):
        example = data.TASKS[task][0](world, size)
        text = engine.encode(example.text)
        for query in example.queries:
            found, gold = set(engine.spans(text, query.hint)), set(query.spans)
            hits, predicted, wanted = hits + len(found & gold), predicted + len(found), wanted + len(gold)
            exact, asked = exact + (found == gold), asked + 1
            if found != gold and show > 0:
                show -= 1
                print(f"  {example.text}\n    {query.hint} want {[example.text[a:b] for a, b in sorted(gold)]} got {[example.text[a:b] for a, b in sorted(found)]}")
        if any(q.prefix for q in example.queries):
            schema, gold = schema_and_paths(example)
            found = {(p[0]["span"], p[1]["type"], tuple(p[1]["offset"])) for p in engine.predict(example.text, schema)}
            path_hits, path_predicted, path_wanted = path_hits + len(found & gold), path_predicted + len(found), path_wanted + len(gold)
    line = f"{task:20} hints {f1(hits, predicted, wanted):.3f}  exact {exact / asked:.3f}  ({asked} hints)"
    if path_wanted:
        line += f"  paths {f1(path_hits, path_predicted, path_wanted):.3f}"
    return line


def request_rate(engine: Engine, seconds: float = 3.0) -> float:
    """Requests a second, one thread: a text of 22 characters, four hints in one run of the pointer."""
    text = "3月5日，谷爱凌在北京获得自由式滑雪金牌。"
    hints = ["人物: ", "地理位置: ", "时间: ", "组织机构: "]
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        ids = np.array([engine.tokenizer.encode(text).ids], dtype=np.int64)
        hidden = engine.encoder.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
        engine.pointer.run(None, batch_feed(engine, hidden, hints))
        count += 1
    return count / (time.perf_counter() - started)


def batch_feed(engine: Engine, hidden: np.ndarray, hints: list[str], padding: int = 0) -> dict[str, np.ndarray]:
    """Builds one pointer run of several hints over one text [1, N, D], with `padding` extra text tokens."""
    rows, length = len(hints), hidden.shape[1]
    tokens = [engine.hint_ids(h)[0] for h in hints]
    longest = max(map(len, tokens))
    hint_ids = np.zeros((rows, longest), dtype=np.int64)
    hint_mask = np.zeros_like(hint_ids)
    for i, row in enumerate(tokens):
        hint_ids[i, : len(row)] = row
        hint_mask[i, : len(row)] = 1
    mask = np.ones((rows, length + padding), dtype=np.int64)
    mask[:, length:] = 0
    hidden = np.pad(np.repeat(hidden, rows, axis=0), ((0, 0), (0, padding), (0, 0)), constant_values=3.0)
    places = np.repeat(np.arange(length, length + longest, dtype=np.int64)[None, :], rows, axis=0)
    return {"sequence_output": hidden, "attention_mask": mask, "hint_ids": hint_ids, "hint_attention_mask": hint_mask, "hint_position_ids": places}


def batch_difference(engine: Engine) -> float:
    """The greatest difference of a logit between a padded batch and single requests."""
    text = engine.encode("7月28日，天津泰达在德比战中以0-1负于天津天海。")
    hints = ["胜负(事件触发词): ", "胜负(事件触发词): 负于, 败者: ", "时间: "]
    single = np.array([engine.logits(text, h) for h in hints])
    length = single.shape[-1]
    batched = np.stack(engine.pointer.run(None, batch_feed(engine, text.windows[0][1], hints, padding=9)), axis=1)
    return float(np.abs(batched[:, :, :length] - single).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("1"))
    parser.add_argument("--seed", type=int, default=90210)
    parser.add_argument("--count", type=int, default=300, help="texts a task")
    parser.add_argument("--size", type=float, default=1.0, help="1 the usual texts, 1.5 long ones")
    parser.add_argument("--easy", type=int, default=4, help="0 the hardest texts, see entities.World")
    parser.add_argument("--show", type=int, default=0, help="errors to print for each task")
    parser.add_argument("--tasks", nargs="*", default=list(data.TASKS))
    args = parser.parse_args()
    engine = Engine(args.model)
    print(f"{request_rate(engine):.0f} requests/s of 4 hints on one thread; batched - single {batch_difference(engine):.1e}")
    for task in args.tasks:
        print(score(engine, task, args.count, args.seed, args.size, args.show, args.easy), flush=True)


if __name__ == "__main__":
    main()
