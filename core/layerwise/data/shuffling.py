"""The order in which an epoch visits its rows: it follows from the plan's seed and the epoch alone."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from layerwise.data.mapped_files import FileTable, RowTable
from layerwise.data.splits import RowNumbers, Runs
from layerwise.randomness import ORDER, stream


class RowOrder(ABC):
    """The rows of one epoch after the other. `seed` None visits them as they stand."""

    epoch = -1
    """The epoch that was arranged last."""

    @abstractmethod
    def arrange(self, epoch: int) -> None:
        """Puts the rows in the order of `epoch`."""

    @abstractmethod
    def rows(self, start: int, stop: int) -> NDArray[np.intp]:
        """The numbers of the rows visited as `start` … `stop` - 1; another call may write over them."""


class FullShuffle(RowOrder):
    """Every order of all rows is as likely as any other."""

    def __init__(self, rows: RowNumbers, seed: int | None) -> None:
        self._given, self._seed = np.asarray(rows), seed
        self._rows: NDArray[np.intp] = self._given.copy()

    def arrange(self, epoch: int) -> None:
        """Shuffles all rows."""
        np.copyto(self._rows, self._given)
        if self._seed is not None:
            stream(self._seed, ORDER, epoch).shuffle(self._rows)
        self.epoch = epoch

    def rows(self, start: int, stop: int) -> NDArray[np.intp]:
        """A view of the rows in their order."""
        return self._rows[start:stop]


class WindowShuffle(RowOrder):
    """Shuffles the runs of a file, then the rows within each window of `window` runs in that order.

    So a batch has rows from all over the file, while all that is read is a run, once an epoch, and all that is kept
    are the numbers of one window's rows. Rows of one run come within one window of each other in every epoch: a file
    that is sorted is better shuffled once before.
    """

    def __init__(self, runs: Runs, seed: int | None, *, window: int, batch: int) -> None:
        self._runs, self._seed, self._window = runs, seed, window
        self._order: NDArray[np.intp] = np.arange(len(runs.lengths), dtype=np.intp)
        self._ends: NDArray[np.intp] = np.empty(0, np.intp)
        self._arranged = -1
        self._inside: NDArray[np.intp] = np.empty(0, np.intp)
        self._out: NDArray[np.intp] = np.empty(batch, np.intp)

    def arrange(self, epoch: int) -> None:
        """Shuffles the runs; windows are shuffled as they are reached."""
        self._order = np.arange(len(self._runs.lengths), dtype=np.intp)
        if self._seed is not None:
            stream(self._seed, ORDER, epoch).shuffle(self._order)
        ends = np.cumsum(self._runs.lengths[self._order])
        self._ends = np.append(ends[self._window - 1 : -1 : self._window], ends[-1])
        self._arranged, self.epoch = -1, epoch

    def rows(self, start: int, stop: int) -> NDArray[np.intp]:
        """The rows, in a buffer that the next call writes over."""
        out = self._out[: stop - start]
        done = 0
        while done < len(out):  # a batch may lie in several windows
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
    """The order of the `rows` of `table`, asked for in batches of up to `batch` rows."""
    if isinstance(table, FileTable) and isinstance(rows, Runs):
        return WindowShuffle(rows, seed, window=table.window, batch=batch)
    return FullShuffle(rows, seed)
