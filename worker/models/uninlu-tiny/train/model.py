"""The network: a small BERT whose halves read text and hint first apart, then together.

The lower layers encode the text (token type 0, positions from 0) and the hint (token
type 1, positions from the text's length on) separately; the upper layers attend over
both, and two linear heads say for every text token whether a span starts or ends there.
A logit above `THRESHOLD` means yes.

Shapes below: B rows, N text tokens, M hint tokens, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

THRESHOLD = 0.5
MASKED = -10000.0  # added to masked positions; exp() of it is exactly zero in float32


@dataclass
class Config:
    vocab: int
    width: int = 128
    heads: int = 4
    inner: int = 512
    lower: int = 2
    upper: int = 3
    positions: int = 256
    window: int = 160
    slide: int = 144
    hint_max: int = 64


class Layer(nn.Module):
    """A BERT layer: self-attention and a feed-forward part, each followed by addition and normalisation."""

    def __init__(self, config: Config):
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.expand, self.shrink = nn.Linear(width, config.inner), nn.Linear(config.inner, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x [B, N, D], bias [B, 1, 1, N] (0 or MASKED) -> [B, N, D]"""
        batch, length, width = x.size()

        def split(y: Tensor) -> Tensor:  # [B, N, D] -> [B, heads, N, D / heads]
            return y.view(batch, length, self.heads, width // self.heads).transpose(1, 2)

        query, key, value = split(self.query(x)), split(self.key(x)), split(self.value(x))
        scores = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads) + bias
        mixed = (F.softmax(scores, dim=-1) @ value).transpose(1, 2).reshape(batch, length, width)
        x = self.norm1(x + self.out(mixed))
        return self.norm2(x + self.shrink(F.gelu(self.expand(x))))


def mask_bias(mask: Tensor) -> Tensor:
    """mask [B, N] of 1 and 0 -> additive bias [B, 1, 1, N]"""
    return ((1.0 - mask.float()) * MASKED)[:, None, None, :]


class UniNLU(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocab, config.width)
        self.places = nn.Embedding(config.positions, config.width)
        self.types = nn.Embedding(2, config.width)
        self.norm = nn.LayerNorm(config.width, eps=1e-12)
        self.lower = nn.ModuleList(Layer(config) for _ in range(config.lower))
        self.upper = nn.ModuleList(Layer(config) for _ in range(config.upper))
        self.head = nn.Linear(config.width, 1)
        self.tail = nn.Linear(config.width, 1)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.04)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def embed(self, ids: Tensor, mask: Tensor, places: Tensor, kind: int) -> Tensor:
        """Runs the lower half. ids, mask [B, N], places [B or 1, N] -> [B, N, D]"""
        x = self.norm(self.words(ids) + self.types.weight[kind] + self.places(places))
        bias = mask_bias(mask)
        for layer in self.lower:
            x = layer(x, bias)
        return x

    def encode(self, ids: Tensor, mask: Tensor, places: Tensor | None = None) -> Tensor:
        """Encodes texts. ids, mask [B, N] -> [B, N, D]; `places` only differs from 0..N-1 in training."""
        if places is None:
            places = torch.arange(ids.size(1), device=ids.device)[None, :]
        return self.embed(ids, mask, places, kind=0)

    def point(self, text: Tensor, mask: Tensor, hint_ids: Tensor, hint_mask: Tensor, hint_places: Tensor) -> tuple[Tensor, Tensor]:
        """Marks spans. text [B, N, D], mask [B, N], hint_* [B, M] -> head and tail logits, each [B, N]"""
        hint = self.embed(hint_ids, hint_mask, hint_places, kind=1)
        x = torch.cat((text, hint), dim=1)
        bias = mask_bias(torch.cat((mask, hint_mask), dim=1))
        for layer in self.upper:
            x = layer(x, bias)
        x = x[:, : text.size(1)]
        outside = (1.0 - mask.float()) * MASKED
        return self.head(x).squeeze(-1) + outside, self.tail(x).squeeze(-1) + outside


class TextEncoder(nn.Module):
    """The graph of text_encoder.onnx."""

    def __init__(self, model: UniNLU):
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model.encode(input_ids, attention_mask)


class Pointer(nn.Module):
    """The graph of pointer.onnx."""

    def __init__(self, model: UniNLU):
        super().__init__()
        self.model = model

    def forward(self, sequence_output: Tensor, attention_mask: Tensor, hint_ids: Tensor, hint_attention_mask: Tensor, hint_position_ids: Tensor):
        return self.model.point(sequence_output, attention_mask, hint_ids, hint_attention_mask, hint_position_ids)


def circle_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Multi-label loss that puts wanted logits above and all others below THRESHOLD.

    logits, wanted [B, N] -> scalar; masked positions have a logit near MASKED and add nothing.
    """
    shifted = logits - THRESHOLD
    zero = torch.zeros_like(shifted[:, :1])
    others = shifted.masked_fill(wanted, -1e9)
    chosen = (-shifted).masked_fill(~wanted, -1e9)
    return (torch.logsumexp(torch.cat((others, zero), 1), 1) + torch.logsumexp(torch.cat((chosen, zero), 1), 1)).mean()
