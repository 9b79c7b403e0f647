"""Tables over gRPC: trained on, predicted from, gone on from, and what is said to those that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import msgspec
import numpy as np
import pytest

from helpers.rpc_requests import (
    accepted,
    batch,
    encoder,
    error_of,
    header,
    kinds,
    running_rpc,
    strings,
    table,
    table_batch,
    tensor,
)
from layerwise import MLP, Architecture, Layer, Plan, TableEncoder, fit
from layerwise_proto.json_form import to_json
from layerwise_proto.v1 import models_pb2, tables_pb2, training_pb2
from layerwise_proto.v1.models_pb2_grpc import ModelServiceStub, PredictionServiceStub
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain import tables
from layerwise_service.domain.models import Version
from layerwise_service.errors import InvalidRequest
from layerwise_service.rpc.table_converters import read_typed_table
from layerwise_service.settings import Settings
from layerwise_service.worker import encoding

FLIGHTS: dict[str, list[Any]] = {
    "distance": [200, None, 2475.5, 750],
    "origin": ["JFK", "LGA", "JFK", ""],
    "hour": ["2013-01-01T05:15", "2013-06-01", "2013-06-02", "2013-12-31T23:59"],
}
LABELS = ["no", "yes", "yes", "no"]
PLAN = {"epochs": 20, "batch_size": 2}


def train(training: TrainingServiceStub, *requests: training_pb2.TrainRequest) -> list[training_pb2.TrainEvent]:
    events = list(training.Train(iter(requests), timeout=30))
    assert kinds(events)[-1] == "published", events[-1]
    return events


def test_a_batch_too_large_for_the_width_of_the_encoded_table_is_refused(settings: Settings) -> None:
    limited = msgspec.structs.replace(settings, max_batch_values=20)
    sent = [header(plan={"batch_size": 2}), table_batch(table(**FLIGHTS), labels=strings(*LABELS))]

    with running_rpc(limited) as (address, _), grpc.insecure_channel(address) as channel:
        found = error_of(lambda: list(TrainingServiceStub(channel).Train(iter(sent), timeout=10)))

    assert found[2:] == ("TOO_LARGE", "plan.batch_size")
    assert "expected at most 1 row in a batch for a network of this width, got 2" in found[1]


@pytest.mark.usefixtures("worker")
def test_a_job_on_a_table_ends_with_the_librarys_weights_and_encoder(
    training: TrainingServiceStub, settings: Settings
) -> None:
    first = table(**{name: values[:3] for name, values in FLIGHTS.items()})
    second = table(**{name: values[3:] for name, values in FLIGHTS.items()})
    batches = [table_batch(first, labels=strings(*LABELS[:3])), table_batch(second, labels=strings(*LABELS[3:]))]
    chosen = encoder({"columns": {"distance": {"kind": "log", "missing": "median"}}})

    version = train(training, header("flights", plan=PLAN, encoder=chosen), *batches)[-1].published

    expected = TableEncoder({"distance": {"kind": "log", "missing": "median"}}).fit(FLIGHTS)  # type: ignore[dict-item]
    plan = Plan(epochs=20, batch_size=2)
    local = MLP(Architecture(expected.width, (Layer(8, "relu"), Layer(2))), seed=0)
    local.encoder = expected
    for _ in fit(local, FLIGHTS, LABELS, plan=plan):
        pass
    kept = MLP.load(settings.home_path / "artifacts" / "models" / f"{version.sha256}.npz", sha256=version.sha256)
    assert kept.encoder == expected
    assert kept.parameters.tobytes() == local.parameters.tobytes()
    assert version.architecture.inputs == expected.width


@pytest.mark.usefixtures("worker")
def test_jobs_and_versions_tell_their_columns(channel: grpc.Channel, training: TrainingServiceStub) -> None:
    chosen = encoder({"ignore": ["hour"], "columns": {"distance": {"kind": "min_max", "missing": "mean"}}})

    events = train(training, header("flights", plan=PLAN, encoder=chosen), table_batch(table(**FLIGHTS)))
    job, version = events[0].accepted, events[-1].published
    models = ModelServiceStub(channel)
    of_job = models.ListColumns(models_pb2.ListColumnsRequest(job_id=job.id, with_categories=True), timeout=10).columns
    whole = models_pb2.ListColumnsRequest(model="flights", version="1", with_categories=True)
    of_version = models.ListColumns(whole, timeout=10).columns

    assert job.columns == version.columns == tables_pb2.ColumnCounts(numbers=1, categories=1, with_gaps=1)
    assert list(of_job) == list(of_version)
    distance, origin = of_version
    assert (distance.name, distance.kind) == ("distance", tables_pb2.COLUMN_KIND_NUMBER)
    assert to_json(distance)["encoding"] == {"kind": "min_max", "missing": "mean"}
    assert (distance.allows_missing, list(distance.categories), distance.category_count) == (True, [], 0)
    assert (origin.name, origin.kind) == ("origin", tables_pb2.COLUMN_KIND_CATEGORY)
    assert to_json(origin)["encoding"] == {"kind": "one_hot", "missing": "own", "most": 64, "unseen": "none"}
    assert (origin.allows_missing, list(origin.categories), origin.category_count) == (True, ["JFK", "LGA"], 2)
    assert job.architecture.inputs == 1 + 3


def typed(**columns: tuple[str, list[Any]]) -> tables_pb2.Table:
    """A table of columns of these types."""
    found = table(**{name: values for name, (_, values) in columns.items()})
    for column, (type_, _) in zip(found.columns, columns.values(), strict=True):
        column.type = tables_pb2.ColumnType.Value(f"COLUMN_TYPE_{type_}")
    return found


@pytest.mark.usefixtures("worker")
def test_the_type_of_a_column_says_how_it_is_read(
    channel: grpc.Channel, training: TrainingServiceStub, settings: Settings
) -> None:
    columns: dict[str, tuple[str, list[Any]]] = {
        "late": ("BOOLEAN", [1, 0, None, 1]),
        "flag": ("BOOLEAN", [1, 0, 1, 1]),
        "year": ("CATEGORY", ["2013", "2014", "NA", "2013"]),
        "zip": ("CATEGORY", [2138, 2139, None, 2138]),
        "day": ("DATE", ["2013-01-01", "2013-01-02", "", "2014-01-03"]),
        "time": ("TIME", ["10:00:00", "11:00:00", "", "12:00:00"]),
        "note": ("TEXT", ["red", "blue", "", "red house"]),
        "shown": ("UNSPECIFIED", ["1,5", "2,5", "", "3,5"]),
        "left": ("WHOLE", [1, 2, 3, 4]),
    }
    small = {"note": {"kind": "hashed_words", "buckets": 2}, "day": {"kind": "date_parts", "parts": ["year"]}}
    chosen = encoder({"columns": small | {"flag": "one_hot"}, "ignore": ["left"]})

    version = train(
        training, header("typed", plan=PLAN, encoder=chosen), table_batch(typed(**columns), labels=strings(*LABELS))
    )[-1].published
    kept = MLP.load(settings.home_path / "artifacts" / "models" / f"{version.sha256}.npz").encoder
    prediction = PredictionServiceStub(channel)
    sent = models_pb2.PredictRequest(model="typed", table=typed(**columns))
    sent.table.columns.pop()
    by_type = prediction.Predict(sent, timeout=10)
    spelled = {name: values for name, (_, values) in columns.items() if name != "left"}
    as_text = spelled | {"late": ["yes", "0", "", "True"], "flag": ["TRUE", "no", "1.0", "true"]}
    by_text = prediction.Predict(models_pb2.PredictRequest(model="typed", table=table(**as_text)), timeout=10)

    assert kept is not None
    formats = {column.name: column.format for column in kept.columns}
    assert {name: form.kind for name, form in formats.items()} == {
        "late": "boolean",
        "flag": "boolean",
        "year": "category",
        "zip": "category",
        "day": "date",
        "time": "time",
        "note": "text",
        "shown": "number",
    }
    assert [column.categories for column in kept.columns if column.name in ("flag", "year", "zip")] == [
        ("false", "true"),
        ("2013", "2014", "NA"),
        ("2138", "2139"),
    ]
    assert by_type.probabilities == by_text.probabilities


@pytest.mark.usefixtures("worker")
def test_booleans_go_on_as_the_version_to_start_from_reads_them(
    channel: grpc.Channel, training: TrainingServiceStub
) -> None:
    as_text = table(late=["true", "false", "maybe", "true"])
    train(training, header("texts", plan=PLAN), table_batch(as_text, labels=strings(*LABELS)))
    onward = header("onward", plan=PLAN, start_from=training_pb2.StartFrom(model="texts"))

    train(training, onward, table_batch(typed(late=("BOOLEAN", [1, 0, None, 1])), labels=strings(*LABELS)))

    listed = models_pb2.ListColumnsRequest(model="onward", version="1", with_categories=True)
    (column,) = ModelServiceStub(channel).ListColumns(listed, timeout=10).columns
    assert list(column.categories) == ["false", "maybe", "true"]


@pytest.mark.usefixtures("worker")
def test_a_version_reads_cells_by_the_formats_of_its_job(
    channel: grpc.Channel, training: TrainingServiceStub, settings: Settings
) -> None:
    rows: dict[str, list[Any]] = {
        "price": ["1,5", "2,5", "?", "1.000,5"],
        "sold": ["yes", "no", "no", ""],
        "at": ["10:00", "2:05 PM", "NA", "23:59"],
        "title": ["a red house", "two red houses", "a garden", "the old garden"],
    }
    price = {"kind": "number", "decimal": ",", "thousands": ".", "gaps": ["?"]}
    chosen = encoder({"formats": {"price": price}, "columns": {"title": {"kind": "hashed_words", "buckets": 8}}})

    version = train(training, header("houses", plan=PLAN, encoder=chosen), table_batch(table(**rows)))[-1].published

    assert version.columns == tables_pb2.ColumnCounts(numbers=2, dates=1, texts=1, with_gaps=3)
    local = MLP.load(settings.home_path / "artifacts" / "models" / f"{version.sha256}.npz")
    asked = rows | {"price": ["1000,5", "-3", "?", "1,5"], "sold": ["1", "TRUE", "no", "NA"]}
    request = models_pb2.PredictRequest(model="houses", table=table(**asked))
    answer = PredictionServiceStub(channel).Predict(request, timeout=10)
    probabilities = np.frombuffer(answer.probabilities.data, "<f4").reshape(4, 2)
    typed = {"price": [1000.5, -3, None, 1.5], "sold": [True, 1, 0.0, None]}
    np.testing.assert_allclose(probabilities, local.predict_proba(asked | typed), atol=1e-6)


@pytest.mark.usefixtures("worker")
def test_a_table_is_predicted_by_its_columns_in_any_order(
    channel: grpc.Channel, training: TrainingServiceStub, settings: Settings
) -> None:
    version = train(training, header("flights", plan=PLAN), table_batch(table(**FLIGHTS)))[-1].published
    rows: dict[str, list[Any]] = {"hour": ["2013-06-01", ""], "origin": ["ORD", "JFK"], "distance": [1e4, None]}
    local = MLP.load(settings.home_path / "artifacts" / "models" / f"{version.sha256}.npz")

    request = models_pb2.PredictRequest(model="flights", table=table(**rows))
    answer = PredictionServiceStub(channel).Predict(request, timeout=10)
    wrong = models_pb2.PredictRequest(model="flights", table=table(**rows | {"hour": ["", "noon"]}))
    refused = error_of(lambda: PredictionServiceStub(channel).Predict(wrong, timeout=10))

    assert list(answer.labels.strings.values) == local.predict(rows).tolist()
    probabilities = np.frombuffer(answer.probabilities.data, "<f4").reshape(2, 2)
    np.testing.assert_allclose(probabilities, local.predict_proba(rows), atol=1e-6)
    assert refused[3] == "table.rows[1].hour"


@pytest.mark.usefixtures("worker")
def test_a_job_that_starts_from_a_version_uses_its_encoder(training: TrainingServiceStub, settings: Settings) -> None:
    first = train(training, header("flights", plan=PLAN), table_batch(table(**FLIGHTS)))[-1].published
    start = training_pb2.StartFrom(model="flights")
    other = {"distance": [1, 2, 3, None], "origin": ["ORD"] * 4, "hour": ["2020-01-01"] * 4}

    second = train(training, header("more", {}, PLAN, start_from=start), table_batch(table(**other)))[-1].published

    models = settings.home_path / "artifacts" / "models"
    kept = [MLP.load(models / f"{version.sha256}.npz") for version in (first, second)]
    assert kept[0].encoder == kept[1].encoder
    assert second.columns == first.columns == tables_pb2.ColumnCounts(numbers=1, categories=1, dates=1, with_gaps=2)


@pytest.mark.usefixtures("worker")
def test_what_a_version_to_start_from_does_not_take_is_refused(
    training: TrainingServiceStub, publish: Callable[..., Version]
) -> None:
    publish("plain")
    train(training, header("flights", plan=PLAN), table_batch(table(**FLIGHTS)))
    flights, plain = training_pb2.StartFrom(model="flights"), training_pb2.StartFrom(model="plain")
    wrong = {**FLIGHTS, "distance": ["1", "2", "far", "4"]}
    fewer = {"distance": [1.0] * 4, "origin": ["JFK"] * 4}

    cases = [
        (
            [header(start_from=flights), batch()],
            "start_from",
            "flights/1 was trained on a table and continues with one",
        ),
        (
            [header(start_from=plain), table_batch(table(**FLIGHTS))],
            "start_from",
            "plain/1 was trained on rows of numbers",
        ),
        (
            [header(start_from=flights, encoder=encoder({}))],
            "encoder",
            "no encoder may be given together with start_from",
        ),
        ([header(start_from=flights), table_batch(table(**wrong))], "batches[0].table.rows[2].distance", "got 'far'"),
        (
            [header(start_from=flights), table_batch(table(**fewer))],
            "batches[0].table.columns.hour",
            "the column 'hour' is missing",
        ),
    ]
    for requests, pointer, words in cases:
        _, message, _, found = error_of(lambda requests=requests: list(training.Train(iter(requests), timeout=10)))  # type: ignore[misc]
        assert found == pointer
        assert words in message


def test_inputs_that_an_encoder_scales_are_not_scaled_again(training: TrainingServiceStub) -> None:
    scaled = {"layers": [{"units": 4}], "input_scale": 1 / 255}
    sent = [header(architecture=scaled), table_batch(table(a=[1, 2, 3, 4], b=["x", "y"] * 2))]

    code, message, _, pointer = error_of(lambda: list(training.Train(iter(sent), timeout=10)))

    assert (code, pointer) == (grpc.StatusCode.INVALID_ARGUMENT, "architecture.input_scale")
    assert "column 'a' is already scaled" in message


def unequal() -> tables_pb2.Table:
    made = table(a=[1, 2, 3, 4], b=["x"] * 4)
    made.columns[1].texts.values.append("y")
    return made


def twice() -> tables_pb2.Table:
    made = table(a=[1, 2, 3, 4], b=["x"] * 4)
    made.columns[1].name = "a"
    return made


BAD_TABLES: list[tuple[str, Any, list[tables_pb2.Table], str, str, str]] = [
    # name, encoder, tables of 4 rows in all, reason, pointer, words
    ("no columns", None, [tables_pb2.Table()], "", "batches[0].table.columns", "at least one column, got none"),
    ("unequal", None, [unequal()], "", "batches[0].table.columns[1]", "expected 4 values, as in column 'a', got 5"),
    ("twice", None, [twice()], "", "batches[0].table.columns[1].name", "distinct names, got 'a' twice"),
    (
        "without a name",
        None,
        [tables_pb2.Table(columns=[tables_pb2.Column(texts=tables_pb2.Texts(values=["x"] * 4))])],
        "",
        "batches[0].table.columns[0].name",
        "expected a name, got none",
    ),
    (
        "without values",
        None,
        [tables_pb2.Table(columns=[tables_pb2.Column(name="a")])],
        "",
        "batches[0].table.columns[0]",
        "expected numbers or texts, got neither",
    ),
    (
        "infinite",
        None,
        [table(a=[1, 2, float("-inf"), 4])],
        "NOT_FINITE",
        "batches[0].table.rows[2].a",
        "expected a finite number, or NaN where it is missing, got -inf",
    ),
    (
        "beyond float32",
        None,
        [table(a=[1, 2]), table(a=[3, 1e39])],
        "NOT_FINITE",
        "batches[1].table.rows[1].a",
        "expected a number within float32, got 1e+39",
    ),
    (
        "a text among numbers",
        {"columns": {"a": "standardize"}},
        [table(a=["1", "2", "3"]), table(a=["abc"])],
        "",
        "batches[1].table.rows[0].a",
        "expected a number, got 'abc'",
    ),
    (
        "a missing number that is refused",
        {"columns": {"a": {"kind": "log", "missing": "error"}}},
        [table(a=[1, 2]), table(a=[3, None])],
        "",
        "batches[1].table.rows[1].a",
        "expected a number",
    ),
    (
        "all missing",
        None,
        [table(a=["1"] * 4, b=[None] * 4)],
        "EMPTY_COLUMN",
        "encoder.columns.b",
        "the column may be ignored",
    ),
    (
        "an encoding of no column",
        {"columns": {"c": "one_hot"}},
        [table(a=[1] * 4, b=["x"] * 4)],
        "COLUMN_NOT_FOUND",
        "encoder.columns.c",
        "there is no column 'c'; the columns are a, b",
    ),
    (
        "a policy that there is not",
        {"columns": {"a": {"kind": "log", "missing": "zero"}}},
        [],
        "",
        "encoder.columns.a.missing",
        "expected one of auto, indicator, mean, median, error, got 'zero'",
    ),
    (
        "all ignored",
        {"ignore": ["a"]},
        [table(a=[1] * 4)],
        "",
        "encoder",
        "at least 1 column that is not ignored",
    ),
    (
        "a text that is too long",
        None,
        [table(a=["x" * 5000] * 4)],
        "TOO_LARGE",
        "batches[0].table.rows[0].a",
        "at most 4096 bytes, got 5000",
    ),
    (
        "too many outputs",
        {"columns": {"a": {"kind": "hashing", "buckets": 21}}},
        [table(a=["x", "y", "z", "x"])],
        "TOO_LARGE",
        "encoder",
        "at most 20 inputs together, got 21",
    ),
    (
        "too few labels",
        None,
        [table(a=[1, 2, 3])],
        "",
        "batches[0].labels",
        "expected 3 labels, one for each row, got 4",
    ),
]


@pytest.mark.parametrize(
    ("chosen", "sent", "reason", "pointer", "words"),
    [case[1:] for case in BAD_TABLES],
    ids=[case[0] for case in BAD_TABLES],
)
def test_a_wrong_table_is_told_what_is_wrong_and_where(
    training: TrainingServiceStub,
    chosen: Any,
    sent: list[tables_pb2.Table],
    reason: str,
    pointer: str,
    words: str,
) -> None:
    more = {} if chosen is None else {"encoder": encoder(chosen)}
    batches = [table_batch(whole) for whole in sent]
    if len(sent) == 2:
        first = len(sent[0].columns[0].numbers.values) or len(sent[0].columns[0].texts.values)
        batches = [
            table_batch(sent[0], labels=strings(*LABELS[:first])),
            table_batch(sent[1], labels=strings(*LABELS[first:])),
        ]

    found = error_of(lambda: list(training.Train(iter([header(**more), *batches]), timeout=10)))

    assert (found[0], found[2], found[3]) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        reason or "INVALID_ARGUMENT",
        pointer,
    )
    assert words in found[1]


def test_columns_that_will_be_too_much_are_refused_at_the_first_batch(training: TrainingServiceStub) -> None:
    sent = [header(rows=100_000), table_batch(table(a=[1.0] * 4, b=["x"] * 4))]  # and then nothing

    found = error_of(lambda: list(training.Train(iter(sent), timeout=10)))

    assert found[2:] == ("DATASET_TOO_LARGE", "batches[0].table")
    assert "100,000 rows of these columns need at least 1,600,000" in found[1]


def test_an_encoder_has_no_use_for_rows_of_numbers(training: TrainingServiceStub) -> None:
    found = error_of(lambda: list(training.Train(iter([header(encoder=encoder({})), batch()]), timeout=10)))

    assert found[3] == "encoder"
    assert "an encoder needs a table, but the rows are numbers" in found[1]


@pytest.mark.usefixtures("stores")
def test_the_encoded_rows_must_fit_into_a_dataset(settings: Settings) -> None:
    limited = msgspec.structs.replace(settings, max_dataset_bytes=300)
    texts = [f"x{row % 10}" for row in range(30)]
    request = table_batch(table(a=texts), labels=strings(*LABELS[:2] * 15))

    with running_rpc(limited) as (address, _), grpc.insecure_channel(address) as channel:
        sent = iter([header(rows=30), request])
        found = error_of(lambda: list(TrainingServiceStub(channel).Train(sent, timeout=10)))

    assert found[2:] == ("DATASET_TOO_LARGE", "encoder")
    assert "30 rows of 10 encoded inputs need 1,440" in found[1]


@pytest.mark.usefixtures("worker")
def test_the_same_request_gives_the_same_job_and_another_encoder_is_another_request(
    training: TrainingServiceStub,
) -> None:
    def send(chosen: Any) -> str:
        sent = header("flights", plan=PLAN, request_id="r", encoder=encoder(chosen)), table_batch(table(**FLIGHTS))
        return accepted(training, *sent).id

    first = send({"ignore": ["hour"]})

    assert send({"ignore": ["hour"]}) == first
    assert error_of(lambda: send({"ignore": ["origin"]}))[2] == "REQUEST_ID_REUSED"


@pytest.mark.usefixtures("worker")
def test_a_large_table_is_trained_from_a_file_that_is_gone_afterwards_to_the_same_bits(
    training: TrainingServiceStub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weights() -> bytes:
        version = train(training, header("flights", plan=PLAN), table_batch(table(**FLIGHTS)))[-1].published
        path = settings.home_path / "artifacts" / "models" / f"{version.sha256}.npz"
        return MLP.load(path, sha256=version.sha256).parameters.tobytes()

    maps: list[object] = []
    mapped = np.memmap

    def noted(*arguments: Any, **more: Any) -> Any:
        maps.append(mapped(*arguments, **more))
        return maps[-1]

    in_memory = weights()
    monkeypatch.setattr(encoding, "LARGE", 1)
    monkeypatch.setattr(np, "memmap", noted)
    in_a_file = weights()

    assert in_a_file == in_memory
    assert [found.shape for found in maps if found.ndim == 2] == [(4, 5 + 7)]  # type: ignore[attr-defined]
    assert list(Path(settings.home_path / "artifacts" / "incoming").iterdir()) == []


@pytest.mark.usefixtures("worker")
def test_what_is_made_of_a_table_is_bounded_and_an_error_beyond_the_first_block_names_its_row(
    channel: grpc.Channel, training: TrainingServiceStub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = train(training, header("flights", plan=PLAN), table_batch(table(**FLIGHTS)))[-1].published
    local = MLP.load(settings.home_path / "artifacts" / "models" / f"{version.sha256}.npz")
    many = {name: [*values, *values[:1]] for name, values in FLIGHTS.items()}
    blocks: list[int] = []
    encode = TableEncoder.encode

    def noted(self: TableEncoder, *arguments: Any, **more: Any) -> Any:
        blocks.append(len(encode(self, *arguments, **more)))
        return encode(self, *arguments, **more)

    monkeypatch.setattr(tables, "BLOCK_NUMBERS", 2 * 12 + 1)
    monkeypatch.setattr(TableEncoder, "encode", noted)
    request = models_pb2.PredictRequest(model="flights", table=table(**many))
    answer = PredictionServiceStub(channel).Predict(request, timeout=20)
    wrong = models_pb2.PredictRequest(model="flights", table=table(**{**many, "hour": ["2013-01-01"] * 4 + ["noon"]}))
    found = error_of(lambda: PredictionServiceStub(channel).Predict(wrong, timeout=10))

    assert blocks[:3] == [2, 2, 1]
    assert list(answer.labels.strings.values) == local.predict(many).tolist()
    assert found[3] == "table.rows[4].hour"


@pytest.mark.usefixtures("worker")
def test_a_signature_lists_the_columns_that_a_version_takes(
    channel: grpc.Channel, training: TrainingServiceStub, publish: Callable[..., Version]
) -> None:
    train(training, header("flights", plan=PLAN), table_batch(table(**FLIGHTS)))
    stub = PredictionServiceStub(channel)

    only = stub.GetSignature(models_pb2.GetSignatureRequest(), timeout=10)
    publish("plain")
    plain = stub.GetSignature(models_pb2.GetSignatureRequest(model="plain", version="latest"), timeout=10)

    assert [(column.name, column.kind) for column in only.columns] == [
        ("distance", tables_pb2.COLUMN_KIND_NUMBER),
        ("origin", tables_pb2.COLUMN_KIND_CATEGORY),
        ("hour", tables_pb2.COLUMN_KIND_DATE),
    ]
    assert (only.model, only.version, plain.model, plain.version) == ("flights", 1, "plain", 1)
    assert list(plain.columns) == []


@pytest.mark.usefixtures("worker")
def test_rows_of_the_wrong_kind_are_told_which_the_version_takes(
    channel: grpc.Channel, training: TrainingServiceStub, publish: Callable[..., Version]
) -> None:
    publish("plain")
    train(training, header("flights", plan=PLAN), table_batch(table(**FLIGHTS)))
    stub = PredictionServiceStub(channel)

    cases = [
        (
            models_pb2.PredictRequest(model="flights", rows=tensor([[1, 2, 3]])),
            ("WRONG_KIND_OF_ROWS", "rows"),
            "this version takes the columns distance, origin, hour; got rows of numbers",
        ),
        (
            models_pb2.PredictRequest(model="plain", table=table(a=[1], b=[2])),
            ("WRONG_KIND_OF_ROWS", "table"),
            "expected 2 numbers, since this version was not trained on a table; got columns",
        ),
        (models_pb2.PredictRequest(model="flights", table=tables_pb2.Table()), ("EMPTY_BATCH", "table"), "one row"),
        (
            models_pb2.PredictRequest(model="flights", table=table(distance=[1], origin=["JFK"], hours=["2013-01-01"])),
            ("MISSING_COLUMN", "table.columns.hour"),
            "the column 'hour' is missing; there are distance, origin, hours; did you mean hours?",
        ),
        (
            models_pb2.PredictRequest(model="flights", table=table(**FLIGHTS, tail=["N1"] * 4)),
            ("UNKNOWN_COLUMN", "table.columns.tail"),
            "unknown column; expected one of distance, origin, hour",
        ),
        (
            models_pb2.PredictRequest(model="flights", table=unequal()),
            ("INVALID_ARGUMENT", "table.columns[1]"),
            "got 5",
        ),
    ]
    for request, expected, words in cases:
        found = error_of(lambda request=request: stub.Predict(request, timeout=10))  # type: ignore[misc]
        assert found[2:] == expected
        assert words in found[1]


@pytest.mark.parametrize(
    ("typed", "place", "words"),
    [
        (4, "table.columns[0].texts.typed", "expected the index of one of the 4 values, got 4"),
        (-1, "table.columns[0].texts.typed", "expected the index of one of the 4 values, got -1"),
        (1, "table.columns[0].texts.values[1]", "expected a number in plain notation, got '1,5'"),
        (2, "table.columns[0].texts.values[2]", "expected a number in plain notation, got ''"),
    ],
)
def test_a_text_that_is_said_to_be_a_number_and_is_none_is_refused(typed: int, place: str, words: str) -> None:
    texts = tables_pb2.Texts(values=["1.5", "1,5", "", "x"], typed=[0, typed])

    with pytest.raises(InvalidRequest) as caught:
        read_typed_table(tables_pb2.Table(columns=[tables_pb2.Column(name="a", texts=texts)]), at="table")

    assert str(caught.value.place) == place
    assert caught.value.detail == words
