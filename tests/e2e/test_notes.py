"""docs/notes.md: its snippets print what they say, its numbers are those of the figures, and its statements hold."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs" / "figures"
TEXT = (ROOT / "docs" / "notes.md").read_text()
CHECKED_IN = json.loads((FIGURES / "numbers.json").read_text())
SHOWN = re.findall(r"^!\[([^\]]*)\]\(figures/([a-z-]+)\.svg\)$", TEXT, re.MULTILINE)
SHARE = re.compile(r"\d+(?:\.\d+)?(?= %)")
NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]\d+)?")

Numbers = dict[str, list[dict[str, str]]]


def draw(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-W", "error", "-m", "examples.notes", str(folder), "--quick", *arguments]
    one_thread = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # small products wait for each other on a busy machine
    ended = subprocess.run(command, cwd=ROOT, env=one_thread, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all figures, of trainings that take seconds."""
    folder = tmp_path_factory.mktemp("figures")
    draw(folder)
    return folder


@pytest.fixture(params=["checked in", "quick"])
def numbers(request: pytest.FixtureRequest) -> Numbers:
    """The numbers of the figures in the documentation, and those of the quick trainings."""
    if request.param == "checked in":
        return CHECKED_IN
    return json.loads((request.getfixturevalue("quick") / "numbers.json").read_text())


def column(rows: list[dict[str, str]], name: str) -> dict[str, float]:
    """One column by the cells of the first."""
    return {next(iter(row.values())): float(row[name]) for row in rows}


def numbers_in(text: str) -> set[str]:
    return set(NUMBER.findall(text))


def test_every_snippet_prints_what_stands_beside_it() -> None:
    names: dict[str, Any] = {}
    snippets = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)

    assert len(snippets) > 10
    for snippet in snippets:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(snippet, names)
        assert printed.getvalue().splitlines() == re.findall(r"^ *print\(.*\)  # (.*)$", snippet, re.MULTILINE), snippet


def test_the_document_shows_every_figure_once() -> None:
    names = [name for _, name in SHOWN]

    assert names == list(CHECKED_IN)
    assert sorted(names) == sorted(path.stem for path in FIGURES.glob("*.svg"))


def test_the_tables_are_those_of_the_figures() -> None:
    for name, rows in CHECKED_IN.items():
        lines = TEXT.split(f"(figures/{name}.svg)\n\n")[1].split("\n\n")[0].splitlines()
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert cells[0] == list(rows[0]), name
        assert cells[2:] == [list(row.values()) for row in rows], name


def test_what_is_said_to_be_measured_stands_in_the_figures_table() -> None:
    paragraphs = TEXT.split("\n\n")
    measured = [i for i, paragraph in enumerate(paragraphs) if paragraph.startswith("**Measured.**")]

    assert len(measured) == len(CHECKED_IN) - 1  # that of the activations speaks for itself
    for i in measured:
        alt, name = [shown for shown in SHOWN if f"(figures/{shown[1]}.svg)" in "\n".join(paragraphs[:i])][-1]
        cells = " ".join([alt, *CHECKED_IN[name][0], *(cell for row in CHECKED_IN[name] for cell in row.values())])
        assert numbers_in(paragraphs[i]) - numbers_in(cells) == set(), paragraphs[i]


def test_every_percentage_of_a_section_stands_in_one_of_its_tables() -> None:
    for section in re.split(r"^#+ ", TEXT, flags=re.MULTILINE):
        tables = "\n".join(re.findall(r"^[|!].*$", section, re.MULTILINE))
        prose = re.sub(r"^[|!].*$|^```.*?^```$", "", section, flags=re.DOTALL | re.MULTILINE)
        assert set(SHARE.findall(prose)) - numbers_in(tables) == set(), section.splitlines()[0]


def test_every_figure_is_drawn_anew_and_stays_small(quick: Path) -> None:
    for name in CHECKED_IN:
        assert (quick / f"{name}.svg").read_text().startswith("<?xml")
        assert 0 < (FIGURES / f"{name}.svg").stat().st_size < 200_000
    assert sum(path.stat().st_size for path in FIGURES.iterdir()) < 1_500_000


def test_the_same_numbers_give_the_same_bytes(quick: Path, tmp_path: Path) -> None:
    draw(tmp_path, "--only", "layers", "--only", "linear-classifier")

    for path in tmp_path.glob("*.svg"):
        assert path.read_bytes() == (quick / path.name).read_bytes()
    assert len(list(tmp_path.glob("*.svg"))) == 2


def test_the_hinge_asks_fewer_points_for_about_the_same_line(numbers: Numbers) -> None:
    pulls = column(numbers["linear-classifier"], "points that pull")
    right = column(numbers["linear-classifier"], "right, %")

    assert pulls["hinge"] < pulls["cross-entropy"] / 2
    assert min(right.values()) > 90


def test_l2_alone_shrinks_every_weight_by_its_share(numbers: Numbers) -> None:
    rows = numbers["forgetting"]

    assert set(column(rows, "length without L2").values()) == {10}
    assert column(rows, "length with L2")["100"] == pytest.approx(10 * (1 - 0.1 * 0.1) ** 100, abs=5e-4)
    assert column(rows, "length with L2")["600"] > 5 * 10 * 0.99**600


def test_the_slopes_of_the_activations_are_those_of_calculus(numbers: Numbers) -> None:
    slope = column(numbers["activations"], "derivative at 5")

    # σ(5) (1 - σ(5)), 1 - tanh(5)²
    assert slope["`sigmoid`"] == pytest.approx(0.0066481, abs=5e-5)
    assert slope["`tanh`"] == pytest.approx(0.0001816, abs=5e-5)
    assert slope["`relu`"] == slope["`maxout`"] == 1


def test_a_gradient_fades_in_eight_sigmoid_layers_alone(numbers: Numbers) -> None:
    ratio = column(numbers["vanishing"], "output over first")

    assert ratio["sigmoid"] > 1000
    assert 0.1 < ratio["relu"] < 10
    assert 0.1 < ratio["tanh"] < 10


def test_large_weights_saturate_sigmoids_and_stop_them(numbers: Numbers) -> None:
    saturated = column(numbers["large-weights"], "saturated at first, %")
    moved = column(numbers["large-weights"], "weights changed by, %")

    assert list(saturated.values()) == sorted(saturated.values())
    assert saturated["1"] < 10
    assert saturated["30"] > 50
    assert moved["30"] < moved["1"] / 10


def test_positive_inputs_move_all_weights_of_a_neuron_alike(numbers: Numbers) -> None:
    alike = column(numbers["zig-zag"], "steps in which both move alike, %")

    assert alike["from 0 … 1, batches of 1"] == 100
    assert alike["from 0 … 1, batches of 32"] < 70
    assert alike["from −½ … ½, batches of 1"] < 70


def test_relu_is_ahead_of_tanh_at_a_small_rate_but_not_six_times(numbers: Numbers) -> None:
    rows = {row["activation"]: row for row in numbers["relu-tanh"]}
    best = {name: row["epochs at the best rate"] for name, row in rows.items()}

    assert float(best["relu"]) <= float(best["tanh"]) < 6 * float(best["relu"])
    assert best["sigmoid"].startswith("over") or float(best["sigmoid"]) > 2 * float(best["tanh"])


def test_a_high_rate_kills_relu_units(numbers: Numbers) -> None:
    dead = list(column(numbers["dead-units"], "dead in layer 1, %").values())
    accuracy = list(column(numbers["dead-units"], "accuracy, %").values())

    assert dead[0] < 20
    assert dead[-1] > 70
    assert accuracy[-1] < accuracy[0] / 2


def test_the_examples_of_the_notes_count_as_they_do(numbers: Numbers) -> None:
    assert [(row["neurons"], row["parameters"]) for row in numbers["layers"]] == [("6", "26"), ("9", "41")]


def test_a_wider_layer_approximates_better(numbers: Numbers) -> None:
    for activation in ("tanh", "relu"):
        error = column(numbers["approximation"], f"error, {activation}")
        assert error["32"] < error["2"] / 2


def test_two_hidden_layers_know_more_digits_than_none(numbers: Numbers) -> None:
    right = column(numbers["depth"], "right of held out, %")

    assert right["2"] > right["0"]


def test_twenty_units_fit_better_than_three(numbers: Numbers) -> None:
    right = column(numbers["hidden-units"], "right of the 100 points, %")

    assert right["20"] > right["3"]


def test_small_networks_end_with_losses_farther_apart(numbers: Numbers) -> None:
    spread = column(numbers["final-losses"], "standard deviation")

    assert spread["3"] > 3 * spread["20"]


def test_stronger_l2_leaves_smaller_weights(numbers: Numbers) -> None:
    lengths = list(column(numbers["regularization"], "length of the weights").values())

    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 2 * lengths[-1]


def test_dropout_and_l2_learn_fewer_wrong_labels_by_heart(numbers: Numbers) -> None:
    learnt = column(numbers["dropout"], "training rows, %, wrong labels")

    assert learnt["neither"] > learnt["dropout 0.5"]
    assert learnt["neither"] > learnt["l2 = 0.01"]
