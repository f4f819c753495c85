"""The network: a BERT without a pooler."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .tokenizer import LONGEST


@dataclass(frozen=True)
class Config:
    vocab: int
    width: int = 128
    layers: int = 2
    heads: int = 4
    inner: int = 384
    positions: int = LONGEST


class Layer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.heads, self.dim = c.heads, c.width // c.heads
        self.qkv, self.out = nn.Linear(c.width, 3 * c.width), nn.Linear(c.width, c.width)
        self.up, self.down = nn.Linear(c.width, c.inner), nn.Linear(c.inner, c.width)
        self.norm1, self.norm2 = nn.LayerNorm(c.width, eps=1e-12), nn.LayerNorm(c.width, eps=1e-12)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, self.dim).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = (q @ k.transpose(-1, -2) / math.sqrt(self.dim) + mask).softmax(-1) @ v
        x = self.norm1(x + self.out(mixed.transpose(1, 2).reshape(b, n, d)))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Encoder(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.words, self.positions, self.types = nn.Embedding(c.vocab, c.width), nn.Embedding(c.positions, c.width), nn.Embedding(2, c.width)
        self.norm = nn.LayerNorm(c.width, eps=1e-12)
        self.layers = nn.ModuleList([Layer(c) for _ in range(c.layers)])
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.05)
                if isinstance(module, nn.Linear):
                    nn.init.zeros_(module.bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """Each [B, N] -> last_hidden_state [B, N, width]."""
        places = torch.arange(input_ids.size(1)).unsqueeze(0)
        x = self.norm(self.words(input_ids) + self.positions(places) + self.types(token_type_ids))
        mask = (1.0 - attention_mask[:, None, None, :].float()) * -10000.0
        for layer in self.layers:
            x = layer(x, mask)
        return x


def pooled(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The mean over the tokens that are not padding, not yet normalised."""
    weight = attention_mask.unsqueeze(-1).float()
    return (hidden * weight).sum(1) / weight.sum(1)
