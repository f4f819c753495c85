"""Makes the fixtures of this package: pictures of our own, what Pillow decodes them to, and the patches that the
published algorithms of the Qwen2-VL and GLM-4V processors make of them, written anew here with numpy.

    python3 reference.py        # needs Pillow (12.3.0 was used; 13.0.0 resizes in another order, see doc.go) and cjpeg

Everything is drawn by this script; the seed is fixed. The fixtures in the repository are its output, and tests need
neither it nor Python.
"""

import gzip
import hashlib
import io
import json
import math
import os
import random
import struct
import subprocess
import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = os.path.join(HERE, "images")
DECODED = os.path.join(HERE, "decoded")
rng = np.random.default_rng(20260101)


def scene(w, h, noise=12):
    """Gradients, hard edges in saturated colours, and noise: what shows a wrong filter or transform."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    a = np.stack([255 * x / max(w - 1, 1), 255 * y / max(h - 1, 1), 127 + 120 * np.sin(x / 5) * np.cos(y / 7)], 2)
    im = Image.fromarray(a.clip(0, 255).astype(np.uint8))
    d = ImageDraw.Draw(im)
    d.ellipse([w * 0.1, h * 0.2, w * 0.5, h * 0.8], fill=(230, 20, 30))
    d.rectangle([w * 0.55, h * 0.1, w * 0.9, h * 0.45], fill=(10, 40, 220))
    d.polygon([(w * 0.6, h * 0.9), (w * 0.75, h * 0.5), (w * 0.95, h * 0.9)], fill=(20, 200, 40))
    n = rng.normal(0, noise, (h, w, 3))
    return Image.fromarray((np.asarray(im).astype(np.float64) + n).clip(0, 255).astype(np.uint8))


def alpha(im):
    w, h = im.size
    y, x = np.mgrid[0:h, 0:w]
    a = (128 + 140 * np.sin(x / 6) * np.cos(y / 9)).clip(0, 255).astype(np.uint8)
    out = im.convert("RGB")
    out.putalpha(Image.fromarray(a))
    return out


def png(path, w, h, depth, kind, rows, interlace=0):
    """Writes a PNG by hand, for what Pillow does not write."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    raw = b"".join(b"\0" + r for r in rows)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlace)))
        f.write(chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def interlaced(path, im):
    """Adam7: seven smaller pictures, one after the other."""
    a = np.asarray(im)
    rows = []
    for y, x, dy, dx in [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]:
        rows += [r.tobytes() for r in a[y::dy, x::dx] if r.size]
    png(path, im.width, im.height, 8, 2, rows, interlace=1)


def cjpeg(path, im, *args):
    b = io.BytesIO()
    im.save(b, "PPM")
    with open(path, "wb") as f:
        f.write(subprocess.run(["cjpeg", *args], input=b.getvalue(), capture_output=True, check=True).stdout)


def pictures():
    p = lambda n: os.path.join(IMAGES, n)
    scene(53, 37).save(p("rgb.png"))
    alpha(scene(40, 31)).save(p("rgba.png"))
    scene(33, 45).convert("L").save(p("gray.png"))
    alpha(scene(30, 30)).convert("LA").save(p("gray-alpha.png"))
    scene(48, 20).convert("L").point(lambda v: 255 * (v > 128)).convert("1").save(p("bilevel.png"))
    q = scene(50, 40).quantize(60)
    q.save(p("palette.png"))
    q.save(p("palette-alpha.png"), transparency=bytes((i * 5) % 256 for i in range(60)))
    w, h = 24, 18
    wide = rng.integers(0, 65536, (h, w, 3)).astype(">u2")
    png(p("rgb16.png"), w, h, 16, 2, [r.tobytes() for r in wide])
    png(p("gray16.png"), w, h, 16, 0, [r.tobytes() for r in wide[:, :, 0].copy()])
    fourth = np.concatenate([wide, rng.integers(0, 65536, (h, w, 1)).astype(">u2")], 2)
    png(p("rgba16.png"), w, h, 16, 6, [r.tobytes() for r in fourth])
    interlaced(p("interlaced.png"), scene(37, 29))
    ex = Image.Exif()
    ex[0x0112] = 5
    scene(36, 22).save(p("oriented.png"), exif=ex)
    scene(1, 1).save(p("dot.png"))

    cjpeg(p("420.jpg"), scene(67, 45), "-quality", "85", "-sample", "2x2")
    cjpeg(p("422.jpg"), scene(54, 33), "-quality", "80", "-sample", "2x1")
    cjpeg(p("440.jpg"), scene(37, 50), "-quality", "80", "-sample", "1x2")
    cjpeg(p("444.jpg"), scene(41, 29), "-quality", "95", "-sample", "1x1")
    cjpeg(p("411.jpg"), scene(65, 24), "-quality", "75", "-sample", "4x1")
    cjpeg(p("coarse.jpg"), scene(48, 48, 40), "-quality", "8", "-sample", "2x2")
    cjpeg(p("restart.jpg"), scene(60, 40), "-quality", "70", "-restart", "1")
    cjpeg(p("progressive.jpg"), scene(66, 51), "-quality", "85", "-progressive", "-sample", "2x2")
    cjpeg(p("progressive-444.jpg"), scene(35, 35, 30), "-quality", "92", "-progressive", "-sample", "1x1", "-restart", "2")
    cjpeg(p("rgb.jpg"), scene(32, 32), "-quality", "85", "-rgb")
    cjpeg(p("narrow.jpg"), scene(3, 40), "-quality", "85", "-sample", "2x2")
    cjpeg(p("narrow5.jpg"), scene(5, 3), "-quality", "85", "-sample", "2x2")
    cjpeg(p("arithmetic.jpg"), scene(32, 24), "-arithmetic")
    scene(44, 30).convert("L").save(p("gray.jpg"), quality=85)
    scene(44, 30).convert("L").save(p("gray-progressive.jpg"), quality=85, progressive=True)
    scene(40, 40).convert("CMYK").save(p("cmyk.jpg"), quality=90)
    scene(33, 40).convert("CMYK").save(p("cmyk-progressive.jpg"), quality=80, progressive=True)
    ycck = bytearray(open(p("cmyk.jpg"), "rb").read())
    ycck[ycck.index(b"Adobe") + 11] = 2  # the same numbers, taken for luminance and chroma
    open(p("ycck.jpg"), "wb").write(ycck)
    cjpeg(p("dot.jpg"), scene(1, 1), "-sample", "2x2")
    for o in (2, 3, 4, 5, 6, 7, 8):
        ex = Image.Exif()
        ex[0x0112] = o
        scene(26, 17).save(p(f"oriented{o}.jpg"), quality=90, exif=ex)

    scene(57, 43).save(p("lossy.webp"), quality=70)
    scene(64, 32, 40).save(p("lossy-coarse.webp"), quality=5)
    scene(3, 5).save(p("lossy-small.webp"), quality=80)
    alpha(scene(45, 38)).save(p("lossy-alpha.webp"), quality=80)
    scene(39, 27).save(p("lossless.webp"), lossless=True)
    alpha(scene(38, 26)).save(p("lossless-alpha.webp"), lossless=True)
    q.convert("RGB").save(p("lossless-palette.webp"), lossless=True)
    alpha(scene(40, 30)).save(p("animated.webp"), save_all=True, append_images=[alpha(scene(40, 30))], quality=80)
    ex = Image.Exif()
    ex[0x0112] = 8
    scene(36, 22).save(p("oriented.webp"), quality=80, exif=ex)

    q.save(p("still.gif"))
    scene(44, 31).quantize(16).save(p("interlaced.gif"), interlace=1)
    t = scene(40, 30).quantize(32)
    t.save(p("transparent.gif"), transparency=3)
    f = [scene(36, 28).quantize(32) for _ in range(3)]
    f[0].save(p("animated.gif"), save_all=True, append_images=f[1:], duration=50)


def decode(path):
    """What this package must give: orientation applied, on white, 8 bits."""
    im = Image.open(path)
    im = ImageOps.exif_transpose(im)
    if im.mode.startswith("I;16") or im.mode == "I":
        a = (np.asarray(im).astype(np.uint32) >> 8).astype(np.uint8)
        return Image.fromarray(np.stack([a] * 3, 2))
    if im.mode in ("RGBA", "LA", "PA") or "transparency" in im.info:
        im = im.convert("RGBA")
        white = Image.new("RGB", im.size, (255, 255, 255))
        white.paste(im, mask=im.getchannel("A"))
        return white
    return im.convert("RGB")


def size_qwen(h, w, unit, lo, hi):
    if max(h, w) / min(h, w) > 200:
        return None
    hb, wb = round(h / unit) * unit, round(w / unit) * unit
    if hb * wb > hi:
        beta = math.sqrt(h * w / hi)
        hb, wb = (max(unit, math.floor(v / beta / unit) * unit) for v in (h, w))
    elif hb * wb < lo:
        beta = math.sqrt(lo / (h * w))
        hb, wb = (math.ceil(v * beta / unit) * unit for v in (h, w))
    return hb, wb


def size_glm(h, w, unit, lo, hi, t):
    if h < unit or w < unit:
        s = max(unit / h, unit / w)
        h, w = int(h * s), int(w * s)
    if max(h, w) / min(h, w) > 200:
        return None
    hb, wb = round(h / unit) * unit, round(w / unit) * unit
    if t * hb * wb > hi:
        beta = math.sqrt(t * h * w / hi)
        hb, wb = (max(unit, math.floor(v / beta / unit) * unit) for v in (h, w))
    elif t * hb * wb < lo:
        beta = math.sqrt(lo / (t * h * w))
        hb, wb = (math.ceil(v * beta / unit) * unit for v in (h, w))
    return hb, wb


def resized(c, h, w):
    unit = c["patch_size"] * c["merge_size"]
    lo = c.get("min_pixels") or c["size"]["shortest_edge"]
    hi = c.get("max_pixels") or c["size"]["longest_edge"]
    if c["image_processor_type"].startswith("Glm"):
        return size_glm(h, w, unit, lo, hi, c["temporal_patch_size"])
    return size_qwen(h, w, unit, lo, hi)


def patches(im, c):
    p, t, m = c["patch_size"], c["temporal_patch_size"], c["merge_size"]
    h, w = resized(c, im.height, im.width)
    x = np.asarray(im.resize((w, h), c["resample"]))
    x = (x.astype(np.float64) * c.get("rescale_factor", 1 / 255)).astype(np.float32)
    x = (x - np.array(c["image_mean"], np.float32)) / np.array(c["image_std"], np.float32)
    x = np.repeat(x.transpose(2, 0, 1)[None], t, 0)
    gh, gw = h // p, w // p
    x = x.reshape(1, t, 3, gh // m, m, p, gw // m, m, p).transpose(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return [1, gh, gw], x.reshape(gh * gw, 3 * t * p * p)


CLIP = dict(image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711])
HALF = dict(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5])
CONFIGS = {
    "qwen2": dict(image_processor_type="Qwen2VLImageProcessor", patch_size=14, temporal_patch_size=2, merge_size=2,
                  min_pixels=3136, max_pixels=1003520, resample=3, **CLIP),
    "qwen3": dict(image_processor_type="Qwen2VLImageProcessorFast", patch_size=16, temporal_patch_size=2, merge_size=2,
                  size=dict(shortest_edge=65536, longest_edge=16777216), resample=3, **HALF),
    "glm4v": dict(image_processor_type="Glm4vImageProcessor", patch_size=14, temporal_patch_size=2, merge_size=2,
                  size=dict(shortest_edge=12544, longest_edge=9633792), resample=3, **CLIP),
    "tiny": dict(image_processor_type="Qwen2VLImageProcessor", patch_size=8, temporal_patch_size=2, merge_size=2,
                 min_pixels=256, max_pixels=2048, resample=2, **HALF),
    "odd": dict(image_processor_type="Glm46VImageProcessorFast", patch_size=6, temporal_patch_size=3, merge_size=3,
                size=dict(shortest_edge=400, longest_edge=9000), resample=1, rescale_factor=0.00390625, **HALF),
}


def main():
    for d in (IMAGES, DECODED):
        os.makedirs(d, exist_ok=True)
        for f in os.listdir(d):
            os.remove(os.path.join(d, f))
    pictures()
    decoded = {}
    for f in sorted(os.listdir(IMAGES)):
        if f == "arithmetic.jpg":
            continue
        decoded[f] = decode(os.path.join(IMAGES, f))
        decoded[f].save(os.path.join(DECODED, f + ".png"), optimize=True)
    out = dict(configs=CONFIGS, patches=[], sizes=[], resizes=[])
    for c, f in [("qwen2", "rgb.png"), ("qwen2", "lossless-alpha.webp"), ("qwen2", "420.jpg"), ("glm4v", "gray.png"),
                 ("tiny", "rgb.png"), ("tiny", "rgba.png"), ("tiny", "still.gif"), ("tiny", "progressive.jpg"),
                 ("tiny", "lossy.webp"), ("tiny", "oriented6.jpg"), ("tiny", "dot.png"), ("odd", "palette.png"), ("odd", "cmyk.jpg")]:
        grid, x = patches(decoded[f], CONFIGS[c])
        name = f"{c}-{f}.f32.gz"
        with open(os.path.join(HERE, "decoded", name), "wb") as g:
            g.write(gzip.compress(x.astype("<f4").tobytes(), 9, mtime=0))
        out["patches"].append(dict(config=c, image=f, grid=grid, values="decoded/" + name))
    r = random.Random(7)
    for c in CONFIGS:
        for _ in range(120):
            w, h = int(math.exp(r.uniform(0, 8.5))), int(math.exp(r.uniform(0, 8.5)))
            s = resized(CONFIGS[c], h, w)
            out["sizes"].append([c, w, h, *(s or (0, 0))])
        for w, h in [(1, 1), (200, 1), (201, 1), (14, 42), (28, 28), (5600, 28), (5601, 28), (3000, 4000)]:
            s = resized(CONFIGS[c], h, w)
            out["sizes"].append([c, w, h, *(s or (0, 0))])
    for f in ("rgb.png", "palette.png", "gray.png", "dot.png"):
        for code in (1, 2, 3, 4, 5):
            for w, h in [(56, 56), (28, 112), (7, 5), (53, 90), (200, 37), (131, 149)]:
                b = decoded[f].resize((w, h), code).tobytes()
                out["resizes"].append([f, code, w, h, hashlib.sha256(b).hexdigest()[:16]])
    with open(os.path.join(HERE, "cases.json"), "w") as g:
        g.write("{\n")
        g.write('"configs":' + json.dumps(out["configs"], separators=(",", ":")) + ",\n")
        for k in ("patches", "sizes", "resizes"):
            rows = ",\n".join(json.dumps(v, separators=(",", ":")) for v in out[k])
            g.write(f'"{k}":[\n{rows}\n]' + ("\n" if k == "resizes" else ",\n"))
        g.write("}\n")


if __name__ == "__main__":
    main()
