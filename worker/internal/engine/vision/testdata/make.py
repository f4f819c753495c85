"""Makes the encoders that the tests of this package run, and what their front end has to give for some requests.

    pip install onnx==1.* onnxruntime numpy pillow==12.* && python make.py

vision_encoder.onnx       random weights: patches of 4 pixels, two frames, 2 x 2 of them a token, vectors of 16 as the
                          decoder embeds.onnx of package generate takes them
vision_encoder_half.onnx  the same with patches and vectors of float16
tokenizer.json            a token is a byte, and 256 to 259 are signs; tokenizer_config.json has a template in Qwen-VL's way
cases.json                tokens, positions and vectors of prompts with pictures of package picture's fixtures, and the
                          log-probabilities of the likeliest tokens after them, each token fed to the decoder in turn
"""

import json
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

HERE = os.path.dirname(os.path.abspath(__file__))
PICTURES = os.path.join(HERE, "../../../picture/testdata")
sys.path.insert(0, PICTURES)
import reference  # noqa: E402

WIDTH, PATCH, MERGE, IMAGE = 16, 4, 2, 258
CONFIG = dict(image_processor_type="Qwen2VLImageProcessor", patch_size=PATCH, temporal_patch_size=2, merge_size=MERGE,
              min_pixels=64, max_pixels=1024, resample=3, image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.6, 0.7])
SIZE = 3 * 2 * PATCH * PATCH


def encoder(path, kind):
    rng = np.random.default_rng(3)
    a = (rng.standard_normal((SIZE, WIDTH)) / np.sqrt(SIZE)).astype(np.float32)
    b = (rng.standard_normal((4 * WIDTH, WIDTH)) / np.sqrt(4 * WIDTH)).astype(np.float32)
    nodes = [
        h.make_node("Cast", ["pixel_values"], ["x"], to=T.FLOAT),
        h.make_node("MatMul", ["x", "a"], ["y"]),
        h.make_node("Reshape", ["y", "shape"], ["z"]),
        h.make_node("Tanh", ["z"], ["u"]),
        h.make_node("MatMul", ["u", "b"], ["v"]),
        h.make_node("Cast", ["image_grid_thw"], ["g"], to=T.FLOAT),
        h.make_node("ReduceSum", ["g"], ["s"], keepdims=0),
        h.make_node("Mul", ["s", "small"], ["w"]),
        h.make_node("Add", ["v", "w"], ["f"]),
        h.make_node("Cast", ["f"], ["image_features"], to=kind),
    ]
    consts = [nh.from_array(a, "a"), nh.from_array(b, "b"), nh.from_array(np.array([-1, 4 * WIDTH]), "shape"),
              nh.from_array(np.float32(0.01), "small")]
    graph = h.make_graph(nodes, "encoder", [
        h.make_tensor_value_info("pixel_values", kind, ["patches", SIZE]),
        h.make_tensor_value_info("image_grid_thw", T.INT64, ["images", 3]),
    ], [h.make_tensor_value_info("image_features", kind, ["tokens", WIDTH])], consts)
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 14)], ir_version=8, producer_name="penstock"), path)
    return a, b


def features(weights, file):
    a, b = weights
    grid, x = reference.patches(reference.decode(os.path.join(PICTURES, "images", file)), CONFIG)
    return grid, np.tanh((x @ a).reshape(-1, 4 * WIDTH)) @ b + np.float32(0.01) * sum(grid)


def positions(parts):
    """parts: a number of text tokens, or a grid."""
    out, at = [], 0
    for p in parts:
        if isinstance(p, int):
            out += [(at + i,) * 3 for i in range(p)]
        else:
            t, hh, ww = p[0], p[1] // MERGE, p[2] // MERGE
            out += [(at + i, at + j, at + k) for i in range(t) for j in range(hh) for k in range(ww)]
        at = max(max(v) for v in out) + 1
    return np.array(out).T.reshape(-1).tolist(), at


def tokenizer():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    letters = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    signs = ["<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|vision_end|>"]
    added = [dict(id=256 + i, content=s, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
             for i, s in enumerate(signs)]
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=False, use_regex=False)
    with open(os.path.join(HERE, "tokenizer.json"), "w") as f:
        json.dump(dict(version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None, pre_tokenizer=level,
                       post_processor=None, decoder=level,
                       model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None,
                                  end_of_word_suffix=None, fuse_unk=False, byte_fallback=False,
                                  vocab={letters[b]: b for b in range(256)}, merges=[])), f, ensure_ascii=False)
        f.write("\n")
    template = (
        "{%- for m in messages -%}<|im_start|>{{ m.role }}:"
        "{%- if m.content is string -%}{{ m.content }}{%- else -%}{%- for p in m.content -%}"
        "{%- if p.type == 'image' or 'image' in p or 'image_url' in p -%}<|image_pad|><|vision_end|>"
        "{%- else -%}{{ p.text }}{%- endif -%}{%- endfor -%}{%- endif -%}<|im_end|>{%- endfor -%}"
        "{%- if add_generation_prompt -%}<|im_start|>assistant:{%- endif -%}"
    )
    with open(os.path.join(HERE, "tokenizer_config.json"), "w") as f:
        json.dump(dict(eos_token="<|im_end|>", chat_template=template), f, indent=1)
        f.write("\n")


def answer(ids, places, following, vectors, count=6):
    """Greedy, without a cache: the whole sequence anew for each token."""
    folder = os.path.join(HERE, "../../generate/testdata/")
    embed, decoder = (onnxruntime.InferenceSession(folder + n) for n in ("embed_tokens.onnx", "embeds.onnx"))
    past = {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in decoder.get_inputs() if "past" in i.name}
    ids, places, out = list(ids), np.array(places).reshape(3, 1, -1), []
    images = np.array(ids) == IMAGE
    for i in range(count):
        x = embed.run(None, {"input_ids": np.array([ids])})[0].copy()
        x[0, : len(images)][images] = np.concatenate(vectors)
        logits = decoder.run(["logits"], {"inputs_embeds": x, "attention_mask": np.ones((1, len(ids)), np.int64),
                                          "position_ids": places, **past})[0][0, -1].astype(np.float64)
        ids.append(int(logits.argmax()))
        out.append(round(float(logits.max() - np.log(np.exp(logits).sum())), 5))
        places = np.concatenate([places, np.full((3, 1, 1), following + i)], 2)
    return out


def main():
    weights = encoder(os.path.join(HERE, "vision_encoder.onnx"), T.FLOAT)
    encoder(os.path.join(HERE, "vision_encoder_half.onnx"), T.FLOAT16)
    tokenizer()
    cases = []
    for request in (["what?", "rgb.png"], ["rgb.png", "and", "oriented6.jpg", "differ"], ["narrow.jpg", "dot.png"],
                    ["lossless-alpha.webp", "still.gif", "lossless-alpha.webp", "!"]):
        ids, places, vectors = [], [], []
        for part in request:
            if "." not in part:
                ids += list(part.encode())
                places.append(len(part))
                continue
            grid, f = features(weights, part)
            places.append(grid)
            ids += [IMAGE] * len(f)
            vectors.append(f)
        p, following = positions(places)
        sums = [[round(float(v), 6) for v in f.sum(0)] for f in vectors]
        cases.append(dict(request=request, ids=ids, positions=p, next=following, sums=sums,
                          logprobs=answer(ids, p, following, vectors)))
    with open(os.path.join(HERE, "cases.json"), "w") as f:
        json.dump(dict(processor=CONFIG, cases=cases), f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
