"""Writes the model folder: both graphs, the tokenizer files and model.yaml with its hashes.

    python3 -m train.export --weights uninlu.pt --to 1
"""

from __future__ import annotations

import argparse
import hashlib
import warnings
from pathlib import Path

import torch

from . import tokenizer
from .model import THRESHOLD, Config, Pointer, TextEncoder, UniNLU

OPSET = 17
DESCRIPTION = "Demo of universal Chinese language understanding, trained from scratch on generated sentences: spans, relations, events, opinions, labels and questions by schema."


def load(weights: Path) -> UniNLU:
    stored = torch.load(weights, weights_only=True)
    model = UniNLU(Config(**stored["config"]))
    model.load_state_dict(stored["weights"])
    return model.eval()


def export_graphs(model: UniNLU, folder: Path) -> None:
    """Exports with every axis dynamic; the example inputs only have to be of the right rank."""
    ids = torch.randint(5, 100, (2, 12))
    hint = torch.randint(5, 100, (2, 7))
    mask, hint_mask = torch.ones_like(ids), torch.ones_like(hint)
    places = torch.arange(12, 19)[None, :].repeat(2, 1)
    text_axes, hint_axes = {0: "batch", 1: "text_len"}, {0: "batch", 1: "hint_len"}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            TextEncoder(model),
            (ids, mask),
            str(folder / "text_encoder.onnx"),
            input_names=["input_ids", "attention_mask"],
            output_names=["sequence_output"],
            dynamic_axes=dict.fromkeys(["input_ids", "attention_mask", "sequence_output"], text_axes),
            opset_version=OPSET,
            dynamo=False,
        )
        torch.onnx.export(
            Pointer(model),
            (model.encode(ids, mask), mask, hint, hint_mask, places),
            str(folder / "pointer.onnx"),
            input_names=["sequence_output", "attention_mask", "hint_ids", "hint_attention_mask", "hint_position_ids"],
            output_names=["head_logits", "tail_logits"],
            dynamic_axes=dict.fromkeys(["sequence_output", "attention_mask", "head_logits", "tail_logits"], text_axes)
            | dict.fromkeys(["hint_ids", "hint_attention_mask", "hint_position_ids"], hint_axes),
            opset_version=OPSET,
            dynamo=False,
        )


def write_manifest(config: Config, folder: Path) -> None:
    def sha256(name: str) -> str:
        return hashlib.sha256((folder / name).read_bytes()).hexdigest()

    opened = ("text_encoder.onnx", "pointer.onnx", "tokenizer.json")
    lines = [
        "name: uninlu-tiny",
        'version: "1"',
        "engine: uninlu",
        f'description: "{DESCRIPTION}"',
        "license: Apache-2.0",
        "files:",
        *(f"  {name}: {sha256(name)}" for name in opened),
        "batch: {max_size: 16}",
        f"uninlu: {{window: {config.window}, slide: {config.slide}, hint_max: {config.hint_max}, threshold: {THRESHOLD}}}",
    ]
    (folder / "model.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=Path("1"))
    args = parser.parse_args()
    model = load(args.weights)
    args.to.mkdir(parents=True, exist_ok=True)
    tokenizer.save(args.to)
    export_graphs(model, args.to)
    write_manifest(model.config, args.to)
    for path in sorted(args.to.iterdir()):
        print(f"{path.stat().st_size:>10,}  {path.name}")


if __name__ == "__main__":
    main()
