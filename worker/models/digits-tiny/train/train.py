"""Trains, scores and exports the model; two minutes on one CPU core.

    OMP_NUM_THREADS=1 python3 -m train.train --to .

writes 1/ (graph and manifest) and testdata/reference.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import digits

MANIFEST = """name: digits-tiny
version: "1"
engine: tensor
description: "Demo of a plain tensor model, trained from scratch on generated drawings: tells digits on 28 x 28 pixels."
license: Apache-2.0
files:
  model.onnx: {sum}
batch: {{max_size: 16}}
"""


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.three = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1), nn.Conv2d(32, 48, 3, padding=1)
        self.inner, self.last = nn.Linear(48 * 9, 64), nn.Linear(64, 10)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """pixels [B, 1, 28, 28], ink 1 on paper 0 -> logits and probabilities [B, 10]."""
        x = F.max_pool2d(F.relu(self.one(pixels)), 2)
        x = F.max_pool2d(F.relu(self.two(x)), 2)
        x = F.max_pool2d(F.relu(self.three(x)), 2)
        logits = self.last(F.relu(self.inner(x.flatten(1))))
        return logits, logits.softmax(-1)


def train(steps: int, seed: int) -> Net:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.01)
    running = 0.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * max(0.02, 0.5 * (1 + math.cos(math.pi * step / steps)))
        pixels, labels = digits.batch(rng, 64)
        value = F.cross_entropy(net(torch.from_numpy(pixels))[0], torch.from_numpy(labels))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        running = value.item() if step == 0 else 0.98 * running + 0.02 * value.item()
        if step % 500 == 499:
            print(step + 1, f"loss {running:.4f}", flush=True)
    return net.eval()


def export(net: Net, to: Path) -> None:
    names = ["pixels", "logits", "probabilities"]
    path = to / "model.onnx"
    with torch.no_grad():
        torch.onnx.export(
            net,
            (torch.zeros(2, 1, digits.SIDE, digits.SIDE),),
            str(path),
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={n: {0: "batch"} for n in names},
            opset_version=17,
        )
    onnx.checker.check_model(str(path))
    (to / "model.yaml").write_text(MANIFEST.format(sum=hashlib.sha256(path.read_bytes()).hexdigest()), encoding="utf-8")


def evaluate(session: ort.InferenceSession, count: int) -> None:
    pixels, labels = digits.batch(np.random.default_rng(90210), count)
    found = session.run(["logits"], {"pixels": pixels})[0].argmax(1)
    each = " ".join(f"{d}:{(found[labels == d] == d).mean():.3f}" for d in range(10))
    print(f"right {(found == labels).mean():.4f} of {count}; {each}")


def reference(session: ort.InferenceSession, path: Path) -> None:
    """Writes two drawings of each digit in whole 255ths, and what ONNX Runtime makes of each alone."""
    rng = np.random.default_rng(7)
    cases = []
    for digit in [*range(10)] * 2:
        levels = (digits.draw(rng, digit) * 255).round().astype(int)
        pixels = (levels.astype(np.float32) / np.float32(255))[None, None]
        logits, probabilities = session.run(["logits", "probabilities"], {"pixels": pixels})
        cases.append({"digit": digit, "levels": levels.reshape(-1).tolist(), "logits": rounded(logits), "probabilities": rounded(probabilities)})
    path.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n", encoding="utf-8")


def rounded(values: np.ndarray) -> list[float]:
    return [float(f"{v:.7g}") for v in values.reshape(-1)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=Path, required=True, help="the model's folder, with 1/ and testdata/ in it")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=2026)
    args = parser.parse_args()
    torch.set_num_threads(1)
    net = train(args.steps, args.seed)
    print("parameters:", sum(p.numel() for p in net.parameters()))
    export(net, args.to / "1")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(args.to / "1" / "model.onnx"), options, providers=["CPUExecutionProvider"])
    evaluate(session, 5000)
    reference(session, args.to / "testdata" / "reference.json")


if __name__ == "__main__":
    main()
