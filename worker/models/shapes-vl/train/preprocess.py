"""From a picture's bytes to what the vision encoder takes: the reference that the engine has to match.

1. Decode: the first frame; EXIF orientation applied; 16-bit samples cut to their upper byte;
   grey and palette to RGB; transparency over white, (c·a + 255·(255-a)) / 255 rounded.
2. Resize to multiples of patch·merge within min_pixels..max_pixels, the ratio of the sides nearly kept;
   bicubic (a = -0.5, wider when shrinking) in 8 bits, horizontally first, as Pillow does it.
3. value/255, minus the mean, by the deviation, each channel for itself.
4. The frame repeated to fill the temporal patch; patches in the order (0,3,6,4,7,2,1,5,8) of
   [t, T, C, h/m, m, P, w/m, m, P]: blocks of merge × merge patches, each patch as C, T, P, P.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps


@dataclass(frozen=True)
class Preprocessor:
    patch_size: int = 14
    merge_size: int = 2
    temporal_patch_size: int = 2
    min_pixels: int = 112 * 112
    max_pixels: int = 168 * 168
    image_mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    image_std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)
    rescale_factor: float = 1 / 255

    @classmethod
    def read(cls, folder: Path) -> Preprocessor:
        stored = json.loads((folder / "preprocessor_config.json").read_text())
        known = {k: stored[k] for k in cls.__dataclass_fields__}
        return cls(**known | {k: tuple(known[k]) for k in ("image_mean", "image_std")})

    @property
    def factor(self) -> int:
        return self.patch_size * self.merge_size

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the height and width to resize to. Halves are rounded to even, as Python's round does."""
        if max(height, width) > 200 * min(height, width):
            raise ValueError(f"a picture of {width} × {height} is too narrow: the ratio of its sides is above 200")
        f = self.factor
        h, w = max(f, round(height / f) * f), max(f, round(width / f) * f)
        if h * w > self.max_pixels:
            beta = math.sqrt(height * width / self.max_pixels)
            h, w = max(f, math.floor(height / beta / f) * f), max(f, math.floor(width / beta / f) * f)
        elif h * w < self.min_pixels:
            beta = math.sqrt(self.min_pixels / (height * width))
            h, w = math.ceil(height * beta / f) * f, math.ceil(width * beta / f) * f
        return h, w

    def resize(self, image: Image.Image) -> Image.Image:
        h, w = self.size(image.height, image.width)
        return image.resize((w, h), Image.BICUBIC)

    def grid(self, image: Image.Image) -> tuple[int, int, int]:
        """Returns t, h, w in patches of a picture already resized."""
        return 1, image.height // self.patch_size, image.width // self.patch_size

    def normalize(self, image: Image.Image) -> np.ndarray:
        """Returns [C, H, W] in float32."""
        scaled = np.asarray(image, dtype=np.float32) * np.float32(self.rescale_factor)
        mean, std = np.float32(self.image_mean), np.float32(self.image_std)
        return ((scaled - mean) / std).transpose(2, 0, 1)

    def patches(self, image: Image.Image) -> np.ndarray:
        """Returns pixel_values [t·h·w, C·T·P·P] of a picture already resized."""
        frames = np.repeat(self.normalize(image)[None], self.temporal_patch_size, axis=0)
        t, h, w = self.grid(image)
        m, p = self.merge_size, self.patch_size
        split = frames.reshape(t, self.temporal_patch_size, 3, h // m, m, p, w // m, m, p)
        return np.ascontiguousarray(split.transpose(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(t * h * w, -1))

    def __call__(self, data: bytes) -> tuple[np.ndarray, tuple[int, int, int]]:
        image = self.resize(decode(data))
        return self.patches(image), self.grid(image)


def decode(data: bytes) -> Image.Image:
    """Returns the picture as RGB."""
    image = Image.open(io.BytesIO(data))
    image.seek(0)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"), dtype=np.uint32)
        color, alpha = pixels[:, :, :3], pixels[:, :, 3:]
        mixed = (color * alpha + 255 * (255 - alpha) + 127) // 255
        return Image.fromarray(mixed.astype(np.uint8))
    return image.convert("RGB")
