"""The reference implementation of the embed engine, in Python on ONNX Runtime, and expected vectors for its tests.

    python3 -m train.reference --model 1 --to testdata
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

# Everyday ones, and awkward ones: alone, empty, unknown, too long.
TEXTS = (
    "What is the weather like in Paris tomorrow?",
    "Will it rain in London today?",
    "巴黎明天天气怎么样？",
    "How much is the bicycle?",
    "What does the bike cost?",
    "自行车多少钱？",
    "The dog chases the cat.",
    "The cat chases the dog.",
    "小狗在追猫",
    "I forgot my password.",
    "密码忘了，登录不了",
    "The soup is delicious.",
    "The soup is terrible.",
    "My friend is moving to Berlin.",
    "a",
    "",
    "Zażółć gęślą jaźń 🙂 naïve",
    "  Spaces\tand\nlines   ",
    "这是一个词表里没有的龘字",
    "The dog runs after the cat and the cat runs after the bird. " * 12,
)


class Model:
    def __init__(self, folder: Path):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.longest = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]

    def ids(self, text: str) -> list[int]:
        """Tokenizes; a text that is too long loses its end but keeps [SEP]."""
        ids = self.tokenizer.encode(text).ids
        return ids if len(ids) <= self.longest else ids[: self.longest - 1] + ids[-1:]

    def embed(self, text: str, normalize: bool = True) -> np.ndarray:
        ids = np.array([self.ids(text)], dtype=np.int64)
        hidden = self.session.run(["last_hidden_state"], {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})[0]
        vector = hidden[0].mean(0)
        return vector / np.linalg.norm(vector) if normalize else vector


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    args = parser.parse_args()
    model = Model(args.model)
    lines = []
    for text in TEXTS:
        vector = model.embed(text)
        lines.append(json.dumps({"text": text, "ids": model.ids(text), "vector": [float(f"{v:.6g}") for v in vector]}, ensure_ascii=False))
    (args.to / "reference.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    close = [(0, 2), (3, 4), (3, 5), (6, 8), (6, 7), (9, 10), (11, 12), (0, 9)]
    vectors = [model.embed(t) for t in TEXTS]
    for a, b in close:
        print(f"{float(vectors[a] @ vectors[b]):.3f} {TEXTS[a]} | {TEXTS[b]}")


if __name__ == "__main__":
    main()
