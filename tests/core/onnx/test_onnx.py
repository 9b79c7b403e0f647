"""Networks as ONNX models: what onnxruntime computes of them, and what comes back."""

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from helpers.exported import ARCHITECTURES, ENCODERS, LOSSES, NEW_ROWS, ROWS, TABLE, network, table, table_network
from layerwise import MLP, Architecture, InvalidInput, Layer, Plan, fit
from layerwise.activations import ACTIVATIONS, ReLU
from layerwise.onnx import export_onnx, from_onnx, to_onnx
from layerwise.onnx.operators import OPERATORS, operator_reader


def session_of(proto):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(proto.SerializeToString(), options)


def run(proto, rows=ROWS):
    """The outputs by name, as onnxruntime computes them."""
    session = session_of(proto)
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64}[session.get_inputs()[0].type]
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"rows": rows.astype(kind)}), strict=True))


def assert_parity(model, found):
    if model.is_classifier:
        assert found["label"].tolist() == model.predict(ROWS).tolist()
    elif model.gives_probabilities:
        assert found["flags"].tolist() == model.predict(ROWS).tolist()
    elif model.plan:
        assert found["values"].shape == model.predict(ROWS).shape
        np.testing.assert_allclose(found["values"], model.predict(ROWS), rtol=1e-5, atol=1e-5)
    if model.gives_probabilities:
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(ROWS), rtol=0, atol=1e-5)
    elif model.plan is None or model.is_classifier:
        np.testing.assert_allclose(found["outputs"], model.outputs(ROWS), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("architecture", "loss"), TABLE)
def test_onnxruntime_predicts_the_same(architecture, loss):
    model = network(architecture, loss)

    found = run(to_onnx(model))

    assert_parity(model, found)
    assert len(found) == 2 if model.is_classifier or model.gives_probabilities else 1


@pytest.mark.parametrize(
    ("architecture", "loss"), [(each, "softmax") for each in ARCHITECTURES] + [("gelu", each) for each in LOSSES]
)
def test_a_network_of_float64_is_computed_in_float64(architecture, loss):
    model = network(architecture, loss, np.float64)

    found = run(to_onnx(model))

    assert_parity(model, found)
    assert not {np.dtype(np.float32)} & {each.dtype for each in found.values()}


def test_every_activation_is_in_the_table():
    assert set(ACTIVATIONS) <= set(ARCHITECTURES)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_checker_passes_a_model_and_the_shapes_it_infers(architecture, dtype):
    for loss in LOSSES:
        onnx.checker.check_model(to_onnx(network(architecture, loss, dtype)), full_check=True)


def test_a_mean_beyond_the_range_is_the_largest_number():
    model = network("none", "poisson")
    model.weights["layer0/bias"][:] = 1000

    assert run(to_onnx(model))["values"][0] == np.finfo(np.float32).max


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_softplus_does_not_overflow(dtype):
    model = network("softplus", "squared error", dtype)
    model.weights["layer0/bias"][:] = 1000

    assert_parity(model, run(to_onnx(model)))


def test_sigmoids_that_vanish_still_have_probabilities():
    model = network("none", "one against all")
    model.weights["layer0/bias"][:] = -500

    np.testing.assert_allclose(run(to_onnx(model))["probabilities"].sum(axis=1), 1, rtol=1e-5)


def test_no_row_and_one_row_are_predicted():
    proto = to_onnx(network("maxout"))

    assert run(proto, ROWS[:0])["label"].shape == (0,)
    assert run(proto, ROWS[:1])["probabilities"].shape == (1, 3)


def test_the_file_notes_labels_and_where_the_model_comes_from(tmp_path):
    model = network("relu")
    model.lineage = {"dataset": "sha256:0", "note": "größer"}

    digest = export_onnx(model, tmp_path / "m.onnx")
    read = onnx.load(tmp_path / "m.onnx")

    notes = {each.key: json.loads(each.value) for each in read.metadata_props}
    assert notes == {"labels": ["a", "ç", "c"], "lineage": model.lineage, "loss": "softmax_cross_entropy"}
    assert read.producer_name == "layerwise"
    assert digest == export_onnx(model, tmp_path / "again.onnx")
    assert_parity(model, run(read))


def test_a_network_larger_than_an_onnx_file_is_refused(monkeypatch):
    model = network("relu")
    monkeypatch.setattr("layerwise.onnx.export.MOST_BYTES", model.parameters.nbytes - 1)

    with pytest.raises(InvalidInput, match="model: expected at most 443 bytes, the limit of an ONNX file, got 444"):
        to_onnx(model)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_was_exported_comes_back_layer_by_layer(architecture, dtype):
    model = network(architecture, dtype=dtype)

    back = from_onnx(to_onnx(model).SerializeToString())

    assert [(each.units, each.normalization, each.residual) for each in back.architecture.layers] == [
        (each.units, each.normalization, each.residual) for each in model.architecture.layers
    ]
    assert [each.activation.kind for each in back.architecture.layers] == [
        each.activation.kind for each in model.architecture.layers
    ]
    assert (back.dtype, back.labels, back.loss) == (model.dtype, model.labels, model.loss)
    np.testing.assert_allclose(back.outputs(ROWS), model.outputs(ROWS), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", [each for each in LOSSES if each != "untrained"])
def test_what_the_outputs_mean_comes_back(loss):
    model = network("tanh", loss)

    back = from_onnx(to_onnx(model).SerializeToString())

    assert (back.loss, back.labels) == (model.loss, model.labels)
    assert_parity(back, run(to_onnx(model)))


@pytest.mark.parametrize(("loss", "link"), [("sigmoid", "sigmoid_cross_entropy"), ("poisson", "poisson")])
def test_without_notes_the_last_nodes_tell_the_loss(loss, link):
    model = network("tanh", loss)
    proto = to_onnx(model)
    del proto.metadata_props[:]

    back = from_onnx(proto.SerializeToString(), labels=model.labels)

    assert back.loss == link
    assert_parity(back, run(proto))


def graph(nodes, arrays, inputs=5, **attributes):
    """A model of other programs' making, from `rows` to `out`."""
    made = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", inputs])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in arrays.items()],
    )
    opset = attributes.get("opset", 20)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


W = np.random.default_rng(5).normal(size=(5, 4)).astype(np.float32)
B = np.arange(4, dtype=np.float32)
FOREIGN = {
    "columns scaled": (
        [
            helper.make_node("Sub", ["rows", "mean"], ["centred"]),
            helper.make_node("Div", ["centred", "deviation"], ["standard"]),
            helper.make_node("MatMul", ["standard", "w"], ["z"]),
            helper.make_node("Add", ["b", "z"], ["out"]),
        ],
        {"w": W, "b": B, "mean": [1, 2, 3, 4, 5], "deviation": [1, 2, 1, 2, 0.5]},
    ),
    "Gemm with everything set": (
        [
            helper.make_node("Flatten", ["rows"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], ["z"], transB=1, alpha=0.5, beta=2.0),
            helper.make_node("Dropout", ["z"], ["kept"]),
            helper.make_node("Gelu", ["kept"], ["out"], approximate="tanh"),
        ],
        {"w": W.T, "b": B},
    ),
    "inputs added first": (
        [
            helper.make_node("Gemm", ["rows", "w"], ["z"]),
            helper.make_node("Relu", ["z"], ["a"]),
            helper.make_node("Add", ["rows", "a"], ["out"]),
        ],
        {"w": np.eye(5) - 0.5},
    ),
    "a layer norm with another epsilon": (
        [
            helper.make_node("MatMul", ["rows", "w"], ["z"]),
            helper.make_node("LayerNormalization", ["z", "g", "b"], ["h"], epsilon=0.5),
            helper.make_node("PRelu", ["h", "s"], ["out"]),
        ],
        {"w": W, "g": B + 1, "b": B, "s": [0.3]},
    ),
    "a softplus that is cut": (
        [
            helper.make_node("Identity", ["w"], ["v"]),
            helper.make_node("MatMul", ["rows", "v"], ["z"]),
            helper.make_node("Softplus", ["z"], ["soft"]),
            helper.make_node("Greater", ["z", "limit"], ["large"]),
            helper.make_node("Where", ["large", "z", "soft"], ["out"]),
        ],
        {"w": W * 20, "limit": 20},
    ),
    "a batch norm with another epsilon, after a bias": (
        [
            helper.make_node("Gemm", ["rows", "w", "b"], ["z"]),
            helper.make_node("BatchNormalization", ["z", "g", "b", "m", "v"], ["h"], epsilon=0.01),
            helper.make_node("Sigmoid", ["h"], ["a"]),
            helper.make_node("Mul", ["a", "h"], ["out"]),
        ],
        {"w": W, "g": B + 1, "b": B, "m": B / 2, "v": B + 0.001},
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_graph_of_another_program_is_read(name):
    proto = graph(*FOREIGN[name])

    model = from_onnx(proto.SerializeToString(), loss="squared_error")

    np.testing.assert_allclose(model.outputs(ROWS), run(proto)["out"], rtol=1e-5, atol=1e-5)


def test_two_probabilities_of_one_score_are_two_labels():
    proto = graph(
        [
            helper.make_node(
                "Scaler", ["rows"], ["x"], domain="ai.onnx.ml", scale=[1.0, 2, 3, 4, 5], offset=[0.5, 0, 0, 1, 2]
            ),
            helper.make_node("MatMul", ["x", "w"], ["s"]),
            helper.make_node("Sigmoid", ["s"], ["p"]),
            helper.make_node("Sub", ["one", "p"], ["q"]),
            helper.make_node("Concat", ["q", "p"], ["out"], axis=1),
        ],
        {"w": W[:, :1], "one": 1},
    )
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))

    model = from_onnx(proto.SerializeToString())

    assert model.labels == (0, 1)
    np.testing.assert_allclose(model.predict_proba(ROWS), run(proto)["out"], rtol=0, atol=1e-5)


def test_an_imported_network_can_be_trained_and_saved(tmp_path):
    model = from_onnx(to_onnx(network("batch")).SerializeToString())
    y = np.array(["a", "ç", "c"])[np.arange(40) % 3]

    losses = [each.loss for each in fit(model, ROWS, y, plan=Plan(epochs=30))]
    model.save(tmp_path / "m.npz")

    assert losses[-1] < losses[0]
    assert MLP.load(tmp_path / "m.npz").predict(ROWS).tolist() == model.predict(ROWS).tolist()
    assert model.lineage == {"imported_from": "ONNX (layerwise)"}


GEMM = helper.make_node("Gemm", ["rows", "w"], ["z"], name="first")
SIGMOID = [helper.make_node("Gemm", ["rows", "c"], ["s"]), helper.make_node("Sigmoid", ["s"], ["p"])]
REFUSED = {
    "probabilities of the columns": (
        [GEMM, helper.make_node("Softmax", ["z"], ["out"], name="s", axis=0)],
        r"node\.s: expected axis -1, got 0",
    ),
    "whole numbers": (
        [helper.make_node("Cast", ["rows"], ["i"], name="i", to=7), helper.make_node("Gemm", ["i", "w"], ["out"])],
        r"node\.i: expected a Cast to float or double, got INT64",
    ),
    "a normalisation of the rows": (
        [GEMM, helper.make_node("LayerNormalization", ["z", "scale"], ["out"], name="n", axis=0)],
        r"node\.n: expected axis -1, got 0",
    ),
    "an epsilon below 0": (
        [GEMM, helper.make_node("LayerNormalization", ["z", "scale"], ["out"], name="n", epsilon=-1.0)],
        r"node\.n\.epsilon: expected a finite number above 0, got -1",
    ),
    "columns without a scale": (
        [helper.make_node("Mul", ["rows", "scale"], ["x"]), helper.make_node("Gemm", ["x", "w"], ["out"])],
        r"node\.out: expected a finite factor for each of 5 inputs",
    ),
    "scales that do not fit": (
        [
            helper.make_node("Mul", ["rows", "scale"], ["x"]),
            helper.make_node("Sub", ["x", "shape"], ["y"], name="sub"),
            helper.make_node("Gemm", ["y", "w"], ["out"]),
        ],
        r"node\.sub: expected numbers for 4 columns, got 3",
    ),
    "a scale for each row": (
        [helper.make_node("Mul", ["rows", "c"], ["x"], name="m"), helper.make_node("Gemm", ["x", "w"], ["out"])],
        r"node\.m: expected a number for each column, got shape \(3, 1\)",
    ),
    "a division by zero": (
        [helper.make_node("Div", ["rows", "none"], ["x"], name="d"), helper.make_node("Gemm", ["x", "w"], ["out"])],
        r"node\.d: expected divisors other than 0",
    ),
    "a batch norm in training mode": (
        [
            GEMM,
            helper.make_node(
                "BatchNormalization", ["z", *["scale"] * 4], ["out", "m", "s"], name="trains", training_mode=1
            ),
        ],
        r"node\.trains: expected training_mode 0, got 1",
    ),
    "a maximum of 1": (
        [GEMM, helper.make_node("Exp", ["z"], ["e"]), helper.make_node("Min", ["e", "one"], ["out"], name="cap")],
        r"node\.cap: expected one of Gemm, .* in a chain, got Min",
    ),
    "probabilities in another order": (
        [
            *SIGMOID,
            helper.make_node("Sub", ["one", "p"], ["q"]),
            helper.make_node("Concat", ["p", "q"], ["out"], axis=1),
        ],
        r"node\.out: expected a Concat of the two probabilities of a sigmoid",
    ),
    "another Selu": (
        [GEMM, helper.make_node("Selu", ["z"], ["out"], alpha=1.0)],
        r"node\.out: expected Selu with its usual alpha and gamma, got \(1.0, 1.05070098\)",
    ),
    "a beginning at a constant": (
        [helper.make_node("Gemm", ["v", "w"], ["out"])],
        r"file: expected the chain of nodes to begin at the input, but it begins at v",
    ),
    "a flattening of all rows": (
        [helper.make_node("Flatten", ["rows"], ["x"], name="f", axis=0), helper.make_node("Gemm", ["x", "w"], ["out"])],
        r"node\.f: expected Flatten of axis 1, which leaves rows as they are",
    ),
    "a bias of another size": (
        [helper.make_node("Gemm", ["rows", "w", "shape"], ["out"])],
        r"node\.out: expected a bias of 4 numbers, got 3",
    ),
    "a product beyond float32": (
        [helper.make_node("Gemm", ["rows", "w", "scale"], ["out"], alpha=3e38, beta=3e38)],
        r"weights\.layer0/weight: expected finite numbers within float32",
    ),
    "an operator without its inputs": (
        [GEMM, helper.make_node("PRelu", ["z"], ["out"], name="p")],
        r"file: expected an ONNX model: .*PRelu.* has input size 1 not in range",
    ),
    "an attribute of another type": (
        [helper.make_node("Gemm", ["rows", "w"], ["out"], alpha="half")],
        r"file: expected an ONNX model: Mismatched attribute type in .*alpha",
    ),
    "a circle": (
        [helper.make_node("Identity", ["b"], ["a"]), helper.make_node("Gemm", ["a", "w"], ["b"]), GEMM],
        r"file: expected an ONNX model: Nodes in a graph must be topologically sorted",
    ),
    "a convolution": (
        [GEMM, helper.make_node("Sin", ["z"], ["s"], name="odd"), helper.make_node("Gemm", ["s", "v"], ["out"])],
        r"node\.odd: expected one of Gemm, MatMul, .* in a chain, got Sin",
    ),
    "a normalisation after the activation": (
        [
            GEMM,
            helper.make_node("Relu", ["z"], ["a"]),
            helper.make_node("LayerNormalization", ["a", "scale"], ["out"], name="late"),
        ],
        r"node\.late: expected layers of a linear part, .* got this LayerNormalization elsewhere",
    ),
    "erf": (
        [GEMM, helper.make_node("Gelu", ["z"], ["out"], name="g")],
        r"node\.g: expected Gelu with approximate tanh, got the form with erf",
    ),
    "a product of computed values": (
        [GEMM, helper.make_node("MatMul", ["z", "z"], ["out"], name="square")],
        r"node\.square\.z: expected a constant array, it is computed",
    ),
    "outputs in another shape": (
        [GEMM, helper.make_node("Reshape", ["z", "shape"], ["out"], name="r")],
        r"node\.r: expected a shape that keeps the rows, such as \[-1, 1\], got \[-1.0, 2.0, 2.0\]",
    ),
    "outputs as one column": (
        [GEMM, helper.make_node("Reshape", ["z", "column"], ["out"], name="r")],
        r"node\.r: expected outputs that keep their shape, got a Reshape of 4",
    ),
    "a type that does not exist": (
        [GEMM, helper.make_node("Cast", ["z"], ["out"], name="c", to=9999)],
        r"node\.c: expected a Cast to float or double, got 9999",
    ),
    "a dropout in training mode": (
        [GEMM, helper.make_node("Dropout", ["z", "one", "one"], ["out"], name="d")],
        r"node\.d: expected Dropout with training_mode false",
    ),
    "the mask of a dropout": (
        [
            GEMM,
            helper.make_node("Dropout", ["z"], ["kept", "mask"], name="d"),
            helper.make_node("Cast", ["mask"], ["out"], to=1),
        ],
        r"node\.d: expected only its first output to be used, got 'mask'",
    ),
    "the means of a normalisation": (
        [
            GEMM,
            helper.make_node("LayerNormalization", ["z", "scale"], ["normal", "mean"], name="n"),
            helper.make_node("Identity", ["mean"], ["out"]),
        ],
        r"node\.n: expected only its first output to be used, got 'mean'",
    ),
    "a shape that is no whole number": (
        [
            GEMM,
            helper.make_node("Reshape", ["z", "shape"], ["pieces"]),
            helper.make_node("ReduceMax", ["pieces", "axis"], ["out"], name="m", keepdims=0),
        ],
        r"node\.m: expected one of Gemm, .* in a chain, got ReduceMax",
    ),
    "no layer": (
        [helper.make_node("Softmax", ["rows"], ["out"])],
        r"file: expected a network, but there is no Gemm or MatMul before the output",
    ),
    "layers that do not fit": (
        [GEMM, helper.make_node("Gemm", ["z", "w"], ["out"], name="second")],
        r"node\.second: expected 4 inputs, as many as the layer before has units, got 5",
    ),
    "a transposed input": (
        [helper.make_node("Gemm", ["rows", "w"], ["out"], name="t", transA=1)],
        r"node\.t: expected rows as the left factor, got transA 1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_named(name):
    nodes, message = REFUSED[name]
    proto = graph(
        nodes, {"w": W, "v": np.eye(4), "scale": np.ones(4), "shape": [-1, 2, 2], "one": 1, "none": 0, "c": W[:3, :1]}
    )
    for array, whole in (("column", [-1, 1]), ("axis", [1])):
        proto.graph.initializer.append(numpy_helper.from_array(np.array(whole), array))

    with pytest.raises(InvalidInput, match=message):
        from_onnx(proto.SerializeToString())


@pytest.mark.parametrize("domain", ["another", ""])
def test_an_operator_that_the_file_defines_itself_is_not_taken_for_that_of_onnx(domain):
    body = [helper.make_node("Neg", ["x"], ["y"])]
    negative = helper.make_function(domain, "Relu", ["x"], ["y"], body, [helper.make_opsetid("", 20)])
    proto = graph([GEMM, helper.make_node("Relu", ["z"], ["out"], name="r", domain=domain)], {"w": W})
    proto.opset_import.append(helper.make_opsetid("another", 1))
    proto.functions.append(negative)

    with pytest.raises(InvalidInput, match=rf"node\.r: expected operators of ONNX, got Relu of the domain '{domain}'"):
        from_onnx(proto.SerializeToString())


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Relu", [], ["out"], domain="another"),
        helper.make_node("Cast", ["z"], ["out"], domain="another"),
        helper.make_node("Gemm", ["z"], ["out"], domain="another", alpha="abc"),
        helper.make_node("Constant", [], ["out"], domain="another"),
    ],
    ids=lambda node: node.op_type,
)
def test_a_node_of_an_unknown_domain_may_have_any_inputs_and_attributes(node):
    proto = graph([GEMM, node], {"w": W})
    proto.opset_import.append(helper.make_opsetid("another", 1))

    with pytest.raises(InvalidInput, match=f"node.out: expected operators of ONNX, got {node.op_type}"):
        from_onnx(proto.SerializeToString())


@pytest.mark.parametrize("shape", [[-1, 2, 1], [0, 2, 1], [0, 2, 8], [3, 2, -1]])
def test_the_shape_of_a_maxout_must_fit_its_columns(shape):
    nodes = [
        GEMM,
        helper.make_node("Reshape", ["z", "shape"], ["pieces"], name="split"),
        helper.make_node("ReduceMax", ["pieces", "axis"], ["out"], keepdims=0),
    ]
    proto = graph(nodes, {"w": W})
    for name, whole in (("shape", shape), ("axis", [1])):
        proto.graph.initializer.append(numpy_helper.from_array(np.array(whole), name))

    with pytest.raises(InvalidInput, match=r"node\.split: expected 2 pieces of 2 units, got the shape"):
        from_onnx(proto.SerializeToString())


def test_declared_columns_must_be_those_of_the_weights():
    proto = graph([helper.make_node("Gemm", ["rows", "w"], ["out"])], {"w": W}, inputs=7)

    with pytest.raises(InvalidInput, match=r"rows: expected rows of 5 numbers, .*; the graph declares 7"):
        from_onnx(proto.SerializeToString())


def test_operators_whose_defaults_were_others_are_refused():
    nodes = [helper.make_node("MatMul", ["rows", "w"], ["z"]), helper.make_node("Dropout", ["z"], ["out"])]
    proto = graph(nodes, {"w": W}, opset=6)

    with pytest.raises(InvalidInput, match="file: expected opset 7 of ONNX or newer, got 6"):
        from_onnx(proto.SerializeToString())


class Cut(ReLU):
    """An activation that is one operator with its default attribute, which no field holds."""

    kind = "cut"
    onnx_operator = "ThresholdedRelu"


def test_an_attribute_that_an_activation_does_not_know_is_refused(monkeypatch):
    monkeypatch.setitem(OPERATORS, "ThresholdedRelu", operator_reader(Cut))
    default, other = (
        graph([GEMM, helper.make_node("ThresholdedRelu", ["z"], ["out"], name="t", **given)], {"w": W})
        for given in ({}, {"alpha": 0.5})
    )

    assert isinstance(from_onnx(default.SerializeToString()).architecture.layers[0].activation, Cut)
    with pytest.raises(InvalidInput, match=r"node\.t: expected ThresholdedRelu with no attributes, got alpha"):
        from_onnx(other.SerializeToString())


def test_what_is_no_onnx_model_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"\xff" * 20)

    with pytest.raises(InvalidInput, match="file: expected an ONNX model"):
        from_onnx(tmp_path / "m.onnx")
    with pytest.raises(InvalidInput, match="file: expected an ONNX model"):
        from_onnx(b"")
    for other in (None, bytearray(b"onnx"), 3):
        with pytest.raises(InvalidInput, match="file: expected a path or the bytes of an ONNX model, got"):
            from_onnx(other)
    with pytest.raises(FileNotFoundError):
        from_onnx(tmp_path / "nowhere.onnx")


def test_constants_that_are_no_numbers_are_refused():
    text = graph(
        [helper.make_node("Sub", ["rows", "text"], ["x"]), helper.make_node("Gemm", ["x", "w"], ["out"])], {"w": W}
    )
    text.graph.initializer.append(numpy_helper.from_array(np.array(["a"] * 5, object), "text"))
    damaged = graph([GEMM, helper.make_node("Relu", ["z"], ["out"])], {"w": W})
    damaged.graph.initializer[0].raw_data = b"123"
    unknown = graph([GEMM, helper.make_node("Relu", ["z"], ["out"])], {"w": W})
    unknown.graph.initializer[0].data_type = 99

    for proto, message in (
        (text, r"text: expected an array of numbers, got array\(\['a'"),
        (damaged, r"file: expected an ONNX model: .*(raw_data size \(3 bytes\)|buffer size)"),
        (unknown, "file: expected an ONNX model: 99"),
    ):
        with pytest.raises(InvalidInput, match=message):
            from_onnx(proto.SerializeToString())


def test_weights_beside_the_file_are_read_and_may_not_be_missing(tmp_path):
    proto = graph([helper.make_node("Gemm", ["rows", "w"], ["out"])], {"w": np.ones((5, 400))})
    onnx.save_model(proto, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin")

    assert from_onnx(tmp_path / "m.onnx").architecture.outputs == 400
    with pytest.raises(InvalidInput, match=r"file: .*w is in another file; pass the path of the model"):
        from_onnx((tmp_path / "m.onnx").read_bytes())
    for size in (100, None):
        os.truncate(tmp_path / "w.bin", size) if size else (tmp_path / "w.bin").unlink()
        with pytest.raises(InvalidInput, match=r"file: expected an ONNX model: .*(length|w.bin|reshape array)"):
            from_onnx(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("loss", "{", r"metadata_props\.loss: expected JSON"),
        ("labels", "[" * 100_000, r"metadata_props\.labels: expected JSON"),
        ("loss", '"x"', "loss: expected one of softmax_cross_entropy"),
        ("labels", "5", "labels: expected a list of labels, one for each output, got 5"),
        ("labels", '["a", "b"]', "labels: expected 3 labels"),
    ],
)
def test_the_metadata_of_a_file_are_checked(name, text, message):
    proto = to_onnx(network("relu"))
    for note in proto.metadata_props:
        if note.key == name:
            note.value = text

    with pytest.raises(InvalidInput, match=message):
        from_onnx(proto.SerializeToString())


def test_an_output_is_chosen_by_its_name():
    proto = to_onnx(network("relu"))

    assert from_onnx(proto.SerializeToString(), output="probabilities").loss == "softmax_cross_entropy"
    with pytest.raises(InvalidInput, match="output: expected one of label, probabilities, got 'scores'"):
        from_onnx(proto.SerializeToString(), output="scores")


def test_the_architecture_of_a_wide_network_comes_back():
    model = MLP(Architecture(64, (Layer(64, "relu"), Layer(10))))

    assert from_onnx(to_onnx(model).SerializeToString(), loss="hinge").summary().parameters == 4810


def feed(model, rows):
    """The columns of `rows` as the ONNX model of `model` reads them."""
    made = {}
    for column in model.encoder.columns:
        values = rows[column.name]
        if column.kind == "number":
            read = [column.format.read(value) for value in values]
            made[column.name] = np.array([np.nan if value is None else value for value in read], np.float64)
        elif column.kind == "date":
            made[column.name] = np.array(values, "M8[s]").astype(np.int64)
        else:
            made[column.name] = np.array(["" if value is None else str(value) for value in values], object)
    return {name: column.reshape(-1, 1) for name, column in made.items()}


def run_columns(model, rows):
    proto = to_onnx(model)
    onnx.checker.check_model(proto, full_check=True)
    session = session_of(proto)
    names = [each.name.removesuffix(" 2") for each in session.get_outputs()]
    return dict(zip(names, session.run(None, feed(model, rows)), strict=True))


def known(model, rows):
    """`rows` without those of whose cells the encoder refuses one."""
    count = len(rows["stops"])
    kept = []
    for i in range(count):
        try:
            model.encoder.encode([{name: values[i] for name, values in rows.items()}])
        except InvalidInput:
            continue
        kept.append(i)
    return {name: [values[i] for i in kept] for name, values in rows.items()}, kept


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("architecture", ["none", "relu", "residual", "scaled", "maxout"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_columns_go_in_as_they_are(encoder, architecture, dtype):
    model = table_network(encoder, architecture, dtype=dtype)

    for rows in (table(), known(model, NEW_ROWS)[0]):
        found = run_columns(model, rows)

        assert found["label"].tolist() == model.predict(rows).tolist()
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(rows), rtol=0, atol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_what_the_encoder_refuses_is_predicted_as_nan(encoder):
    model = table_network(encoder)
    _, kept = known(model, NEW_ROWS)

    found = run_columns(model, NEW_ROWS)["probabilities"]

    assert np.flatnonzero(~np.isnan(found).any(axis=1)).tolist() == kept


def test_every_second_of_four_centuries_has_its_parts():
    model = table_network("parts")
    times = np.arange(np.datetime64("1700-01-01T00:00:00"), np.datetime64("2110-01-01"), np.timedelta64(1234567, "s"))
    rows = {name: [values[0]] * len(times) for name, values in NEW_ROWS.items()} | {"day": times.astype(str).tolist()}

    np.testing.assert_allclose(run_columns(model, rows)["probabilities"], model.predict_proba(rows), rtol=0, atol=1e-5)


def test_an_encoding_that_onnx_cannot_compute_is_refused(monkeypatch):
    with pytest.raises(
        InvalidInput, match=r"encoder.columns.label: expected an encoding that ONNX can compute, got hash"
    ):
        to_onnx(table_network({"label": "hashing"}))
    monkeypatch.setattr("layerwise.onnx.columns.MOST_TABLE", 10)
    with pytest.raises(InvalidInput, match=r"encoder.columns.label: expected at most 3 categories of one_hot in ONNX"):
        to_onnx(table_network("inferred"))


def test_the_columns_of_an_encoder_are_not_read_back():
    with pytest.raises(
        InvalidInput, match="file: expected a graph of one input, got distance, stops, label, size, night, day"
    ):
        from_onnx(to_onnx(table_network("inferred")).SerializeToString())


def test_without_onnx_the_import_says_what_to_install():
    code = "import sys; sys.modules['onnx'] = None; import layerwise.onnx"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert "ImportError: layerwise.onnx needs the package onnx: pip install 'layerwise[onnx]'" in ended.stderr
