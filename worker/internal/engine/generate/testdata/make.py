"""Makes the small decoders that the tests of this package run: random weights, real graphs.

    pip install onnx==1.* numpy && python make.py

plain.onnx    attention written out, left padding, as optimum exports it
half.onnx     the same with a cache and logits of float16, and num_logits_to_keep
group.onnx    GroupQueryAttention, right padding, as onnx-community exports it
embeds.onnx   takes vectors and three positions a token; embed_tokens.onnx gives the vectors

tokenizer.json and tokenizer_config.json are for all of them. A token is a byte. 256 and 257 begin and end a turn, 258 and
259 a thought, 1 and 2 a call of a tool. Token 260 may come out of the decoder and can't go in: the run that it is fed to
fails.
"""

import json

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

VOCAB, KNOWN, WIDTH, HEADS, KV, D, LAYERS, FF, POSITIONS = 261, 260, 16, 4, 2, 16, 2, 32, 512


class Graph:
    def __init__(self, seed=7):
        self.nodes, self.consts, self.n = [], [], 0
        self.random = np.random.default_rng(seed)

    def const(self, value, name=None):
        self.n += 1
        name = name or f"c{self.n}"
        self.consts.append(nh.from_array(np.asarray(value), name))
        return name

    def weight(self, *shape, scale=1.0):
        return self.const((self.random.standard_normal(shape) * scale / np.sqrt(shape[0])).astype(np.float32))

    def __call__(self, op, *inputs, out=None, outs=1, domain="", **attrs):
        self.n += 1
        names = [out] if out else [f"t{self.n}_{i}" for i in range(outs)]
        self.nodes.append(h.make_node(op, list(inputs), names, domain=domain, **attrs))
        return names[0] if len(names) == 1 else names

    def ints(self, *values):
        return self.const(np.array(values, dtype=np.int64))

    def floats(self, value):
        return self.const(np.float32(value))


def norm(g, x):
    mean = g("ReduceMean", g("Mul", x, x), axes=[-1], keepdims=1)
    return g("Div", x, g("Sqrt", g("Add", mean, g.floats(1e-6))))


def heads(g, x, count):
    return g("Transpose", g("Reshape", x, g.ints(0, 0, count, D)), perm=[0, 2, 1, 3])


def rotate(g, x, cos, sin):
    a, b = g("Split", x, axis=3, outs=2)
    turned = g("Concat", g("Neg", b), a, axis=3)
    return g("Add", g("Mul", x, cos), g("Mul", turned, sin))


def plain_attention(g, q, k, v, past_k, past_v, layer, half):
    cos, sin, mask = g.shared
    q, k = rotate(g, heads(g, q, HEADS), cos, sin), rotate(g, heads(g, k, KV), cos, sin)
    v = heads(g, v, KV)
    out = []
    for past, now, name in ((past_k, k, "key"), (past_v, v, "value")):
        if half:
            now = g("Cast", now, to=T.FLOAT16)
        both = g("Concat", past, now, axis=2, out=f"present.{layer}.{name}")
        out.append(g("Cast", both, to=T.FLOAT) if half else both)
    k, v = out
    q = g("Reshape", q, g.ints(0, KV, HEADS // KV, -1, D))
    k, v = g("Unsqueeze", k, g.ints(2)), g("Unsqueeze", v, g.ints(2))
    score = g("Div", g("MatMul", q, g("Transpose", k, perm=[0, 1, 2, 4, 3])), g.floats(np.sqrt(D)))
    mix = g("MatMul", g("Softmax", g("Add", score, mask), axis=-1), v)
    mix = g("Transpose", g("Reshape", mix, g.ints(0, HEADS, -1, D)), perm=[0, 2, 1, 3])
    return g("Reshape", mix, g.ints(0, 0, HEADS * D))


def group_attention(g, q, k, v, past_k, past_v, layer):
    lengths, total, cos, sin = g.shared
    names = [f"mix{layer}", f"present.{layer}.key", f"present.{layer}.value"]
    g.nodes.append(h.make_node(
        "GroupQueryAttention", [q, k, v, past_k, past_v, lengths, total, cos, sin], names, domain="com.microsoft",
        num_heads=HEADS, kv_num_heads=KV, do_rotary=1))
    return names[0]


def angles(g, positions, axes):
    inverse = (1.0 / (100.0 ** (np.arange(0, D, 2) / D))).astype(np.float32)
    p = g("Cast", positions, to=T.FLOAT)
    if axes == 3:
        p = g("ReduceMean", p, axes=[0], keepdims=0)
    angle = g("Mul", g("Unsqueeze", p, g.ints(1, 3)), g.const(inverse.reshape(1, 1, 1, -1)))
    angle = g("Concat", angle, angle, axis=3)
    return g("Cos", angle), g("Sin", angle)


def mask_of(g, first):
    count = g("Gather", g("Shape", first), g.ints(1))
    total = g("Gather", g("Shape", "attention_mask"), g.ints(1))
    scalar = g.ints(0)
    rows = g("Range", *(g("Squeeze", x, scalar) for x in (g("Sub", total, count), total)), g.const(np.int64(1)))
    columns = g("Range", g.const(np.int64(0)), g("Squeeze", total, scalar), g.const(np.int64(1)))
    causal = g("LessOrEqual", g("Unsqueeze", columns, g.ints(0)), g("Unsqueeze", rows, g.ints(1)))
    seen = g("Cast", g("Unsqueeze", "attention_mask", g.ints(1)), to=T.BOOL)
    both = g("And", g("Unsqueeze", causal, g.ints(0)), seen)
    return g("Unsqueeze", g("Where", both, g.floats(0), g.floats(-1e9)), g.ints(1, 2))


def decoder(path, half=False, group=False, embeds=False, keep=False):
    g = Graph()
    table = g.const((g.random.standard_normal((KNOWN, WIDTH))).astype(np.float32), "table")
    batch, count, past, total = "batch_size", "sequence_length", "past_sequence_length", "total_sequence_length"
    cache = T.FLOAT16 if half else T.FLOAT
    inputs = [h.make_tensor_value_info("inputs_embeds", T.FLOAT, [batch, count, WIDTH])] if embeds else [
        h.make_tensor_value_info("input_ids", T.INT64, [batch, count])]
    inputs.append(h.make_tensor_value_info("attention_mask", T.INT64, [batch, total]))
    if not group:
        inputs.append(h.make_tensor_value_info(
            "position_ids", T.INT64, [3, batch, count] if embeds else [batch, count]))
    if keep:
        inputs.append(h.make_tensor_value_info("num_logits_to_keep", T.INT64, []))
    outputs = [h.make_tensor_value_info("logits", cache, [batch, count, VOCAB])]
    x = "inputs_embeds" if embeds else g("Gather", "table", "input_ids", axis=0)
    if group:
        inverse = 1.0 / (100.0 ** (np.arange(0, D, 2) / D))
        angle = np.outer(np.arange(POSITIONS), inverse)
        sums = g("ReduceSum", "attention_mask", g.ints(1), keepdims=0)
        lengths = g("Cast", g("Sub", sums, g.ints(1)), to=T.INT32)
        width = g("Squeeze", g("Gather", g("Shape", "attention_mask"), g.ints(1)), g.ints(0))
        g.shared = (lengths, g("Cast", width, to=T.INT32), g.const(np.cos(angle).astype(np.float32)),
                    g.const(np.sin(angle).astype(np.float32)))
    else:
        first = "inputs_embeds" if embeds else "input_ids"
        cos, sin = angles(g, "position_ids", 3 if embeds else 1)
        cos, sin = (g("Reshape", c, g.ints(0, 1, -1, D)) for c in (cos, sin))
        g.shared = (cos, sin, mask_of(g, first))
    for layer in range(LAYERS):
        for name in ("key", "value"):
            inputs.append(h.make_tensor_value_info(f"past_key_values.{layer}.{name}", cache, [batch, KV, past, D]))
            outputs.append(h.make_tensor_value_info(f"present.{layer}.{name}", cache, [batch, KV, total, D]))
        y = norm(g, x)
        q, k, v = (g("MatMul", y, g.weight(WIDTH, n * D, scale=2)) for n in (HEADS, KV, KV))
        pasts = [f"past_key_values.{layer}.{name}" for name in ("key", "value")]
        if group:
            mix = group_attention(g, q, k, v, *pasts, layer)
        else:
            mix = plain_attention(g, q, k, v, *pasts, layer, half)
        x = g("Add", x, g("MatMul", mix, g.weight(HEADS * D, WIDTH, scale=2)))
        y = g("Relu", g("MatMul", norm(g, x), g.weight(WIDTH, FF, scale=2)))
        x = g("Add", x, g("MatMul", y, g.weight(FF, WIDTH, scale=2)))
    if keep:
        n = g("Unsqueeze", "num_logits_to_keep", g.ints(0))
        x = g("Slice", x, g("Neg", n), g.ints(2**31), g.ints(1))
    logits = g("MatMul", norm(g, x), g.weight(WIDTH, KNOWN, scale=8))
    lead = g("Slice", g("Shape", logits), g.ints(0), g.ints(2))
    last = g("Expand", g.const(np.array([[[-50]]], dtype=np.float32)), g("Concat", lead, g.ints(1), axis=0))
    logits = g("Concat", logits, last, axis=2, out=None if half else "logits")
    if half:
        g("Cast", logits, to=T.FLOAT16, out="logits")
    consts = [c for c in g.consts if c.name != "table" or not embeds]
    save(path, g.nodes, inputs, outputs, consts)
    if embeds:
        e = Graph()
        e("Gather", "table", "input_ids", axis=0, out="inputs_embeds")
        save("embed_tokens.onnx", e.nodes, [h.make_tensor_value_info("input_ids", T.INT64, [batch, count])],
             [h.make_tensor_value_info("inputs_embeds", T.FLOAT, [batch, count, WIDTH])],
             [c for c in g.consts if c.name == "table"])


def save(path, nodes, inputs, outputs, consts):
    graph = h.make_graph(nodes, "decoder", inputs, outputs, consts)
    imports = [h.make_opsetid("", 14), h.make_opsetid("com.microsoft", 1)]
    model = h.make_model(graph, opset_imports=imports, ir_version=8, producer_name="penstock")
    onnx.save(model, path)


decoder("plain.onnx")
decoder("half.onnx", half=True, keep=True)
decoder("group.onnx", group=True)
decoder("embeds.onnx", embeds=True)


def characters():
    """The character by which a byte-level vocabulary writes each byte."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(b) if b in own else chr(next(others)) for b in range(256)]


TEMPLATE = (
    "{%- if tools %}<|im_start|>system\n<tool_call>{name, arguments}</tool_call>: {%- for t in tools %}{{ t.function.name }} {% endfor %}<|im_end|>{%- endif %}"
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{%- endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n"
    "{%- if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{%- endif %}{%- endif %}"
)


def tokenizer():
    special = {256: "<|im_start|>", 257: "<|im_end|>", 258: "<think>", 259: "</think>", 260: "<|cannot|>",
               1: "<tool_call>", 2: "</tool_call>"}
    added = [dict(id=i, content=s, single_word=False, lstrip=False, rstrip=False, normalized=False,
                  special=s.startswith("<|")) for i, s in special.items()]
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=False, use_regex=False)
    model = dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix="", end_of_word_suffix="",
                 fuse_unk=False, byte_fallback=False, ignore_merges=False,
                 vocab={special.get(i, c): i for i, c in enumerate(characters())}, merges=[])
    with open("tokenizer.json", "w", encoding="utf-8") as f:
        json.dump(dict(version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None,
                       pre_tokenizer=level, post_processor=None, decoder=level, model=model), f, indent=1)
        f.write("\n")
    with open("tokenizer_config.json", "w", encoding="utf-8") as f:
        json.dump(dict(eos_token="<|im_end|>", chat_template=TEMPLATE), f, indent=1)
        f.write("\n")


tokenizer()
