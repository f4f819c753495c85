"""Exports trained weights: three graphs, configurations, tokenizer, manifest.

    python3 -m train.export --weights shapes-vl.pt --to 1
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from . import tokenizer
from .model import Config, DecoderGraph, ShapesVL, VisionGraph
from .preprocess import Preprocessor
from .train import load

OPSET = 17
MANIFEST = """name: shapes-vl
version: "1"
engine: vision
description: "Demo of a vision language model, trained from scratch on generated pictures: questions about colored shapes, in English and Chinese."
license: Apache-2.0
files:
"""
FILES = (
    "vision_encoder.onnx",
    "embed_tokens.onnx",
    "decoder_model_merged.onnx",
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)


class Table(nn.Module):
    def __init__(self, embed: nn.Embedding):
        super().__init__()
        self.embed = embed

    def forward(self, input_ids):
        return self.embed(input_ids)


def write(module: nn.Module, inputs: tuple, path: Path, names: list[str], outputs: list[str], axes: dict[str, dict[int, str]]) -> None:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), inputs, str(path), input_names=names, output_names=outputs, dynamic_axes=axes, opset_version=OPSET)
    model = onnx.load(str(path))
    for output in model.graph.output:  # the exporter gives some outputs' fixed axes the names of nodes
        for i, dim in enumerate(output.type.tensor_type.shape.dim):
            if i not in axes[output.name] and dim.dim_param:
                dim.ClearField("dim_param")
    for node in [*model.graph.node]:
        node.ClearField("doc_string")
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def vision(model: ShapesVL, path: Path) -> None:
    c = model.c
    grid = torch.tensor([[1, 4, 6], [2, 4, 4]])
    pixels = torch.randn(int(grid.prod(1).sum()), 3 * c.temporal * c.patch**2)
    axes = {"pixel_values": {0: "n_patches"}, "image_grid_thw": {0: "n_images"}, "image_features": {0: "n_features"}}
    write(VisionGraph(model.vision), (pixels, grid), path, ["pixel_values", "image_grid_thw"], ["image_features"], axes)


def table(model: ShapesVL, path: Path) -> None:
    axes = {n: {0: "batch_size", 1: "sequence_length"} for n in ("input_ids", "inputs_embeds")}
    write(Table(model.decoder.embed), (torch.zeros(2, 3, dtype=torch.long),), path, ["input_ids"], ["inputs_embeds"], axes)


def decoder(model: ShapesVL, path: Path) -> None:
    c, batch, new, past = model.c, 2, 3, 4
    names, outputs = ["inputs_embeds", "attention_mask", "position_ids"], ["logits"]
    axes = {
        "inputs_embeds": {0: "batch_size", 1: "sequence_length"},
        "attention_mask": {0: "batch_size", 1: "total_sequence_length"},
        "position_ids": {1: "batch_size", 2: "sequence_length"},
        "logits": {0: "batch_size", 1: "sequence_length"},
    }
    for i in range(c.layers):
        for part in ("key", "value"):
            names.append(f"past_key_values.{i}.{part}")
            outputs.append(f"present.{i}.{part}")
            axes[names[-1]] = {0: "batch_size", 2: "past_sequence_length"}
            axes[outputs[-1]] = {0: "batch_size", 2: "total_sequence_length"}
    cache = [torch.randn(batch, c.kv_heads, past, c.head_dim) for _ in range(2 * c.layers)]
    inputs = (torch.randn(batch, new, c.hidden), torch.ones(batch, past + new, dtype=torch.long), torch.zeros(3, batch, new, dtype=torch.long), *cache)
    write(DecoderGraph(model.decoder), inputs, path, names, outputs, axes)


def config(c: Config, ids: dict[str, int]) -> dict:
    return {
        "architectures": ["Qwen2VLForConditionalGeneration"],
        "model_type": "qwen2_vl",
        "bos_token_id": ids[tokenizer.END_OF_TEXT],
        "eos_token_id": ids[tokenizer.IM_END],
        "pad_token_id": ids[tokenizer.END_OF_TEXT],
        "vision_start_token_id": ids[tokenizer.VISION_START],
        "vision_end_token_id": ids[tokenizer.VISION_END],
        "image_token_id": ids[tokenizer.IMAGE_PAD],
        "hidden_act": "silu",
        "hidden_size": c.hidden,
        "intermediate_size": c.inner,
        "head_dim": c.head_dim,
        "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads,
        "num_key_value_heads": c.kv_heads,
        "max_position_embeddings": 512,
        "rms_norm_eps": c.norm_eps,
        "rope_theta": c.theta,
        "rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": list(c.sections)},
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": c.vocab,
        "vision_config": {
            "model_type": "qwen2_vl",
            "depth": c.vision_layers,
            "embed_dim": c.vision_width,
            "hidden_size": c.hidden,
            "in_channels": 3,
            "mlp_ratio": c.vision_inner / c.vision_width,
            "num_heads": c.vision_heads,
            "patch_size": c.patch,
            "spatial_merge_size": c.merge,
            "temporal_patch_size": c.temporal,
        },
    }


def preprocessor(p: Preprocessor) -> dict:
    return {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "resample": 3,
        "rescale_factor": p.rescale_factor,
        "image_mean": list(p.image_mean),
        "image_std": list(p.image_std),
        "min_pixels": p.min_pixels,
        "max_pixels": p.max_pixels,
        "patch_size": p.patch_size,
        "merge_size": p.merge_size,
        "temporal_patch_size": p.temporal_patch_size,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    model, to = load(args.weights), args.to
    vision(model, to / "vision_encoder.onnx")
    table(model, to / "embed_tokens.onnx")
    decoder(model, to / "decoder_model_merged.onnx")
    if not (to / "tokenizer.json").exists():
        tokenizer.save(to)
    known = tokenizer.Tokenizer.from_file(str(to / "tokenizer.json"))
    ids = {t: known.token_to_id(t) for t in tokenizer.SPECIAL}
    ends = [ids[tokenizer.IM_END], ids[tokenizer.END_OF_TEXT]]
    for name, content in (
        ("config.json", config(model.c, ids)),
        ("preprocessor_config.json", preprocessor(Preprocessor())),
        (
            "generation_config.json",
            {"bos_token_id": ids[tokenizer.END_OF_TEXT], "eos_token_id": ends, "pad_token_id": ids[tokenizer.END_OF_TEXT], "do_sample": False, "max_new_tokens": 64},
        ),
    ):
        (to / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    lines = [f"  {name}: {hashlib.sha256((to / name).read_bytes()).hexdigest()}\n" for name in FILES]
    (to / "model.yaml").write_text(MANIFEST + "".join(lines), encoding="utf-8")
    for name in FILES:
        print(f"{(to / name).stat().st_size:>10} {name}")


if __name__ == "__main__":
    main()
