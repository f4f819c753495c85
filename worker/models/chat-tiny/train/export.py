"""Writes the model folder: the graph, its configuration, the tokenizer and model.yaml with the hashes.

    python3 -m train.export --weights chat.pt --tokenizer tokenizer.json --to 1
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from tokenizers import Tokenizer

from . import template
from .model import Chat, Config, Decoder

OPSET = 17
OPENED = ("model.onnx", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
DESCRIPTION = "Demo of a chat model, trained from scratch on generated conversations: small talk, small sums, recall, tools and JSON in English and Chinese."


def load(weights: Path) -> Chat:
    stored = torch.load(weights, weights_only=True)
    model = Chat(Config(**stored["config"]))
    model.load_state_dict(stored["weights"])
    return model.eval()


def export_graph(model: Chat, path: Path) -> None:
    """Exports with the names and dynamic axes of optimum's decoders; the example only has to be of the right rank."""
    c, batch, length, past = model.config, 2, 3, 4
    ids = torch.randint(0, c.vocab, (batch, length))
    mask = torch.ones(batch, past + length, dtype=torch.long)
    places = torch.arange(past, past + length).repeat(batch, 1)
    cache = [torch.randn(batch, c.kv_heads, past, c.head_dim) for _ in range(2 * c.layers)]
    kept = [f"{i}.{part}" for i in range(c.layers) for part in ("key", "value")]
    row = {0: "batch_size", 1: "sequence_length"}
    axes = {"input_ids": row, "position_ids": row, "logits": row, "attention_mask": {0: "batch_size", 1: "total_sequence_length"}}
    axes |= {f"past_key_values.{name}": {0: "batch_size", 2: "past_sequence_length"} for name in kept}
    axes |= {f"present.{name}": {0: "batch_size", 2: "total_sequence_length"} for name in kept}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Decoder(model),
            (ids, mask, places, *cache),
            str(path),
            input_names=["input_ids", "attention_mask", "position_ids", *(f"past_key_values.{name}" for name in kept)],
            output_names=["logits", *(f"present.{name}" for name in kept)],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def tie(path: Path) -> None:
    """Drops the second, transposed copy of the embedding that the exporter makes for the logits."""
    graph = onnx.load(path)
    values = {t.name: t for t in graph.graph.initializer}
    gather = next(n for n in graph.graph.node if n.op_type == "Gather" and len(values.get(n.input[0], onnx.TensorProto()).dims) == 2)
    table = numpy_helper.to_array(values[gather.input[0]])
    for i, node in enumerate(graph.graph.node):
        copy = values.get(node.input[1]) if node.op_type == "MatMul" else None
        if copy is not None and tuple(copy.dims) == table.T.shape and np.array_equal(numpy_helper.to_array(copy), table.T):
            graph.graph.node.insert(i, helper.make_node("Transpose", [gather.input[0]], [copy.name], perm=[1, 0]))
            graph.graph.initializer.remove(copy)
            onnx.checker.check_model(graph, full_check=True)
            onnx.save(graph, path)
            return
    raise ValueError("the logits have no copy of the embedding")


def write_configs(c: Config, tok: Tokenizer, folder: Path) -> None:
    def write(name: str, value: dict) -> None:
        (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    nothing, turn_end = tok.token_to_id("<|endoftext|>"), tok.token_to_id("<|im_end|>")
    write("config.json", {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": c.vocab,
        "hidden_size": c.width,
        "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads,
        "num_key_value_heads": c.kv_heads,
        "head_dim": c.head_dim,
        "intermediate_size": c.inner,
        "hidden_act": "silu",
        "max_position_embeddings": c.positions,
        "rope_theta": c.theta,
        "rms_norm_eps": c.eps,
        "attention_bias": False,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "bos_token_id": nothing,
        "eos_token_id": turn_end,
    })  # fmt: skip
    write("generation_config.json", {
        "bos_token_id": nothing,
        "pad_token_id": nothing,
        "eos_token_id": [turn_end, nothing],
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 20,
    })  # fmt: skip
    added = {
        str(i): {"content": t.content, "lstrip": t.lstrip, "normalized": t.normalized, "rstrip": t.rstrip, "single_word": t.single_word, "special": t.special}
        for i, t in sorted(tok.get_added_tokens_decoder().items())
    }
    write("tokenizer_config.json", {
        "tokenizer_class": "Qwen2Tokenizer",
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "clean_up_tokenization_spaces": False,
        "model_max_length": c.positions,
        "chat_template": template.text(),
    })  # fmt: skip


def write_manifest(folder: Path) -> None:
    lines = [
        "name: chat-tiny",
        'version: "1"',
        "engine: generate",
        f'description: "{DESCRIPTION}"',
        "license: Apache-2.0",
        "files:",
        *(f"  {name}: {hashlib.sha256((folder / name).read_bytes()).hexdigest()}" for name in OPENED),
    ]
    (folder / "model.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=Path("tokenizer.json"))
    parser.add_argument("--to", type=Path, default=Path("1"))
    args = parser.parse_args()
    torch.manual_seed(0)
    model = load(args.weights)
    args.to.mkdir(parents=True, exist_ok=True)
    if args.tokenizer.resolve() != (args.to / "tokenizer.json").resolve():
        shutil.copyfile(args.tokenizer, args.to / "tokenizer.json")
    export_graph(model, args.to / "model.onnx")
    tie(args.to / "model.onnx")
    write_configs(model.config, Tokenizer.from_file(str(args.to / "tokenizer.json")), args.to)
    write_manifest(args.to)
    for path in sorted(args.to.iterdir()):
        print(f"{path.stat().st_size:>10,}  {path.name}")


if __name__ == "__main__":
    main()
