"""Trains and exports the model; some minutes on one CPU core.

    OMP_NUM_THREADS=1 python3 -m train.train --to 1

Two losses, each for the first 32, the first 64 and all 128 numbers of a vector, so that shorter
vectors are of use too: the two wordings of a meaning have to find each other among all others
of the batch, and meanings that share their frame or some words shall be nearer than others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import time
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from . import data, tokenizer
from .data import Meaning
from .model import Config, Encoder, pooled

DIMENSIONS = (32, 64, 128)
SHARPNESS = 0.07
MANIFEST = """name: embed-tiny
version: "1"
engine: embed
description: "Demo of sentence vectors, trained from scratch on generated sentences: paraphrases come close, in English, Chinese and across."
license: Apache-2.0
files:
"""
FILES = (
    "model.onnx",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)


def encode(model: Encoder, known: Tokenizer, texts: list[str]) -> Tensor:
    rows = [e.ids for e in known.encode_batch(texts)]
    length = max(map(len, rows))
    ids, mask = torch.zeros(len(rows), length, dtype=torch.long), torch.zeros(len(rows), length, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return pooled(model(ids, mask, torch.zeros_like(ids)), mask)


def meanings(rng: random.Random, size: int) -> list[Meaning]:
    """Draws distinct meanings; half of them are near another."""
    out: list[Meaning] = []
    while len(out) < size:
        meaning = data.near(rng, rng.choice(out)) if out and rng.random() < 0.5 else data.draw(rng)
        if meaning not in out:
            out.append(meaning)
    return out


def loss(left: Tensor, right: Tensor, likeness: Tensor) -> Tensor:
    total = torch.zeros(())
    for size in DIMENSIONS:
        a, b = F.normalize(left[:, :size], dim=-1), F.normalize(right[:, :size], dim=-1)
        cosine = a @ b.t()
        target = torch.arange(len(a))
        found = (F.cross_entropy(cosine / SHARPNESS, target) + F.cross_entropy(cosine.t() / SHARPNESS, target)) / 2
        total = total + found + 3 * (cosine - likeness).pow(2).mean()
    return total / len(DIMENSIONS)


def train(known: Tokenizer, steps: int, seed: int) -> Encoder:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = Encoder(Config(vocab=known.get_vocab_size()))
    print("parameters:", sum(p.numel() for p in model.parameters()), flush=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    running, started = 0.0, time.time()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 100) * max(0.02, 0.5 * (1 + math.cos(math.pi * step / steps)))
        drawn = meanings(rng, 64)
        left = encode(model, known, [garble(rng, data.say(rng, m, rng.random() < 0.5)) for m in drawn])
        right = encode(model, known, [garble(rng, data.say(rng, m, rng.random() < 0.5)) for m in drawn])
        likeness = torch.tensor([[a.likeness(b) for b in drawn] for a in drawn])
        value = loss(left, right, likeness)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running = value.item() if step == 0 else 0.98 * running + 0.02 * value.item()
        if step % 250 == 249:
            print(step + 1, f"{time.time() - started:.0f}s loss {running:.4f}", flush=True)
    return model.eval()


def garble(rng: random.Random, text: str) -> str:
    """Now and then drops a word or puts some before the sentence, so that wordings unknown to it do less harm."""
    chance = rng.random()
    if chance < 0.08 and " " in text:
        words = text.split(" ")
        del words[rng.randrange(len(words))]
        return " ".join(words)
    if chance < 0.16:
        return rng.choice(("请问，", "那个，", "你知道吗，") if ord(text[-2]) > 255 else ("Please, ", "Excuse me, ", "By the way, ", "Well, ")) + text
    return text


def export(model: Encoder, to: Path) -> None:
    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.ones(2, 7, dtype=torch.long)
    path = str(to / "model.onnx")
    with torch.no_grad():
        torch.onnx.export(
            model,
            (ids, torch.ones_like(ids), torch.zeros_like(ids)),
            path,
            input_names=names,
            output_names=["last_hidden_state"],
            dynamic_axes={n: {0: "batch_size", 1: "sequence_length"} for n in [*names, "last_hidden_state"]},
            opset_version=17,
        )
    onnx.checker.check_model(path)
    for name, content in configurations(model.c).items():
        (to / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    lines = [f"  {name}: {hashlib.sha256((to / name).read_bytes()).hexdigest()}\n" for name in FILES]
    (to / "model.yaml").write_text(MANIFEST + "".join(lines), encoding="utf-8")


def configurations(c: Config) -> dict[str, object]:
    module = "sentence_transformers.models."
    modes = ("cls_token", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
    return {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_act": "gelu",
            "hidden_size": c.width,
            "intermediate_size": c.inner,
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": c.positions,
            "num_attention_heads": c.heads,
            "num_hidden_layers": c.layers,
            "pad_token_id": 0,
            "position_embedding_type": "absolute",
            "type_vocab_size": 2,
            "vocab_size": c.vocab,
        },
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": module + "Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": module + "Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": module + "Normalize"},
        ],
        "sentence_bert_config.json": {"max_seq_length": c.positions, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"},
        "1_Pooling/config.json": {
            "word_embedding_dimension": c.width,
            "pooling_mode_mean_tokens": True,
            **{f"pooling_mode_{m}": False for m in modes},
            "include_prompt": True,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=2026)
    args = parser.parse_args()
    torch.set_num_threads(1)
    (args.to / "1_Pooling").mkdir(parents=True, exist_ok=True)
    tokenizer.save(args.to)
    known = Tokenizer.from_file(str(args.to / "tokenizer.json"))
    export(train(known, args.steps, args.seed), args.to)


if __name__ == "__main__":
    main()
