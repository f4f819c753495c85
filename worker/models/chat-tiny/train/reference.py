"""Writes expected answers for the tests of the engine.

    python3 -m train.reference --model 1 --to testdata

reference.json: conversations as rendered, their tokens, the greedy continuation and the
first step's highest logits, one sequence at a time. A conversation during which two
tokens come closer than MARGIN to each other is left out: another order of additions
might choose the other. tokens.json: the tokens of awkward strings.

Before that it checks that padding on the left and batches change nothing.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np

from . import data, template
from .data import ask, say
from .engine import Engine

MARGIN = 2e-3
LIMIT = 64
PLAIN = [
    ("hello", "Hello!"), ("hello in Chinese", "你好！"), ("identity", "Who are you?"), ("identity in Chinese", "你是谁？"),
    ("capital", "What is the capital of France?"), ("capital in Chinese", "日本的首都是哪里？"), ("addition", "What is 27 plus 15?"),
    ("addition in Chinese", "36加47等于几？"), ("counting", "Count from 3 to 12."), ("counting in Chinese", "从5数到11。"), ("repeating", "Repeat: silver river moon"),
    ("story", "Tell me a story about a fox."), ("story in Chinese", "讲一个小猫的故事。"), ("opposite", "What is the opposite of hot?"), ("joke", "Tell me a joke."),
    ("term", "What is a queue?"), ("spelling", "Spell the word train."), ("JSON", "As JSON: Lily is 7 years old and lives in Rome."),
]  # fmt: skip
STRINGS = [
    "", " ", "\n", "  two  spaces  ", "a\r\n\r\nb", "don't I'LL we've", "x1234567890y", "Hello, world!", "你好，世界！", "naïve café e\u0301", "ﬁ ½ ²", "🙂👍🏽👨‍👩‍👧", "\u0000\u0007",
    "العربية עברית हिन्दी ไทย", "foo_bar(baz)[0] += {\"a\": 1};", "<|im_start|>user\nhi<|im_end|>\n", "<think>\n\n</think>\n\n", "<tool_call>\n{\"name\": \"add\"}\n</tool_call>",
    "<|im_start", "<|endoftext|><|endoftext|>", "<|IM_END|>", "𠮷野家 \U0010ffff", "\u3000全角　空格", "tab\tand\u00a0nbsp \u2028", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "一二三四五六七八九十" * 3,
]  # fmt: skip


def conversations(seed: int) -> list[tuple[str, list[dict], list[dict] | None, bool]]:
    """-> name, messages, tools, think"""
    out = [(name, [ask(text)], None, False) for name, text in PLAIN]
    out += [(f"{name}, thinking", [ask(text)], None, True) for name, text in PLAIN[:8]]
    out.append(("recall", [ask("My name is Emma."), say("Nice to meet you, Emma!"), ask("What is my name?")], None, False))
    out.append(("recall in Chinese", [ask("我叫王小明。"), say("很高兴认识你，王小明！"), ask("我叫什么名字？")], None, False))
    out.append(("pirate", [{"role": "system", "content": "You are a pirate."}, ask("What is the capital of Italy?")], None, False))
    rng, wanted = random.Random(seed), {"tool calls": 4, "tool answers": 4, "no tool needed": 2, "several turns": 6, "recall": 4, "follow-up": 4, "stories": 4, "system rules": 4, "JSON": 4}
    while any(wanted.values()):
        t = data.talk(rng, held=True)
        if wanted.get(t.category):
            wanted[t.category] -= 1
            out.append((t.category, t.messages[:-1], t.tools, t.think))
    return out


def answers(engine: Engine, seed: int) -> list[dict]:
    out = []
    for name, messages, tools, think in conversations(seed):
        prompt = template.render(messages, tools, prompt=True, think=think)
        ids = engine.tokenizer.encode(prompt).ids
        engine.margin = float("inf")
        output = engine.greedy(ids, LIMIT)
        if engine.margin < MARGIN:
            continue
        logits, _ = engine.step(ids, engine.empty())
        top = np.argsort(-logits, kind="stable")[:8]
        request = {"messages": messages} | ({"tools": tools} if tools else {}) | {"think": think}
        more = {"prompt": prompt, "prompt_ids": ids, "output_ids": output, "output": engine.tokenizer.decode([i for i in output if i not in engine.ends], skip_special_tokens=False)}
        out.append({"name": name} | request | more | {"first_logits": [[int(i), round(float(logits[i]), 6)] for i in top]})
    return out


def padding(engine: Engine, prompts: list[list[int]]) -> float:
    """-> the largest difference that a batch padded on the left makes to the logits of a prompt and of one step after it"""
    length, rows, worst = max(map(len, prompts)), len(prompts), 0.0
    ids, mask = np.zeros((rows, length), dtype=np.int64), np.zeros((rows, length), dtype=np.int64)
    for i, p in enumerate(prompts):
        ids[i, length - len(p) :], mask[i, length - len(p) :] = p, 1
    places = np.maximum(mask.cumsum(1) - 1, 0)
    logits, past = engine.run(ids, mask, places, engine.empty(rows))
    singles = [engine.step(p, engine.empty()) for p in prompts]
    worst = max(float(np.abs(logits[i, -1] - alone).max()) for i, (alone, _) in enumerate(singles))
    token = logits[:, -1].argmax(-1)[:, None]
    logits, _ = engine.run(token, np.concatenate((mask, np.ones((rows, 1), dtype=np.int64)), 1), places[:, -1:] + 1, past)
    for i, (_, cache) in enumerate(singles):
        worst = max(worst, float(np.abs(logits[i, -1] - engine.step([int(token[i, 0])], cache)[0]).max()))
    return worst


def write(path: Path, items: list[dict]) -> None:
    path.write_text("[\n" + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items) + "\n]\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("1"))
    parser.add_argument("--to", type=Path, default=Path("testdata"))
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    engine = Engine(args.model)
    items = answers(engine, args.seed)
    print(f"padding on the left changes logits by at most {padding(engine, [item['prompt_ids'] for item in items]):.1e}")
    write(args.to / "reference.json", items)
    coded = [(s, engine.tokenizer.encode(s).ids) for s in STRINGS]
    write(args.to / "tokens.json", [{"text": s, "ids": ids, "decoded": engine.tokenizer.decode(ids, skip_special_tokens=False)} for s, ids in coded])
    print(len(items), "conversations,", sum(len(item["output_ids"]) for item in items), "tokens")


if __name__ == "__main__":
    main()
