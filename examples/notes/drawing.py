"""What every figure is: a picture in one style for all of them, and a table of the numbers in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE, BLACK, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#222222", "#8a8a8a"
"""After Okabe and Ito: told apart with any kind of colour vision."""

STYLE = {
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlelocation": "left",
    "figure.titlesize": 13,
    "figure.facecolor": "white",
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "svg.fonttype": "none",  # letters stay letters: small files, and a text that can be searched
    "svg.hashsalt": "layerwise",  # names of the parts that do not change from run to run
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A `figure`, and its numbers as they are printed: `rows` of as many cells as there are `columns`."""

    figure: Figure
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def save(self, path: Path) -> None:
        """Writes the picture as SVG: the same bytes whenever the same is drawn."""
        self.figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})

    def numbers(self) -> list[dict[str, str]]:
        """The rows, each a dictionary by column."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def panels(count: int, title: str, *, rows: int = 1, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """A figure 10 inches wide under the finding that it shows, with `count` panels in `rows` rows of a `height`."""
    mpl.rcParams.update(STYLE)  # type: ignore[arg-type]  # its stubs name every key
    figure = Figure(figsize=(10, height * rows), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure, list(figure.subplots(rows, count // rows, squeeze=False).flat)
