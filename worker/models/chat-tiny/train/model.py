"""The network: a decoder of Qwen3's design, small.

RMSNorm before each half of a layer, grouped-query attention with normalized queries and
keys, rotary positions, a SwiGLU, and one matrix for embeddings and output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Config:
    vocab: int
    width: int = 160
    layers: int = 5
    heads: int = 6
    kv_heads: int = 2
    head_dim: int = 32
    inner: int = 448
    theta: float = 10000.0
    eps: float = 1e-6
    positions: int = 512


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


class Layer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.config = c
        self.norm1 = RMSNorm(c.width, c.eps)
        self.q = nn.Linear(c.width, c.heads * c.head_dim, bias=False)
        self.k = nn.Linear(c.width, c.kv_heads * c.head_dim, bias=False)
        self.v = nn.Linear(c.width, c.kv_heads * c.head_dim, bias=False)
        self.o = nn.Linear(c.heads * c.head_dim, c.width, bias=False)
        self.q_norm = RMSNorm(c.head_dim, c.eps)
        self.k_norm = RMSNorm(c.head_dim, c.eps)
        self.norm2 = RMSNorm(c.width, c.eps)
        self.gate = nn.Linear(c.width, c.inner, bias=False)
        self.up = nn.Linear(c.width, c.inner, bias=False)
        self.down = nn.Linear(c.inner, c.width, bias=False)

    def qkv(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> [batch, heads, length, head_dim], the keys already rotated."""
        c, (batch, length) = self.config, x.shape[:2]
        x = self.norm1(x)
        q = self.q_norm(self.q(x).view(batch, length, c.heads, c.head_dim)).transpose(1, 2)
        k = self.k_norm(self.k(x).view(batch, length, c.kv_heads, c.head_dim)).transpose(1, 2)
        v = self.v(x).view(batch, length, c.kv_heads, c.head_dim).transpose(1, 2)
        return rotate(q, cos, sin), rotate(k, cos, sin), v

    def mlp(self, x: Tensor) -> Tensor:
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, later: Tensor | None) -> Tensor:
        """For training: whole sequences, causal, padding on the right. Without the mask torch's own attention, slower on a CPU."""
        batch, length, _ = x.shape
        q, k, v = self.qkv(x, cos, sin)
        groups = self.config.heads // self.config.kv_heads
        if later is None:
            k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
            y = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, is_causal=True)
        else:
            q = q.reshape(batch, self.config.kv_heads, groups * length, -1)
            score = torch.matmul(q, k.transpose(-1, -2)) * self.config.head_dim**-0.5
            score = score.view(batch, -1, groups, length, length).masked_fill(later, -1e4)
            y = torch.matmul(F.softmax(score.float(), -1).view(batch, -1, groups * length, length), v)
            y = y.view(batch, self.config.heads, length, -1)
        return self.mlp(x + self.o(y.transpose(1, 2).reshape(batch, length, -1)))

    def cached(self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor, past_k: Tensor, past_v: Tensor):
        """For export: appends to the cache and attends to all of it."""
        c, (batch, length) = self.config, x.shape[:2]
        q, k, v = self.qkv(x, cos, sin)
        k, v = torch.cat((past_k, k), 2), torch.cat((past_v, v), 2)
        q = q.reshape(batch, c.kv_heads, c.heads // c.kv_heads, length, c.head_dim)
        score = torch.matmul(q, k.unsqueeze(2).transpose(-1, -2)) / math.sqrt(c.head_dim) + bias.unsqueeze(2)
        y = torch.matmul(F.softmax(score, -1), v.unsqueeze(2)).view(batch, c.heads, length, c.head_dim)
        return self.mlp(x + self.o(y.transpose(1, 2).reshape(batch, length, c.heads * c.head_dim))), k, v


class Chat(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab, config.width)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.layers)])
        self.norm = RMSNorm(config.width, config.eps)
        powers = torch.arange(0, config.head_dim, 2).float() / config.head_dim
        self.register_buffer("frequencies", 1.0 / config.theta**powers, persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                shrink = (2 * config.layers) ** -0.5 if name.endswith(("o.weight", "down.weight")) else 1.0
                nn.init.normal_(weight, std=shrink * 0.04)

    def rotary(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """-> cos and sin, [batch, 1, length, head_dim]"""
        angles = positions.unsqueeze(-1).float() * self.frequencies
        angles = torch.cat((angles, angles), -1).unsqueeze(1)
        return angles.cos(), angles.sin()

    def forward(self, ids: Tensor, fused: bool = False) -> Tensor:
        """For training: the last layer's normalized output, [batch, length, width]."""
        length = ids.shape[1]
        later = None if fused else torch.ones(length, length, dtype=torch.bool).triu(1)
        cos, sin = self.rotary(torch.arange(ids.shape[1], device=ids.device).unsqueeze(0))
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, cos, sin, later)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.embed.weight)


class Decoder(nn.Module):
    """The graph that is exported: logits and the longer cache from ids, mask, positions and the cache."""

    def __init__(self, model: Chat):
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, *past: Tensor):
        length, total = input_ids.shape[1], attention_mask.shape[1]
        keys = torch.arange(total)
        later = keys.unsqueeze(0) > keys[total - length :].unsqueeze(1)
        absent = (attention_mask == 0)[:, None, None, :]
        bias = (later[None, None] | absent).float() * -1e9
        cos, sin = self.model.rotary(position_ids)
        x, present = self.model.embed(input_ids), []
        for i, layer in enumerate(self.model.layers):
            x, k, v = layer.cached(x, cos, sin, bias, past[2 * i], past[2 * i + 1])
            present += [k, v]
        return (self.model.logits(self.model.norm(x)), *present)
