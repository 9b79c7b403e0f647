"""The order of the rows in each epoch, which depends only on the plan's seed and the epoch."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from layerwise.data.mapped_files import FileTable, RowTable
from layerwise.data.splits import RowNumbers, Runs
from layerwise.randomness import ORDER, stream


class RowOrder(ABC):
    """The order of the rows in each epoch; without a seed, always that of the table."""

    epoch = -1
    """The epoch of the current order."""

    @abstractmethod
    def arrange(self, epoch: int) -> None:
        """Compute the order of `epoch`."""

    @abstractmethod
    def rows(self, start: int, stop: int) -> NDArray[np.intp]:
        """Return the numbers of the rows at positions `start` to `stop` - 1; the next call may overwrite them."""


class FullShuffle(RowOrder):
    """A uniformly random order of all rows."""

    def __init__(self, rows: RowNumbers, seed: int | None) -> None:
        self._given, self._seed = np.asarray(rows), seed
        self._rows: NDArray[np.intp] = self._given.copy()

    def arrange(self, epoch: int) -> None:
        """Shuffle all rows."""
        np.copyto(self._rows, self._given)
        if self._seed is not None:
            stream(self._seed, ORDER, epoch).shuffle(self._rows)
        self.epoch = epoch

    def rows(self, start: int, stop: int) -> NDArray[np.intp]:
        """Return a view of the rows in their order."""
        return self._rows[start:stop]


class WindowShuffle(RowOrder):
    """Shuffles the runs of a file, then the rows within each window of `window` consecutive runs.

    A batch then has rows from many parts of the file, each run is read once per epoch, and only the row numbers of one
    window are in memory. Rows of one run always stay within one window of each other, so shuffle a sorted file once
    before training.
    """

    def __init__(self, runs: Runs, seed: int | None, *, window: int, batch: int) -> None:
        self._runs, self._seed, self._window = runs, seed, window
        self._order: NDArray[np.intp] = np.arange(len(runs.lengths), dtype=np.intp)
        self._ends: NDArray[np.intp] = np.empty(0, np.intp)
        self._arranged = -1
        self._inside: NDArray[np.intp] = np.empty(0, np.intp)
        self._out: NDArray[np.intp] = np.empty(batch, np.intp)

    def arrange(self, epoch: int) -> None:
        """Shuffle the runs; windows are shuffled when they are reached."""
        self._order = np.arange(len(self._runs.lengths), dtype=np.intp)
        if self._seed is not None:
            stream(self._seed, ORDER, epoch).shuffle(self._order)
        ends = np.cumsum(self._runs.lengths[self._order])
        self._ends = np.append(ends[self._window - 1 : -1 : self._window], ends[-1])
        self._arranged, self.epoch = -1, epoch

    def rows(self, start: int, stop: int) -> NDArray[np.intp]:
        """Return the rows in a buffer that the next call overwrites."""
        out = self._out[: stop - start]
        done = 0
        while done < len(out):  # a batch may span several windows
            window = int(np.searchsorted(self._ends, start + done, side="right"))
            if window != self._arranged:
                self._arrange_window(window)
            inside = start + done - int(self._ends[window] - len(self._inside))
            part = self._inside[inside : inside + len(out) - done]
            out[done : done + len(part)] = part
            done += len(part)
        return out

    def _arrange_window(self, window: int) -> None:
        runs = self._order[window * self._window : (window + 1) * self._window]
        self._inside = np.concatenate([self._runs.run(int(i)) for i in runs])
        if self._seed is not None:
            stream(self._seed, ORDER, self.epoch, window).shuffle(self._inside)
        self._arranged = window


def row_order(table: RowTable, rows: RowNumbers, *, seed: int | None, batch: int) -> RowOrder:
    """Return the order of the `rows` of `table`, for batches of up to `batch` rows."""
    if isinstance(table, FileTable) and isinstance(rows, Runs):
        return WindowShuffle(rows, seed, window=table.window, batch=batch)
    return FullShuffle(rows, seed)
