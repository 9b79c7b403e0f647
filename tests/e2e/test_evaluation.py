"""The evaluation of a version: the same by every way, and what the library says of the same rows."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import norm
from sklearn.metrics import r2_score

from helpers.running import Service
from layerwise import MLP, Evaluation, Plan, evaluate, fit
from layerwise_client import LayerwiseError, datasets
from layerwise_client.cli.group import layerwise
from layerwise_proto.v1 import training_pb2
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub

RNG = np.random.default_rng(0)
LAYERS = {"layers": [{"units": 8, "activation": "relu"}]}


def shown(service: Service, *arguments: str) -> str:
    done = CliRunner().invoke(layerwise, [*arguments, "--rpc", service.rpc])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_version_is_told_as_the_library_tells_the_same_rows(service: Service) -> None:
    X, y = datasets.load("iris")
    with service.client() as client:
        job = client.train("told-iris", LAYERS, X, y, plan={"epochs": 20, "validation": 0.2, "seed": 3}, progress=False)
        job.wait(timeout=60)
        version = client.model("told-iris").at(None)
    with urllib.request.urlopen(f"{service.rest}/api/models/told-iris/versions/1") as answer:
        over_rest = json.load(answer)["evaluation"]
    model = MLP.load(service.home / "artifacts" / "models" / f"{version.sha256}.npz")
    labels = np.array(model.labels)
    split = fit(MLP(model.architecture), X, np.searchsorted(labels, y), plan=Plan(epochs=1, validation=0.2, seed=3))
    *_, _ = split
    held_out = split.held_out_rows

    told = version.evaluation

    assert told is not None
    assert told == Evaluation.from_json(over_rest)
    expected = evaluate(model, X[held_out], np.array(y)[held_out])
    assert (told.rows, told.measured_on, told.confusion_matrix) == (30, "held_out", expected.confusion_matrix)
    assert told.accuracy == pytest.approx(version.metrics["validation_accuracy"])
    assert told.baseline == expected.baseline
    assert str(told) in shown(service, "models", "show", "told-iris/1")
    assert str(told) in shown(service, "models", "show", "told-iris")
    assert json.loads(shown(service, "models", "show", "told-iris/latest", "--json"))["evaluation"] == over_rest


def test_of_a_table_the_importance_of_each_column_is_told(service: Service) -> None:
    table = {"size": RNG.normal(size=200).tolist(), "pet": RNG.choice(["ant", "bee"], 200).tolist()}
    price = [3.0 * size for size in table["size"]]
    with service.client() as client:
        job = client.train(
            "told-table", {"layers": [{}]}, table, price, plan={"epochs": 60, "batch_size": 8}, progress=False
        )
        job.wait(timeout=60)
        told = client.model("told-table").at(None).evaluation

    assert told is not None
    assert told.importances is not None
    assert told.importances.metric == "r2"
    size, pet = told.importances.columns
    assert (size.name, pet.name) == ("size", "pet")
    assert size.mean > 0.5 > abs(pet.mean)


ROWS = 240


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the same columns: to train on, and to evaluate on, with a gap and labels that training never saw."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(1)
    size, pet = rng.normal(size=ROWS), rng.choice(["ant", "bee"], ROWS)
    late = np.where((size > 0) ^ (rng.random(ROWS) < 0.1), "yes", "no")
    lines = [f"{a:.4f};{b};{c}".replace(".", ",") for a, b, c in zip(size, pet, late, strict=True)]
    (folder / "train.csv").write_text("\n".join(["size;pet;late", *lines[:160]]))
    more = ["0,5;ant;", "0,25;bee;maybe", "-1,5;bee;maybe", "2,0;ant;never"]
    (folder / "new.csv").write_text("\n".join(["size;pet;late", *lines[160:], *more]))
    return folder


@pytest.fixture(scope="module")
def compared(service: Service, files: Path) -> str:
    """Two versions of a model: one knows the size, the other only the pet."""
    with service.client() as client:
        dataset = client.upload_dataset(files / "train.csv")
        for ignore in ([], ["size"]):
            request = training_pb2.CreateJobRequest(model="compared", dataset=dataset.id, target="late", ignore=ignore)
            request.architecture.layers.add()
            request.plan.epochs = 60
            request.plan.batch_size = 16
            with grpc.insecure_channel(service.rpc) as channel:
                client.job(TrainingServiceStub(channel).CreateJob(request, timeout=30).id).wait(timeout=60)
    return "compared"


def test_versions_are_evaluated_side_by_side_on_the_rows_of_a_file(
    service: Service, files: Path, compared: str
) -> None:
    with service.client() as client:
        first, second = client.evaluate([f"{compared}/1", compared], files / "new.csv")
        answer = client.predict(compared, new_rows(files), version=1)

    truth = [row["late"] for row in new_rows(files)]
    known = [i for i, label in enumerate(truth) if label in ("yes", "no")]
    assert answer.labels is not None
    right = np.mean([answer.labels[i] == truth[i] for i in known])
    told = first.evaluation
    assert (first.version, second.version, first.target, first.without_target) == (1, 2, "late", 1)
    assert (told.rows, second.evaluation.rows, told.unknown_rows) == (80, 80, 3)
    assert told.unknown_labels == {"maybe": 2, "never": 1}
    assert told.accuracy == pytest.approx(right)
    assert "3 rows left out, with labels that training never saw: maybe (2), never (1)" in str(told)
    assert first.difference is None
    assert second.difference is not None
    assert second.evaluation.accuracy is not None
    assert told.accuracy is not None
    assert second.difference.value == pytest.approx(second.evaluation.accuracy - told.accuracy)
    assert second.difference.lower < second.difference.value < second.difference.upper < 0
    assert str(second.difference).endswith("worse")


def new_rows(files: Path) -> list[dict[str, object]]:
    lines = (files / "new.csv").read_text().splitlines()[1:]
    cells = [line.split(";") for line in lines]
    return [{"size": float(a.replace(",", ".")), "pet": b, "late": c} for a, b, c in cells]


def test_the_command_evaluates_a_file_in_words_or_as_json(service: Service, files: Path, compared: str) -> None:
    path = str(files / "new.csv")

    said = shown(service, "evaluate", f"{compared}/1", f"{compared}/2", path)
    found = json.loads(shown(service, "evaluate", compared, path, "--json", "--target", "late"))

    assert f"{compared}/1 on {path}" in said
    assert "always predicting" in said
    assert "actual \\ predicted" in said
    assert "accuracy -" in said.splitlines()[-1]
    assert [(each["version"], each["evaluation"]["rows"], each["difference"]) for each in found] == [(2, 80, None)]


@pytest.mark.parametrize("form", ["mapping", "rows", "pandas"])
def test_a_table_in_memory_is_evaluated_as_the_file_is(service: Service, files: Path, compared: str, form: str) -> None:
    rows = new_rows(files)
    table = {name: [row[name] or None for row in rows] for name in rows[0]}
    labels = table.pop("late")
    given: Any = {"mapping": table, "rows": [{**row, "late": row["late"] or None} for row in rows]}.get(form)
    if form == "pandas":
        given = pd.DataFrame(table)

    with service.client() as client:
        (of_file,) = client.evaluate(f"{compared}/1", files / "new.csv")
        (found,) = client.evaluate(f"{compared}/1", given, "late" if form == "rows" else labels)

    assert of_file.evaluation.target == "late"
    assert replace(found.evaluation, target="late") == of_file.evaluation
    assert found.without_target == 1


def test_rows_of_numbers_are_evaluated(service: Service) -> None:
    X, y = datasets.load("iris")
    with service.client() as client:
        plan = {"epochs": 20, "validation": 0.0}
        client.train("iris-rows", LAYERS, X, y, plan=plan, progress=False).wait(timeout=60)
        (found,) = client.evaluate("iris-rows", X, y)
        stored = client.model("iris-rows").at(None).evaluation

    assert stored is not None
    assert found.evaluation.confusion_matrix == stored.confusion_matrix


def test_true_numbers_of_json_and_numpy_stay_what_they_are(service: Service, tmp_path: Path) -> None:
    """As a German text, 1.234 would be 1234."""
    sizes = [i / 8 + 0.001 for i in range(80)]
    rows = [f"{size:.3f};{1000 + size:,.3f}".translate(str.maketrans(",.", ".,")) for size in sizes]
    (tmp_path / "german.csv").write_text("\n".join(["size;price", *rows]))
    np.savez(tmp_path / "typed.npz", size=sizes, price=sizes)
    pd.DataFrame({"size": sizes, "price": sizes}).to_json(tmp_path / "typed.jsonl", orient="records", lines=True)
    with service.client() as client:
        plan = {"epochs": 2}
        client.train("german", {"layers": [{}]}, tmp_path / "german.csv", "price", plan=plan, progress=False).wait()
        truths = [
            block.truth
            for name in ("typed.npz", "typed.jsonl")
            for block in client.predict_file("german", tmp_path / name, target="price")
        ]

    assert len(truths) == 2
    for truth in truths:
        assert truth == pytest.approx(sizes)


@pytest.mark.parametrize(
    ("versions", "y", "message"),
    [
        ([], "late", "versions: expected at least one version, got none"),
        (["nothing"], "late", "no model"),
        (["compared/9"], "late", "compared has no version or alias '9'"),
        (["compared/1"], "size", "is one that it predicts from"),
        (["compared/1"], "weight", "there is no column 'weight'"),
        (["compared"] * 11, "late", "expected 1 to 10 versions, got 11"),
        (["compared/1"], "pet", "is one that it predicts from"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    service: Service, files: Path, compared: str, versions: list[str], y: str, message: str
) -> None:
    with service.client() as client, pytest.raises(LayerwiseError, match=message):
        client.evaluate(versions, files / "new.csv", y)


def test_regressions_differ_by_their_r2(service: Service) -> None:
    size = RNG.normal(size=150)
    price = 3 * size + RNG.normal(size=150)
    table = {"size": size.tolist(), "noise": RNG.normal(size=150).tolist()}
    with service.client() as client:
        for model, ignore in (("prices", []), ("noises", ["size"])):
            plan = {"epochs": 60, "batch_size": 16, "validation": 0.0}
            job = client.train(model, {"layers": [{}]}, table, price, plan=plan, ignore=ignore, progress=False)
            job.wait(timeout=60)
        labels = np.where(price > 0, "high", "low")
        client.train("labels", LAYERS, table, labels, plan={"epochs": 2}, progress=False).wait(timeout=60)
        both = client.evaluate(["prices", "noises"], table, price)
        predicted = [client.predict(model, table).values for model in ("prices", "noises")]
        with pytest.raises(LayerwiseError, match="versions that all predict classes, or all amounts"):
            client.evaluate(["prices", "labels"], table, price)

    errors = [(values.ravel() - price) ** 2 for values in predicted if values is not None]
    each = (errors[0] - errors[1]) / np.var(price)
    told = both[1].difference
    assert told is not None
    assert told.metric == "r2"
    assert told.value == pytest.approx(each.mean(), rel=1e-4)
    half = norm.ppf(0.975) * each.std(ddof=1) / np.sqrt(150)
    assert (told.lower, told.upper) == pytest.approx((each.mean() - half, each.mean() + half), rel=1e-4)
    assert both[0].evaluation.mean is not None
    assert both[0].evaluation.mean.r2 == pytest.approx(r2_score(price, predicted[0].ravel()), rel=1e-4)  # type: ignore[union-attr]


def held_out_files(folder: Path) -> tuple[Path, Path, Path]:
    """A file with a column that marks every fourth row; and the same rows in two files, without the column."""
    rng = np.random.default_rng(2)
    size, pet = rng.normal(size=120), rng.choice(["ant", "bee"], 120)
    lines = [f"{a:.4f};{b};{3 * a:.3f}".replace(".", ",") for a, b in zip(size, pet, strict=True)]
    lines[7] = lines[7].rpartition(";")[0] + ";"  # no target
    marked, trained, held = folder / "marked.csv", folder / "trained.csv", folder / "held.csv"
    marks = [int(i % 4 == 0) for i in range(120)]
    head = "size;pet;price"
    rows = [f"{line};{mark}" for line, mark in zip(lines, marks, strict=True)]
    marked.write_text("\n".join([f"{head};held", *rows]))
    trained.write_text("\n".join([head, *(line for line, mark in zip(lines, marks, strict=True) if not mark)]))
    held.write_text("\n".join([head, *(line for line, mark in zip(lines, marks, strict=True) if mark)]))
    return marked, trained, held


def test_own_rows_are_held_out_by_a_column_or_a_file_alike(service: Service, tmp_path: Path) -> None:
    marked, trained, held = held_out_files(tmp_path)
    plan = {"epochs": 5, "batch_size": 16, "early_stopping": {"patience": 3}}
    with service.client() as client:
        jobs = [
            client.train("held-1", LAYERS, marked, "price", plan=plan, validation="held", progress=False),
            client.train("held-2", LAYERS, trained, "price", plan=plan, validation=held, progress=False),
            client.train(
                "held-3", LAYERS, trained, "price", plan=plan, validation=client.upload_dataset(held), progress=False
            ),
        ]
        for job in jobs:
            job.wait(timeout=60)
        versions = [client.model(f"held-{i}").at(None) for i in (1, 2, 3)]
        told = [version.evaluation for version in versions]
        names, planned = versions[0].column_names, versions[0].plan.get("validation", 0.0)

    assert [(each.rows, each.measured_on) for each in told if each] == [(30, "held_out")] * 3
    assert told[0] == told[1] == told[2]
    assert versions[0].metrics == versions[1].metrics == versions[2].metrics
    assert told[0] is not None
    assert told[0].target == "price"
    assert [line.split()[0] for line in str(told[0]).split("\n") if line.startswith(("price", "0"))] == ["price"] * 2
    assert told[0].mean is not None
    assert told[0].mean.r2 == pytest.approx(versions[0].metrics["validation_r2"], rel=1e-4)
    assert (names, planned) == (("size", "pet"), 0.0)


def test_classes_that_only_rows_held_out_have_are_doubted(service: Service, tmp_path: Path) -> None:
    lines = [f"{i},{'ab'[i % 2] if i < 90 else 'cd'[i > 96]},{int(i >= 80)}" for i in range(100)]
    path = tmp_path / "classes.csv"
    path.write_text("\n".join(["size,kind,held", *lines]))
    with service.client() as client:
        job = client.train("held-4", LAYERS, path, "kind", plan={"epochs": 1}, validation="held", progress=False)

    assert job.source is not None
    (doubt,) = [each for each in job.source.doubts if each.reason == "HELD_OUT_CLASSES"]
    assert doubt.column == "kind"
    assert doubt.message in shown(service, "jobs", "show", job.id)
    assert doubt.message.startswith("2 classes are only in rows held out, and cannot be learnt: 'c' (7), 'd' (3).")


@pytest.mark.parametrize(
    ("validation", "plan", "message"),
    [
        ("held", {"validation": 0.2}, "validation: expected one way to hold rows out, the plan has a validation, too"),
        ("size", {}, "expected 1 for a row to hold out and 0 for the others"),
        ("pet", {}, "expected a column of 1 and 0, or of booleans, 'pet' is one of kind"),
        ("price", {}, "expected different columns"),
        ("held", {"split": "temporal"}, "expected no split, since it is said which rows are held out, got temporal"),
        ("nothing", {}, "validation: expected a column that marks rows, or a file, there is no 'nothing'"),
    ],
)
def test_own_rows_that_cannot_be_held_out_are_refused(
    service: Service, tmp_path: Path, validation: str, plan: dict[str, Any], message: str
) -> None:
    marked, _, _ = held_out_files(tmp_path)
    with service.client() as client, pytest.raises(LayerwiseError, match=message):
        client.train("never", LAYERS, marked, "price", plan=plan, validation=validation, progress=False)


def test_the_command_holds_out_the_same_rows_by_a_column_and_by_a_file(service: Service, tmp_path: Path) -> None:
    marked, trained, held = held_out_files(tmp_path)
    given = ("--target", "price", "--epochs", "5", "--batch-size", "16", "--json")
    by_column = shown(service, "train", str(marked), *given, "--model", "marks", "--validation", "held")
    by_file = shown(service, "train", str(trained), *given, "--model", "file", "--validation", str(held))

    wrong = ["train", str(trained), "--target", "price", "--validation", "hled.csv", "--rpc", service.rpc]
    refused = CliRunner().invoke(layerwise, wrong)

    jobs = [json.loads(told) for told in (by_column, by_file)]
    assert jobs[0]["record"]["validation_loss"] == jobs[1]["record"]["validation_loss"] > 0
    assert [job["held_out"] for job in jobs] == [30, 30]
    assert "--validation: expected a column that marks rows, or a file, there is no 'hled.csv'" in refused.stderr


def test_a_validation_file_must_have_the_columns_of_the_other(service: Service, tmp_path: Path) -> None:
    _, trained, held = held_out_files(tmp_path)
    other = tmp_path / "other.csv"
    other.write_text("size;price\n1,5;2,0\n")
    with service.client() as client:
        with pytest.raises(LayerwiseError, match="validation: there is no column 'pet', which the training has"):
            client.train("never", LAYERS, trained, "price", validation=client.upload_dataset(other), progress=False)
        (tmp_path / "words.csv").write_text(held.read_text().replace("ant", "1").replace("bee", "2"))
        with pytest.raises(LayerwiseError, match=r"validation.columns.pet: expected a column of kind category"):
            client.train(
                "never",
                LAYERS,
                trained,
                "price",
                validation=client.upload_dataset(tmp_path / "words.csv"),
                progress=False,
            )
        (tmp_path / "bad.csv").write_text(held.read_text() + "\nmany;ant;2,5\n")
        with pytest.raises(
            LayerwiseError, match=r"validation: .*bad.csv: .*size: expected a number with a decimal comma, .*got 'many'"
        ):
            client.train("never", LAYERS, trained, "price", validation=tmp_path / "bad.csv", progress=False)
        with pytest.raises(LayerwiseError, match="validation: expected rows in memory, as those to train on"):
            client.train("never", LAYERS, [[1.0], [2.0]], [1.0, 2.0], validation=held, progress=False)
