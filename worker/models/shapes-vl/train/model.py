"""The network: a vision encoder, a table of embeddings, and a decoder in the manner of Qwen2-VL."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .preprocess import Preprocessor
from .scene import COLORS, SHAPES


@dataclass(frozen=True)
class Config:
    """Sizes; the defaults are the published model's."""

    vocab: int
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 32
    inner: int = 384
    theta: float = 10000.0
    sections: tuple[int, int, int] = (4, 6, 6)  # frequencies turned by t, h and w
    norm_eps: float = 1e-6
    vision_width: int = 128
    vision_layers: int = 3
    vision_heads: int = 4
    vision_inner: int = 384
    patch: int = Preprocessor.patch_size
    merge: int = Preprocessor.merge_size
    temporal: int = Preprocessor.temporal_patch_size


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates the halves of the last axis against each other."""
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


# -- vision ------------------------------------------------------------------------


class VisionLayer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.heads, self.dim = c.vision_heads, c.vision_width // c.vision_heads
        self.norm1, self.norm2 = nn.LayerNorm(c.vision_width, eps=1e-6), nn.LayerNorm(c.vision_width, eps=1e-6)
        self.qkv = nn.Linear(c.vision_width, 3 * c.vision_width)
        self.out = nn.Linear(c.vision_width, c.vision_width)
        self.up, self.down = nn.Linear(c.vision_width, c.vision_inner), nn.Linear(c.vision_inner, c.vision_width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """x [B, N, D]; cos, sin [N, dim]; mask [N, N], added to the scores."""
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, self.dim).permute(2, 0, 3, 1, 4).unbind(0)
        scores = turn(q, cos, sin) @ turn(k, cos, sin).transpose(-1, -2) / math.sqrt(self.dim)
        if mask is not None:
            scores = scores + mask
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, d))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Vision(nn.Module):
    """Patches in, features of merged patches out.

    A patch knows its row and column twice: by rotation in the attention (who is next to
    whom), and by waves over the whole picture (top or bottom, left or right). The waves
    of a merged patch's centre are also added to what comes out.
    """

    WAVES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)

    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.embed = nn.Linear(3 * c.patch * c.patch, c.vision_width)  # of one frame; see `frames`
        self.place = nn.Linear(4 * len(self.WAVES), c.vision_width, bias=False)
        self.layers = nn.ModuleList([VisionLayer(c) for _ in range(c.vision_layers)])
        self.norm = nn.LayerNorm(c.vision_width, eps=1e-6)
        wide = c.vision_width * c.merge * c.merge
        self.merger = nn.Sequential(nn.Linear(wide, 2 * c.vision_width), nn.GELU(), nn.Linear(2 * c.vision_width, c.hidden))
        self.spot = nn.Linear(4 * len(self.WAVES), c.hidden, bias=False)
        quarter = c.vision_width // c.vision_heads // 4
        self.register_buffer("inverse", 100.0 ** (-torch.arange(quarter).float() / quarter), persistent=False)
        self.register_buffer("waves", torch.tensor(self.WAVES) * math.pi, persistent=False)

    def encode(self, x: Tensor, row: Tensor, column: Tensor, height: Tensor, width: Tensor, mask: Tensor | None) -> Tensor:
        """x [B, N, D] embedded patches, the others [N] -> [B, N/merge², hidden]."""
        down, right = (row + 0.5) / height, (column + 0.5) / width
        square = self.c.merge * self.c.merge
        x = x + self.place(self.wave(down, right))
        angle = torch.cat((row.unsqueeze(-1) * self.inverse, column.unsqueeze(-1) * self.inverse), -1)
        angle = torch.cat((angle, angle), -1)
        cos, sin = angle.cos(), angle.sin()
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        x = self.norm(x)
        middle = self.wave(down.view(-1, square).mean(1), right.view(-1, square).mean(1))
        return self.merger(x.reshape(x.size(0), x.size(1) // square, square * x.size(2))) + self.spot(middle)

    def wave(self, down: Tensor, right: Tensor) -> Tensor:
        """Places in parts of the height and width [N] -> [N, 4 × waves]."""
        down, right = down.unsqueeze(-1) * self.waves, right.unsqueeze(-1) * self.waves
        return torch.cat((down.sin(), down.cos(), right.sin(), right.cos()), -1)

    def forward(self, frame: Tensor, height: int, width: int) -> Tensor:
        """For training: B pictures of one size, frame [B, N, 3·P·P] (one of the equal frames)."""
        place = torch.arange(height * width)
        row, column = places(place, torch.tensor(width), self.c.merge)
        return self.encode(self.embed(frame), row.float(), column.float(), torch.tensor(float(height)), torch.tensor(float(width)), None)

    def frames(self) -> nn.Linear:
        """Returns `embed` for C·T·P·P inputs: each frame has an equal share, so equal frames give the same."""
        c = self.c
        weight = self.embed.weight.detach().view(-1, 3, 1, c.patch, c.patch).expand(-1, -1, c.temporal, -1, -1) / c.temporal
        full = nn.Linear(3 * c.temporal * c.patch * c.patch, c.vision_width)
        full.weight.data, full.bias.data = weight.reshape(c.vision_width, -1).clone(), self.embed.bias.detach().clone()
        return full


def places(index: Tensor, width: Tensor, merge: int) -> tuple[Tensor, Tensor]:
    """Returns row and column of the patches of a frame: they come in blocks of merge × merge."""
    square = merge * merge
    block, inner = torch.div(index, square, rounding_mode="floor"), index % square
    across = torch.div(width, merge, rounding_mode="floor")
    row = torch.div(block, across, rounding_mode="floor") * merge + torch.div(inner, merge, rounding_mode="floor")
    return row, block % across * merge + inner % merge


class VisionGraph(nn.Module):
    """The exported encoder: any number of pictures in one row of patches, none of which sees another picture or time."""

    def __init__(self, vision: Vision):
        super().__init__()
        self.vision, self.embed = vision, vision.frames()

    def forward(self, pixel_values: Tensor, image_grid_thw: Tensor) -> Tensor:
        frame = image_grid_thw[:, 1] * image_grid_thw[:, 2]
        ends = torch.cumsum(frame * image_grid_thw[:, 0], 0)
        index = torch.arange(pixel_values.size(0))
        image = (index.unsqueeze(1) >= ends.unsqueeze(0)).long().sum(1)
        inside = index - (ends - frame * image_grid_thw[:, 0])[image]
        time = torch.div(inside, frame[image], rounding_mode="floor")
        height, width = image_grid_thw[:, 1][image], image_grid_thw[:, 2][image]
        row, column = places(inside % frame[image], width, self.vision.c.merge)
        alike = (image.unsqueeze(1) == image.unsqueeze(0)) & (time.unsqueeze(1) == time.unsqueeze(0))
        mask = (~alike).float() * -1e9
        x = self.embed(pixel_values).unsqueeze(0)
        return self.vision.encode(x, row.float(), column.float(), height.float(), width.float(), mask)[0]


class Helper(nn.Module):
    """Heads that are trained along and thrown away: which shape and colour has its centre in a merged patch."""

    def __init__(self, c: Config):
        super().__init__()
        self.shape = nn.Linear(c.hidden, len(SHAPES) + 1)
        self.color = nn.Linear(c.hidden, len(COLORS) + 1)

    def forward(self, features: Tensor, shape: Tensor, color: Tensor) -> Tensor:
        """features [B, M, hidden]; shape and color [B, M] with 0 for none."""
        loss = torch.zeros(())
        for head, target in ((self.shape, shape), (self.color, color)):
            weight = torch.ones(head.out_features)
            weight[0] = 0.1
            loss = loss + F.cross_entropy(head(features).flatten(0, 1), target.flatten(), weight=weight)
        return loss / 2


# -- decoder -----------------------------------------------------------------------


class DecoderLayer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.norm1, self.norm2 = RMSNorm(c.hidden, c.norm_eps), RMSNorm(c.hidden, c.norm_eps)
        self.q = nn.Linear(c.hidden, c.heads * c.head_dim)
        self.k, self.v = nn.Linear(c.hidden, c.kv_heads * c.head_dim), nn.Linear(c.hidden, c.kv_heads * c.head_dim)
        self.o = nn.Linear(c.heads * c.head_dim, c.hidden, bias=False)
        self.gate, self.up = nn.Linear(c.hidden, c.inner, bias=False), nn.Linear(c.hidden, c.inner, bias=False)
        self.down = nn.Linear(c.inner, c.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, key: Tensor | None, value: Tensor | None):
        """x [B, S, hidden]; cos, sin [B, 1, S, dim]; mask [B, 1, S, P+S]; key, value [B, kv_heads, P, dim]."""
        c, (b, s, _) = self.c, x.shape
        y = self.norm1(x)
        q = turn(self.q(y).view(b, s, c.heads, c.head_dim).transpose(1, 2), cos, sin)
        k = turn(self.k(y).view(b, s, c.kv_heads, c.head_dim).transpose(1, 2), cos, sin)
        v = self.v(y).view(b, s, c.kv_heads, c.head_dim).transpose(1, 2)
        if key is not None:
            k, v = torch.cat((key, k), 2), torch.cat((value, v), 2)
        group = c.heads // c.kv_heads
        scores = q.view(b, c.kv_heads, group, s, c.head_dim) @ k.unsqueeze(2).transpose(-1, -2) / math.sqrt(c.head_dim)
        mixed = (scores + mask.unsqueeze(2)).softmax(-1) @ v.unsqueeze(2)
        x = x + self.o(mixed.view(b, c.heads, s, c.head_dim).transpose(1, 2).reshape(b, s, c.heads * c.head_dim))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y)), k, v


class Decoder(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.embed = nn.Embedding(c.vocab, c.hidden)
        self.layers = nn.ModuleList([DecoderLayer(c) for _ in range(c.layers)])
        self.norm = RMSNorm(c.hidden, c.norm_eps)
        half = c.head_dim // 2
        self.register_buffer("inverse", c.theta ** (-torch.arange(half).float() / half), persistent=False)
        rows = torch.repeat_interleave(torch.arange(3), torch.tensor(c.sections))
        self.register_buffer("section", F.one_hot(rows, 3).t().float()[:, None, None, :], persistent=False)

    def forward(self, inputs: Tensor, mask: Tensor, position_ids: Tensor, past: list[Tensor] | None = None, only: Tensor | None = None):
        """inputs [B, S, hidden]; mask [B, 1, S, P+S], added; position_ids [3, B, S] -> logits, present keys and values.

        With `only` [B, S] the logits are those of the marked places, in one row."""
        angle = (position_ids.unsqueeze(-1).float() * self.inverse * self.section).sum(0)
        angle = torch.cat((angle, angle), -1).unsqueeze(1)
        cos, sin = angle.cos(), angle.sin()
        x, present = inputs, []
        for i, layer in enumerate(self.layers):
            key, value = (past[2 * i], past[2 * i + 1]) if past is not None else (None, None)
            x, key, value = layer(x, cos, sin, mask, key, value)
            present += [key, value]
        x = x if only is None else x[only]
        return F.linear(self.norm(x), self.embed.weight), present


class DecoderGraph(nn.Module):
    """The exported decoder; attention_mask [B, P+S] is 0 at padding, on whichever side."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor, position_ids: Tensor, *past: Tensor):
        total, new = attention_mask.size(1), inputs_embeds.size(1)
        key = torch.arange(total)
        hidden = (key.unsqueeze(0) > key[total - new :].unsqueeze(1))[None, None] | (attention_mask == 0)[:, None, None, :]
        logits, present = self.decoder(inputs_embeds, hidden.float() * -1e9, position_ids, list(past))
        return (logits, *present)


class ShapesVL(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.vision, self.decoder, self.helper = Vision(c), Decoder(c), Helper(c)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.05 if isinstance(module, nn.Linear) else 0.08)
                if isinstance(module, nn.Linear) and module.bias is not None:
                    nn.init.zeros_(module.bias)
