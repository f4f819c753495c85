"""Writes the tiny ONNX graphs of the tensor engine's tests, and cases.json: inputs with the outputs of ONNX Runtime.

    python3 make.py        # with onnx 1.16, onnxruntime 1.27 or newer, numpy

Nothing here is trained. Opset 17 (19 where the graph's type needs it), IR version 9, no external data.

    identity_TYPE   x [batch,n] -> y, for every datatype; bfloat16 and string too
    add_TYPE        a [batch,n] + b [batch,n] -> sum, for the numeric types; in the type itself or by way of a cast
    cast_bfloat16   x FP32 [batch,n] -> y BF16, rounded to nearest even
    all             one input and output of every datatype but BYTES, each [batch,2]
    named           s BYTES [batch], x FP32 [batch] -> t, y: strings beside numbers
    several         a, b FP32 [batch,3], factor FP32 [] -> sum, scaled [batch,3] and largest INT64 [batch]
    scalar          x FP32 [], i INT64 [], ok BOOL [] -> y = x+1, j = i+1, no = not ok; all of rank 0
    scalar_string   s BYTES [] -> t
    fixed           x FP32 [2,3] -> y = 2x, no dynamic axis
    matmul          a FP32 [m,k], b FP32 [k,n] -> c [m,n]: named axes
    unnamed         x FP32 [?,?] -> y = -x: dynamic axes without names
    unranked        x FP32 of any rank -> y
    nonzero         x FP32 [batch,n] -> where INT64 [2,?]: the output's size depends on the data
    reduce          x FP32 [batch,n] -> total FP32 []: no batch axis in the output, rows must not be put together
    mixed_batch     x FP32 [batch,n], w FP32 [n] -> y [batch]: an input without the batch axis
    upper           s BYTES [n] -> t, in upper case
    lookup          i INT64 [batch,n] -> row FP32 [batch,n,2] of a table of 4; an index beyond it fails the run
    default_input   x FP32 [batch,2], bias FP32 [2] with a default of (1,2) -> y = x + bias
    slow            turns INT64 [], x FP32 [64,64] -> y: a loop of small matrix products, about 100,000 turns a second
    sequence        x FP32 [batch,n] -> parts, a sequence of tensors: a type the protocol can't say
    float8          x FP32 [n] -> y FLOAT8E4M3FN: a datatype the protocol can't say
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

HERE = Path(__file__).parent

# datatype of the protocol, ONNX's type, numpy's type, values; BF16 has none in numpy and travels as its bits.
TYPES = {
    "BOOL": (TensorProto.BOOL, np.bool_, [True, False, False, True]),
    "UINT8": (TensorProto.UINT8, np.uint8, [0, 1, 127, 255]),
    "UINT16": (TensorProto.UINT16, np.uint16, [0, 1, 32767, 65535]),
    "UINT32": (TensorProto.UINT32, np.uint32, [0, 1, 2147483647, 4294967295]),
    "UINT64": (TensorProto.UINT64, np.uint64, [0, 1, 9007199254740993, 18446744073709551615]),
    "INT8": (TensorProto.INT8, np.int8, [-128, -1, 0, 127]),
    "INT16": (TensorProto.INT16, np.int16, [-32768, -1, 0, 32767]),
    "INT32": (TensorProto.INT32, np.int32, [-2147483648, -1, 0, 2147483647]),
    "INT64": (TensorProto.INT64, np.int64, [-9223372036854775808, -1, 9007199254740993, 9223372036854775807]),
    "FP16": (TensorProto.FLOAT16, np.float16, [-65504, 6e-8, 0.333, 1.5]),
    "FP32": (TensorProto.FLOAT, np.float32, [-3.4028235e38, 1e-45, 0.1, 1.5]),
    "FP64": (TensorProto.DOUBLE, np.float64, [-1.7976931348623157e308, 5e-324, 0.1, 1.5]),
    "BF16": (TensorProto.BFLOAT16, np.uint16, [0x3F80, 0xBF80, 0x7F7F, 0x0001]),
    "BYTES": (TensorProto.STRING, np.object_, ["", "plain", "汉字 é 🙂", "line\nbreak\ttab \"quoted\""]),
}
NAMES = {
    "BOOL": "bool", "FP16": "float16", "FP32": "float32", "FP64": "float64", "BF16": "bfloat16", "BYTES": "string",
} | {f"{u}INT{n}": f"{u.lower()}int{n}" for u in ("", "U") for n in (8, 16, 32, 64)}
NUMBERS = [d for d in TYPES if d != "BYTES"]
# ONNX Runtime adds these without a cast; half precision it casts by itself.
ADDS = {"INT32", "INT64", "FP16", "FP32", "FP64"}

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name: str, kind: int, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def save(name: str, nodes, inputs, outputs, initializers=(), opset: int = 17) -> None:
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="penstock-testdata")
    model.ir_version = 9
    if name != "unranked":  # the checker wants a rank; ONNX Runtime does not
        onnx.checker.check_model(model)
    onnx.save(model, HERE / f"{name}.onnx")


def constant(name: str, array: np.ndarray):
    return onnx.numpy_helper.from_array(array, name)


def typed_graphs() -> None:
    node = helper.make_node
    for datatype, (kind, _, _) in TYPES.items():
        name = NAMES[datatype]
        shape = ["batch", "n"]
        save(f"identity_{name}", [node("Identity", ["x"], ["y"])], [value("x", kind, shape)], [value("y", kind, shape)])
        if datatype in ("BOOL", "BYTES"):
            continue
        ins = [value("a", kind, shape), value("b", kind, shape)]
        out = [value("sum", kind, shape)]
        if datatype in ADDS:
            save(f"add_{name}", [node("Add", ["a", "b"], ["sum"])], ins, out)
            continue
        wide = FLOAT if datatype == "BF16" else INT64
        save(
            f"add_{name}",
            [
                node("Cast", ["a"], ["wide_a"], to=wide),
                node("Cast", ["b"], ["wide_b"], to=wide),
                node("Add", ["wide_a", "wide_b"], ["wide_sum"]),
                node("Cast", ["wide_sum"], ["sum"], to=kind),
            ],
            ins,
            out,
        )
    save(
        "cast_bfloat16",
        [node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)],
        [value("x", FLOAT, ["batch", "n"])],
        [value("y", TensorProto.BFLOAT16, ["batch", "n"])],
    )
    save(
        "all",
        [node("Identity", [f"{NAMES[d]}_in"], [f"{NAMES[d]}_out"]) for d in NUMBERS],
        [value(f"{NAMES[d]}_in", TYPES[d][0], ["batch", 2]) for d in NUMBERS],
        [value(f"{NAMES[d]}_out", TYPES[d][0], ["batch", 2]) for d in NUMBERS],
    )
    save(
        "named",
        [node("Identity", ["s"], ["t"]), node("Neg", ["x"], ["y"])],
        [value("s", TensorProto.STRING, ["batch"]), value("x", FLOAT, ["batch"])],
        [value("t", TensorProto.STRING, ["batch"]), value("y", FLOAT, ["batch"])],
    )


def shaped_graphs() -> None:
    node = helper.make_node
    rows, flat = ["batch", 3], ["batch", "n"]
    save(
        "several",
        [
            node("Add", ["a", "b"], ["sum"]),
            node("Mul", ["sum", "factor"], ["scaled"]),
            node("ArgMax", ["sum"], ["largest"], axis=1, keepdims=0),
        ],
        [value("a", FLOAT, rows), value("b", FLOAT, rows), value("factor", FLOAT, [])],
        [value("sum", FLOAT, rows), value("scaled", FLOAT, rows), value("largest", INT64, ["batch"])],
    )
    save(
        "scalar",
        [node("Add", ["x", "one"], ["y"]), node("Add", ["i", "one_i"], ["j"]), node("Not", ["ok"], ["no"])],
        [value("x", FLOAT, []), value("i", INT64, []), value("ok", TensorProto.BOOL, [])],
        [value("y", FLOAT, []), value("j", INT64, []), value("no", TensorProto.BOOL, [])],
        [constant("one", np.float32(1)), constant("one_i", np.int64(1))],
    )
    save(
        "scalar_string",
        [node("Identity", ["s"], ["t"])],
        [value("s", TensorProto.STRING, [])],
        [value("t", TensorProto.STRING, [])],
    )
    save("fixed", [node("Add", ["x", "x"], ["y"])], [value("x", FLOAT, [2, 3])], [value("y", FLOAT, [2, 3])])
    save(
        "matmul",
        [node("MatMul", ["a", "b"], ["c"])],
        [value("a", FLOAT, ["m", "k"]), value("b", FLOAT, ["k", "n"])],
        [value("c", FLOAT, ["m", "n"])],
    )
    save("unnamed", [node("Neg", ["x"], ["y"])], [value("x", FLOAT, [None, None])], [value("y", FLOAT, [None, None])])
    save("unranked", [node("Identity", ["x"], ["y"])], [value("x", FLOAT, None)], [value("y", FLOAT, None)])
    save("nonzero", [node("NonZero", ["x"], ["where"])], [value("x", FLOAT, flat)], [value("where", INT64, [2, "found"])])
    save("reduce", [node("ReduceSum", ["x"], ["total"], keepdims=0)], [value("x", FLOAT, flat)], [value("total", FLOAT, [])])
    save(
        "mixed_batch",
        [node("MatMul", ["x", "w"], ["y"])],
        [value("x", FLOAT, flat), value("w", FLOAT, ["n"])],
        [value("y", FLOAT, ["batch"])],
    )


def odd_graphs() -> None:
    node = helper.make_node
    save(
        "upper",
        [node("StringNormalizer", ["s"], ["t"], case_change_action="UPPER", is_case_sensitive=1, locale="C.UTF-8")],
        [value("s", TensorProto.STRING, ["n"])],
        [value("t", TensorProto.STRING, ["n"])],
    )
    table = np.array([[0, 1], [10, 11], [20, 21], [30, 31]], dtype=np.float32)
    save(
        "lookup",
        [node("Gather", ["table", "i"], ["row"], axis=0)],
        [value("i", INT64, ["batch", "n"])],
        [value("row", FLOAT, ["batch", "n", 2])],
        [constant("table", table)],
    )
    save(
        "default_input",
        [node("Add", ["x", "bias"], ["y"])],
        [value("x", FLOAT, ["batch", 2]), value("bias", FLOAT, [2])],
        [value("y", FLOAT, ["batch", 2])],
        [constant("bias", np.array([1, 2], dtype=np.float32))],
    )
    body = helper.make_graph(
        [
            node("MatMul", ["state", "x"], ["product"]),
            node("Tanh", ["product"], ["next"]),
            node("Identity", ["going"], ["still"]),
        ],
        "turn",
        [value("turn", INT64, []), value("going", TensorProto.BOOL, []), value("state", FLOAT, [64, 64])],
        [value("still", TensorProto.BOOL, []), value("next", FLOAT, [64, 64])],
    )
    save(
        "slow",
        [node("Loop", ["turns", "go", "x"], ["y"], body=body)],
        [value("turns", INT64, []), value("x", FLOAT, [64, 64])],
        [value("y", FLOAT, [64, 64])],
        [constant("go", np.bool_(True))],
    )
    save(
        "sequence",
        [node("SplitToSequence", ["x"], ["parts"], axis=0)],
        [value("x", FLOAT, ["batch", "n"])],
        [helper.make_tensor_sequence_value_info("parts", FLOAT, None)],
    )
    save(
        "float8",
        [node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E4M3FN)],
        [value("x", FLOAT, ["n"])],
        [value("y", TensorProto.FLOAT8E4M3FN, ["n"])],
        opset=19,
    )


# -- cases -----------------------------------------------------------------------


def tensor(name: str, datatype: str, array) -> dict:
    """A tensor as the protocol writes it; `raw` is little-endian, and the only form of BF16 here."""
    array = np.asarray(array, dtype=TYPES[datatype][1])
    out = {"name": name, "datatype": datatype, "shape": list(array.shape)}
    if datatype == "BYTES":
        return out | {"data": [str(s) for s in array.reshape(-1)]}
    if datatype != "BF16":
        out["data"] = array.reshape(-1).tolist()
    return out | {"raw": base64.b64encode(array.tobytes()).decode()}


def run(graph: str, inputs: dict[str, tuple[str, object]], outputs: dict[str, str]) -> dict:
    """Runs a graph. inputs: name -> (datatype, array); outputs: name -> datatype."""
    session = ort.InferenceSession(str(HERE / f"{graph}.onnx"), providers=["CPUExecutionProvider"])
    given = {d for d, _ in inputs.values()}
    if "BYTES" in given:  # Python's binding takes strings only as plain arrays
        results = session.run(list(outputs), {n: np.asarray(a, dtype=TYPES[d][1]) for n, (d, a) in inputs.items()})
        return case(graph, inputs, outputs, results)
    feed = {}
    for name, (datatype, array) in inputs.items():
        array = np.asarray(array, dtype=TYPES[datatype][1])
        if datatype == "BF16":
            feed[name] = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, TensorProto.BFLOAT16)
        else:
            feed[name] = ort.OrtValue.ortvalue_from_numpy(array)
    found = session.run_with_ort_values(list(outputs), feed)
    results = [bits(v) if d == "BF16" else v.numpy() for v, d in zip(found, outputs.values(), strict=True)]
    return case(graph, inputs, outputs, results)


def case(graph: str, inputs: dict, outputs: dict, results: list) -> dict:
    return {
        "graph": graph,
        "inputs": [tensor(n, d, a) for n, (d, a) in inputs.items()],
        "outputs": [tensor(n, d, a) for (n, d), a in zip(outputs.items(), results, strict=True)],
    }


def bits(value) -> np.ndarray:
    """The bits of a BF16 tensor: widened to float by a second graph, whose upper half they are."""
    shape = value.shape()
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["y"], to=FLOAT)],
        "widen",
        [helper.make_tensor_value_info("x", TensorProto.BFLOAT16, shape)],
        [helper.make_tensor_value_info("y", FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    wide = session.run_with_ort_values(["y"], {"x": value})[0].numpy()
    return (np.ascontiguousarray(wide).view(np.uint32) >> 16).astype(np.uint16)


def cases() -> list[dict]:
    out = []
    for datatype, (_, kind, values) in TYPES.items():
        square = np.array(values, dtype=kind).reshape(2, 2)
        out.append(run(f"identity_{NAMES[datatype]}", {"x": (datatype, square)}, {"y": datatype}))
        if datatype == "BF16":
            out.append(run("add_bfloat16", {"a": ("BF16", [[0x3F80, 0x4000]]), "b": ("BF16", [[0x3F00, 0xC000]])}, {"sum": "BF16"}))
        elif datatype not in ("BOOL", "BYTES"):
            a, b = np.array([[1, 2, 3]], dtype=kind), np.array([[40, 50, 60]], dtype=kind)
            out.append(run(f"add_{NAMES[datatype]}", {"a": (datatype, a), "b": (datatype, b)}, {"sum": datatype}))
    out.append(run("identity_float32", {"x": ("FP32", np.zeros((0, 3)))}, {"y": "FP32"}))
    out.append(run("cast_bfloat16", {"x": ("FP32", [[1, 1.00390625, 1.01171875, 3.0e38, -0.1]])}, {"y": "BF16"}))
    pairs = {NAMES[d]: (d, np.array(TYPES[d][2][:2], dtype=TYPES[d][1]).reshape(1, 2)) for d in NUMBERS}
    out.append(run("all", {f"{n}_in": p for n, p in pairs.items()}, {f"{n}_out": p[0] for n, p in pairs.items()}))
    out.append(run("named", {"s": ("BYTES", ["a", "汉字"]), "x": ("FP32", [1, -2])}, {"t": "BYTES", "y": "FP32"}))
    a, b = [[1, 2, 3], [9, 8, 7]], [[0.5, 0.5, 9], [0, 0, 0]]
    out.append(
        run(
            "several",
            {"a": ("FP32", a), "b": ("FP32", b), "factor": ("FP32", 0.25)},
            {"sum": "FP32", "scaled": "FP32", "largest": "INT64"},
        )
    )
    out.append(
        run("scalar", {"x": ("FP32", 41.5), "i": ("INT64", 41), "ok": ("BOOL", True)}, {"y": "FP32", "j": "INT64", "no": "BOOL"})
    )
    out.append(run("scalar_string", {"s": ("BYTES", "汉字")}, {"t": "BYTES"}))
    out.append(run("fixed", {"x": ("FP32", [[1, 2, 3], [4, 5, 6]])}, {"y": "FP32"}))
    out.append(run("matmul", {"a": ("FP32", [[1, 2, 3]]), "b": ("FP32", [[1, 0], [0, 1], [2, 2]])}, {"c": "FP32"}))
    out.append(run("unnamed", {"x": ("FP32", [[1, -2]])}, {"y": "FP32"}))
    out.append(run("unranked", {"x": ("FP32", [[[1], [2]]])}, {"y": "FP32"}))
    out.append(run("nonzero", {"x": ("FP32", [[0, 1, 0], [2, 0, 3]])}, {"where": "INT64"}))
    out.append(run("reduce", {"x": ("FP32", [[1, 2], [3, 4]])}, {"total": "FP32"}))
    out.append(run("mixed_batch", {"x": ("FP32", [[1, 2], [3, 4]]), "w": ("FP32", [1, 10])}, {"y": "FP32"}))
    out.append(run("upper", {"s": ("BYTES", ["abc", "Penstock"])}, {"t": "BYTES"}))
    out.append(run("lookup", {"i": ("INT64", [[0, 3], [1, 1]])}, {"row": "FP32"}))
    out.append(run("default_input", {"x": ("FP32", [[1, 2]])}, {"y": "FP32"}))
    out.append(run("default_input", {"x": ("FP32", [[1, 2]]), "bias": ("FP32", [5, 5])}, {"y": "FP32"}))
    return out


def main() -> None:
    typed_graphs()
    shaped_graphs()
    odd_graphs()
    lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases())
    (HERE / "cases.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
