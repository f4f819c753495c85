"""The reference implementation of the uninlu engine, in Python on ONNX Runtime.

One request, one hint, one window at a time, nothing padded: slow and plain on purpose.
The product's batched engine has to give the same answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from .data import hint_text
from .model import THRESHOLD, Config

FoundPath = list[dict]  # of the output: items with type, span and offset, outermost first


@dataclass
class Text:
    """A text encoded window by window."""

    text: str
    offsets: list[tuple[int, int]]  # of each token, in code points
    windows: list[tuple[int, np.ndarray]]  # first token, sequence_output [1, length, width]
    seen: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


class Engine:
    def __init__(self, folder: Path, threads: int = 1):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.encoder = ort.InferenceSession(str(folder / "text_encoder.onnx"), options, providers=["CPUExecutionProvider"])
        self.pointer = ort.InferenceSession(str(folder / "pointer.onnx"), options, providers=["CPUExecutionProvider"])
        limits = Config(vocab=0)
        self.window, self.slide, self.hint_max = limits.window, limits.slide, limits.hint_max
        self.margin = float("inf")  # how near any logit has come to the threshold

    def encode(self, text: str) -> Text:
        """Tokenizes once and runs the text encoder on each window of the tokens."""
        encoded = self.tokenizer.encode(text)
        ids = np.array([encoded.ids], dtype=np.int64)
        windows, first = [], 0
        while True:
            part = ids[:, first : first + self.window]
            hidden = self.encoder.run(["sequence_output"], {"input_ids": part, "attention_mask": np.ones_like(part)})[0]
            windows.append((first, hidden))
            if first + self.window >= ids.shape[1]:
                return Text(text, encoded.offsets, windows)
            first += self.slide

    def hint_ids(self, hint: str) -> np.ndarray:
        """Tokenizes a hint; one that is too long loses its end but keeps [SEP]. -> [1, M]"""
        ids = self.tokenizer.encode(hint).ids
        if len(ids) > self.hint_max:
            ids = ids[: self.hint_max - 1] + ids[-1:]
        return np.array([ids], dtype=np.int64)

    def logits(self, text: Text, hint: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns head and tail logits of every token; where windows overlap, (old + new) / 2."""
        hint_ids = self.hint_ids(hint)
        merged = np.zeros((2, len(text.offsets)), dtype=np.float32)
        done = 0
        for first, hidden in text.windows:
            length = hidden.shape[1]
            places = np.arange(length, length + hint_ids.shape[1], dtype=np.int64)[None, :]
            feed = {
                "sequence_output": hidden,
                "attention_mask": np.ones((1, length), dtype=np.int64),
                "hint_ids": hint_ids,
                "hint_attention_mask": np.ones_like(hint_ids),
                "hint_position_ids": places,
            }
            both = np.concatenate(self.pointer.run(["head_logits", "tail_logits"], feed))
            overlap = max(0, done - first)
            merged[:, first : first + overlap] = (merged[:, first : first + overlap] + both[:, :overlap]) / 2
            merged[:, first + overlap : first + length] = both[:, overlap:]
            done = first + length
        return merged[0], merged[1]

    def spans(self, text: Text, hint: str) -> list[tuple[int, int]]:
        """Pairs each start with the first end at or after it; offsets in code points, sorted."""
        if hint not in text.seen:
            heads, tails = self.logits(text, hint)
            self.margin = min(self.margin, float(np.abs(np.concatenate((heads, tails)) - THRESHOLD).min()))
            found = []
            for i in np.flatnonzero(heads > THRESHOLD):
                ends = np.flatnonzero(tails[i:] > THRESHOLD)
                if len(ends):
                    start, end = text.offsets[i][0], text.offsets[i + ends[0]][1]
                    if start < end:
                        found.append((start, end))
            text.seen[hint] = sorted(found)
        return text.seen[hint]

    def predict(self, text: str, schema: str | dict) -> list[FoundPath]:
        """Answers a request: one path for every leaf found."""
        tree = json.loads(schema) if isinstance(schema, str) else schema
        if not isinstance(tree, dict) or not tree:
            raise ValueError("the schema must be an object with at least one key")
        return list(self._walk(self.encode(text), tree, []))

    def _walk(self, text: Text, tree: dict, path: FoundPath) -> Iterator[FoundPath]:
        prefix = tuple((item["type"], item["span"]) for item in path)
        for key, inner in tree.items():
            for start, end in self.spans(text, hint_text(prefix, key)):
                longer = [*path, {"type": key, "span": text.text[start:end], "offset": [start, end]}]
                if inner is None:
                    yield longer
                else:
                    yield from self._walk(text, inner, longer)
