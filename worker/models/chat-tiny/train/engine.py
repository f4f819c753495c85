"""The reference implementation of greedy decoding, in Python on ONNX Runtime: one sequence, nothing padded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from . import template


class Engine:
    def __init__(self, folder: Path, threads: int = 1):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.ends = set(json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))["eos_token_id"])
        self.positions = config["max_position_embeddings"]
        self.shape = (config["num_key_value_heads"], config["head_dim"])
        self.names = [f"{i}.{part}" for i in range(config["num_hidden_layers"]) for part in ("key", "value")]
        self.margin = float("inf")  # the smallest lead of a chosen token over the next best

    def empty(self, rows: int = 1) -> list[np.ndarray]:
        return [np.zeros((rows, self.shape[0], 0, self.shape[1]), dtype=np.float32) for _ in self.names]

    def run(self, ids: np.ndarray, mask: np.ndarray, places: np.ndarray, past: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """-> logits [rows, length, vocabulary] and the longer cache"""
        feed = {"input_ids": ids, "attention_mask": mask, "position_ids": places}
        feed |= {f"past_key_values.{name}": value for name, value in zip(self.names, past)}
        logits, *present = self.session.run(None, feed)
        return logits, present

    def step(self, ids: list[int], past: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Appends ids to a sequence; -> the logits after the last one, and the cache."""
        done = past[0].shape[2]
        places = np.arange(done, done + len(ids), dtype=np.int64)[None]
        logits, past = self.run(np.array([ids], dtype=np.int64), np.ones((1, done + len(ids)), dtype=np.int64), places, past)
        return logits[0, -1], past

    def greedy(self, ids: list[int], limit: int) -> list[int]:
        """Continues with the likeliest token, up to and with the end token, or limit tokens."""
        out: list[int] = []
        logits, past = self.step(ids, self.empty())
        while True:
            second, first = np.partition(logits, -2)[-2:]
            self.margin = min(self.margin, float(first - second))
            out.append(int(logits.argmax()))
            if out[-1] in self.ends or len(out) == limit:
                return out
            logits, past = self.step(out[-1:], past)

    def chat(self, messages: list[dict], tools: list[dict] | None = None, think: bool | None = False, limit: int = 200) -> str:
        """Answers as text, thought and tool calls included, without the end token."""
        ids = self.tokenizer.encode(template.render(messages, tools, prompt=True, think=think)).ids
        out = self.greedy(ids, min(limit, self.positions - len(ids)))
        return self.tokenizer.decode([i for i in out if i not in self.ends], skip_special_tokens=False)
