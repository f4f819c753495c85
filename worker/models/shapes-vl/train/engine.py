"""The reference implementation of the vision engine, in Python on ONNX Runtime: one request at a time, nothing padded."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from .chat import Format
from .preprocess import Preprocessor


@dataclass
class Answer:
    prompt: str
    ids: list[int]  # of the prompt, each pad repeated
    grids: list[tuple[int, int, int]]
    positions: list[tuple[int, int, int]]  # of the prompt
    output: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)  # the position, equal in all three rows, at which each output id but the last went in
    margin: float = float("inf")  # least distance between the two likeliest tokens
    text: str = ""


class Engine:
    def __init__(self, folder: Path, threads: int = 1):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.vision, self.table, self.decoder = (
            ort.InferenceSession(str(folder / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])
            for name in ("vision_encoder", "embed_tokens", "decoder_model_merged")
        )
        self.processor = Preprocessor.read(folder)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.form = Format(self.tokenizer, self.processor.merge_size)
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        self.template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(settings["chat_template"])
        self.ends = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
        self.past = [(i.name, i.shape) for i in self.decoder.get_inputs() if i.name.startswith("past_key_values.")]

    def prompt(self, messages: list[dict]) -> str:
        return self.template.render(messages=messages, add_generation_prompt=True)

    def embed(self, ids: list[int], images: list[tuple[np.ndarray, tuple[int, int, int]]]) -> np.ndarray:
        """Returns [1, S, hidden]: the table's rows, the pads' replaced by the pictures' features in order."""
        rows = self.table.run(["inputs_embeds"], {"input_ids": np.array([ids], dtype=np.int64)})[0]
        if images:
            feed = {"pixel_values": np.concatenate([p for p, _ in images]), "image_grid_thw": np.array([g for _, g in images], dtype=np.int64)}
            features = self.vision.run(["image_features"], feed)[0]
            places = np.flatnonzero(np.array(ids) == self.form.pad)
            if len(places) != len(features):
                raise ValueError(f"{len(places)} places for {len(features)} features")
            rows[0, places] = features
        return rows

    def generate(self, messages: list[dict], images: list[bytes] | list[tuple], most: int = 64) -> Answer:
        """Answers greedily; images are files' bytes, or pixel values with their grids."""
        ready = [self.processor(i) if isinstance(i, bytes) else i for i in images]
        grids = [g for _, g in ready]
        prompt = self.prompt(messages)
        ids = self.form.ids(prompt, grids)
        answer = Answer(prompt, ids, grids, self.form.positions(ids, grids))
        cache = {name: np.zeros((1, shape[1], 0, shape[3]), dtype=np.float32) for name, shape in self.past}
        inputs, positions, length = self.embed(ids, ready), np.array(answer.positions, dtype=np.int64).T[:, None], len(ids)
        following = int(positions.max()) + 1
        while True:
            feed = {"inputs_embeds": inputs, "attention_mask": np.ones((1, length), dtype=np.int64), "position_ids": positions}
            logits, *present = self.decoder.run(None, feed | cache)
            cache = {name: value for (name, _), value in zip(self.past, present, strict=True)}
            last = logits[0, -1]
            second, first = np.partition(last, -2)[-2:]
            answer.margin = min(answer.margin, float(first - second))
            token = int(last.argmax())
            answer.output.append(token)
            if token in self.ends or len(answer.output) == most:
                break
            answer.steps.append(following)
            inputs, positions = self.embed([token], []), np.full((3, 1, 1), following, dtype=np.int64)
            length, following = length + 1, following + 1
        answer.text = self.tokenizer.decode(answer.output, skip_special_tokens=True)
        return answer


def user(text: str, pictures: int = 1, last: bool = False) -> dict:
    parts = [{"type": "image"}] * pictures
    words = [{"type": "text", "text": text}]
    return {"role": "user", "content": words + parts if last else parts + words}
