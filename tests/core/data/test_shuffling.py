"""The order of rows: each once an epoch, by seed and epoch alone, and near each other in a file."""

import numpy as np
import pytest

from layerwise import MLP, Architecture, Layer, Plan, TrainingState, fit
from layerwise.data import mapped_files
from layerwise.data.mapped_files import FileTable, open_table, pages_of
from layerwise.data.shuffling import FullShuffle, WindowShuffle, row_order
from layerwise.data.splits import Runs, all_rows
from layerwise.randomness import ORDER, stream

ROWS = 1000


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A table of rows that hold their own number, in a file read in blocks of 16 rows, 4 to a window."""
    monkeypatch.setattr(mapped_files, "LARGE", 1)
    monkeypatch.setattr(mapped_files, "BLOCK", 256)
    monkeypatch.setattr(mapped_files, "WINDOW", 1024)
    np.save(tmp_path / "X.npy", np.arange(ROWS, dtype=np.float32)[:, None] + np.zeros(4, np.float32))
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def visited(order, epoch, batch, start=0):
    order.arrange(epoch)
    return np.concatenate([order.rows(at, min(at + batch, ROWS)).copy() for at in range(start, ROWS, batch)])


def test_a_table_in_memory_is_shuffled_as_a_whole():
    order = row_order(np.zeros((ROWS, 4)), np.arange(ROWS), seed=7, batch=32)
    expected = np.arange(ROWS)
    stream(7, ORDER, 3).shuffle(expected)

    assert isinstance(order, FullShuffle)
    assert visited(order, 3, 32).tolist() == expected.tolist()
    in_order = row_order(np.zeros((ROWS, 4)), np.arange(ROWS), seed=None, batch=32)
    assert visited(in_order, 3, 32).tolist() == list(range(ROWS))


def test_a_file_is_shuffled_in_windows_of_blocks_from_all_over_it(file):
    table = open_table(file)
    order = row_order(table, all_rows(table), seed=7, batch=50)

    rows = visited(order, 0, 50)

    assert isinstance(order, WindowShuffle)
    assert sorted(rows) == list(range(ROWS))
    first = rows[:64]
    assert len(np.unique(first // 16)) <= 5  # 4 blocks, unless the short last one is among them
    assert np.ptp(first) > 64  # which do not follow one another
    assert (np.diff(first) == 1).sum() < 20  # and are mixed: 60 otherwise


def test_the_order_follows_from_seed_and_epoch_alone_wherever_it_begins(file):
    table = open_table(file)
    runs = all_rows(table)
    rows = visited(row_order(table, runs, seed=7, batch=50), 2, 50)

    later = row_order(table, runs, seed=7, batch=50)
    visited(later, 1, 50)

    assert visited(later, 2, 50).tolist() == rows.tolist()
    assert visited(row_order(table, runs, seed=7, batch=50), 2, 50, start=600).tolist() == rows[600:].tolist()
    assert visited(row_order(table, runs, seed=7, batch=300), 2, 300).tolist() == rows.tolist()
    assert visited(later, 3, 50).tolist() != rows.tolist()
    assert visited(row_order(table, runs, seed=8, batch=50), 2, 50).tolist() != rows.tolist()
    assert visited(row_order(table, runs, seed=None, batch=50), 2, 50).tolist() == list(range(ROWS))


@pytest.mark.parametrize("runs", [1, 3, 4, 5, 8])
def test_windows_cover_any_number_of_runs(runs):
    starts = np.arange(runs) * 10
    order = WindowShuffle(Runs(starts, starts + 10), 0, window=4, batch=7)
    order.arrange(0)

    rows = [row for at in range(0, 10 * runs, 7) for row in order.rows(at, min(at + 7, 10 * runs))]

    assert sorted(rows) == list(range(10 * runs))


def test_any_rows_may_be_asked_of_a_file_through_its_cache(file):
    table = FileTable(file, pages_of(file))
    rng = np.random.default_rng(0)

    for count in (1, 5, 300, 2000):
        rows = rng.integers(0, ROWS, count)
        assert table[rows][:, 2].tolist() == rows.tolist()


def test_a_file_is_read_once_an_epoch(file):
    read = []

    class Watched:
        def prefetch(self, rows):
            read.append(rows.start)

        def release(self, rows):
            pass

    table = FileTable(file, Watched())
    order = row_order(table, all_rows(table), seed=0, batch=50)
    out = np.empty((50, 4), np.float32)

    order.arrange(0)
    for at in range(0, ROWS, 50):
        table.take(order.rows(at, at + 50), out)

    assert sorted(read) == list(range(0, ROWS, 16))


@pytest.mark.parametrize(
    ("view", "by_block"),
    [
        (lambda X: X, True),
        (np.asarray, True),
        (lambda X: X[10:900], True),
        (lambda X: X[:, 1:3], True),
        (lambda X: X[::2], True),
        (lambda X: X[::-1], False),
        (lambda X: X[:, ::-1], False),
        (lambda X: X.T, False),
        (lambda X: np.broadcast_to(X[0], (500, 4)), False),
        (np.array, False),
    ],
)
def test_views_of_a_file_are_read_block_by_block_if_their_rows_follow_one_another(file, view, by_block):
    X = view(file)

    table = open_table(X)

    assert isinstance(table, FileTable) == by_block
    rows = np.random.default_rng(0).permutation(len(X))
    assert np.array_equal(table[rows], np.array(X)[rows])


def test_what_was_written_to_a_file_is_read_and_stays(file, tmp_path):
    shared, private = (np.load(tmp_path / "X.npy", mmap_mode=mode) for mode in ("r+", "c"))

    shared[3] = -1
    private[3] = -2
    of_shared, of_private = open_table(shared), open_table(private)

    assert of_shared[np.array([3])].tolist() == [[-1] * 4]
    assert of_private is private
    assert shared[3, 0] == -1
    assert private[3, 0] == -2
    assert file[3, 0] == -1


def architecture():
    return Architecture(4, (Layer(6, "relu", dropout=0.2), Layer(2)))


def test_training_on_a_file_goes_on_in_the_middle_of_an_epoch_with_the_same_bits(file):
    X = file / np.float32(ROWS)
    scaled = np.lib.format.open_memmap(str(file.filename) + "2", "w+", np.float32, X.shape)
    scaled[:] = X
    y = (np.arange(ROWS) % 7 < 3).astype(int)
    plan = Plan(epochs=2, batch_size=48, validation=0.2)
    whole = MLP(architecture())
    records = list(fit(whole, scaled, y, plan=plan, every="step"))

    for stop in (1, 7, len(records) // 2 + 3):
        left, again = MLP(architecture()), MLP(architecture(), seed=5)
        run = fit(left, scaled, y, plan=plan, every="step")
        while next(run).step < stop:
            pass
        state = TrainingState.from_arrays(run.state.to_arrays())
        rest = list(fit(again, scaled, y, plan=plan, every="step", state=state))

        assert again.parameters.tobytes() == whole.parameters.tobytes()
        assert rest[-1] == records[-1]


def test_in_order_a_file_trains_as_an_array_does_to_the_same_bits(file):
    y = np.arange(ROWS) % 2
    by_array, by_file = MLP(architecture()), MLP(architecture())
    plan = Plan(epochs=2, batch_size=48, shuffle=False, validation=0.1, split="temporal")

    expected = list(fit(by_array, np.array(file) / np.float32(1), y, plan=plan))
    found = list(fit(by_file, file, y, plan=plan))

    assert by_file.parameters.tobytes() == by_array.parameters.tobytes()
    assert found == expected
