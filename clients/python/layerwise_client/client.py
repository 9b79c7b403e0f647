"""The client of a Layerwise service: train and predict, list jobs and models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from os import PathLike
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from layerwise_client._data.arguments import labels_of, seconds, text
from layerwise_client._data.header import open_header
from layerwise_client._data.rows_to_train import Rows
from layerwise_client._transport.aliases import moved
from layerwise_client._transport.connection import Connection
from layerwise_client._transport.errors import hinting_at_version
from layerwise_client._transport.evaluate import evaluated
from layerwise_client._transport.http import HttpTransport
from layerwise_client._transport.messages import snapshot_of, summary_of, timestamp_of
from layerwise_client._transport.model_files import downloaded, imported, loaded
from layerwise_client._transport.pages import datasets_of, jobs_of, models_of
from layerwise_client._transport.predict import Predicting, of_newest
from layerwise_client._transport.predict_file import (
    array_rows,
    open_array,
    open_request,
    predicted_array,
    predicted_rows,
    shown_rows,
)
from layerwise_client._transport.rpc import GrpcTransport
from layerwise_client._transport.train import start
from layerwise_client._transport.upload_dataset import uploaded
from layerwise_client._transport.wrong_port import check_target
from layerwise_client.dataset import Dataset, dataset_of
from layerwise_client.errors import InvalidRequest
from layerwise_client.job import Job
from layerwise_client.models import Model, model_of, version_text
from layerwise_client.prediction import joined_rows
from layerwise_client.progress import Progress, display_of
from layerwise_client.results import STATES
from layerwise_client.version import Version, version_of
from layerwise_proto.v1 import datasets_pb2, models_pb2, training_pb2

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import ArrayLike
    from pandas import DataFrame, Series

    from layerwise import MLP
    from layerwise_client._data.targets import Label
    from layerwise_client.evaluation import VersionEvaluation
    from layerwise_client.prediction import PredictedRows, Prediction
    from layerwise_client.transport import Signature, Transport
    from layerwise_proto.json_form import HasJSONForm

    class ArrowTable(Protocol):
        """A table of Polars, pyarrow, DuckDB or another library."""

        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

    TableLike = DataFrame | ArrowTable | Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Client:
    """Client of one service.

    The client connects at its first call. Many threads may use it at once. A process that is forked after the first
    call may predict over `rest`; calls over gRPC raise `RuntimeError` there.

    Parameters
    ----------
    target : str
        Address of the training API, "host:port".
    rest : str, optional
        Address of the prediction endpoint, "http://host:port". Without it, predictions go over gRPC to `target`.
    timeout : float
        Seconds that a call may take. Watching a job has no limit.
    on_waiting : callable, optional
        Called with the address, once a call, when the service does not answer and the client tries again.
    transport : Transport, optional
        Carries predictions instead of `rest` and gRPC, such as a stand-in for the service in a test.

    Raises
    ------
    InvalidRequest
        If an argument is wrong.

    Examples
    --------
    >>> client = Client(address)  # such as "127.0.0.1:50051"
    >>> "iris" in [model.name for model in client.models()]
    True
    >>> client.close()
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        *,
        rest: str | None = None,
        timeout: float = 30.0,
        on_waiting: Callable[[str], None] | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._load_library()
        timeout = seconds(timeout, "timeout")
        if rest and transport is not None:
            raise InvalidRequest("transport: expected either rest or transport, got both", pointer="transport")
        if rest:
            transport = HttpTransport(text(rest, "rest"), timeout=timeout, on_waiting=on_waiting)
        check_target(text(target, "target"))
        self._connection = Connection(target, timeout=timeout, on_waiting=on_waiting)
        self._transport = GrpcTransport(self._connection) if transport is None else transport
        self._predicting = Predicting(self._transport)

    @staticmethod
    def _load_library() -> None:
        # Whole and here. Threads that first import different parts of it at the same time would see modules that are
        # not complete, and a process that is forked meanwhile would wait for ever.
        import_module("layerwise")

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. Jobs go on in the service."""
        self._connection.close()
        self._transport.close()

    def train(
        self,
        model: str,
        architecture: Mapping[str, Any] | HasJSONForm,
        X: TableLike | ArrayLike | Dataset | str | PathLike[str],
        y: ArrayLike | Series | str,
        *,
        columns: Mapping[str, Any] | None = None,
        ignore: Iterable[str] = (),
        encoder: Mapping[str, Any] | HasJSONForm | None = None,
        plan: Mapping[str, Any] | HasJSONForm | None = None,
        weights: ArrayLike | Series | str | None = None,
        classes: Iterable[Label] | None = None,
        task: str | None = None,
        validation: TableLike | tuple[Any, ...] | Dataset | str | PathLike[str] | float | None = None,
        start_from: str | None = None,
        progress: bool | Progress = True,
        request_id: str | None = None,
        labels: Mapping[str, str] = MappingProxyType({}),
        note: str = "",
        priority: int = 0,
    ) -> Job:
        """Train a network in the service; the result becomes a new version of `model`.

        Rows are sent in blocks of 1 or 2 MB. A table or a file becomes a dataset of the service, which reads its cells;
        arrays of numbers are sent with the job alone, and so are tables with several targets, with `classes`, or with
        labels that a dataset would change, such as whole numbers beyond 2^53.

        Parameters
        ----------
        model : str
            Name of the model.
        architecture : mapping or Architecture
            The network in JSON form, or as an object of the library. {} is the network of the version in `start_from`.
        X : array-like, sparse matrix, table, Dataset or path
            Rows of numbers (n, features), sent as float32. Or a table: a DataFrame, a mapping of column names to
            values, a list of mappings, a structured array, or a table of Arrow. Its columns hold numbers, texts,
            booleans, dates or times of day; None, NaN, NaT and NA are missing values. Or a dataset of the service, or
            the path of a file for `upload_dataset`.
        y : array-like or str
            Labels, (n,) whole numbers, texts or booleans, or targets, (n,) or (n, outputs) numbers. Or the name of the
            column of X that holds them. The loss or `task` says which they are. Rows without one are left out.
        columns : mapping, optional
            Encodings of columns by name: {"carrier": "one_hot", "distance": {"kind": "log"}}. Otherwise the service
            chooses them by the values. Of a table or a file, also kinds of columns, as `upload_dataset` takes them.
        ignore : iterable of str
            Columns to leave out.
        encoder : mapping or TableEncoder, optional
            All settings of the encoding in JSON form, or as an object; `columns` and `ignore` are added.
        plan : mapping or Plan, optional
            How to train, in JSON form or as an object.
        weights : array-like or str, optional
            Weights (n,) of the rows in the loss, at least 0; of a table, dataset or file also the name of their column.
        classes : iterable, optional
            All labels that are allowed.
        task : str, optional
            "classification" or "regression". By default the loss of the plan decides; without one, texts, booleans and
            at most 20 different whole numbers are classes, other numbers and several columns a regression.
        validation : tuple, table, str, path, Dataset or float, optional
            The rows to hold out: a share of them, as `validation` of the plan, which decides by default; or rows of
            your own: (x, y) or (x, y, weights), in memory as X, y and weights are; a table that has the column y; the
            name of a column of X that marks them by true or 1; or, unless X is an array, a file or a dataset with the
            same columns.
        start_from : str, optional
            Version whose weights the network starts with: "model" or "model/version", by number or alias.
        progress : bool or Progress
            True follows the job to its end, with a progress bar on a terminal or in a notebook. A `Progress` is used
            instead of the bar. False returns as soon as the service has stored the data.
        request_id : str, optional
            A call with the same id and content returns the same job. By default each call starts a new job.
        labels : mapping of str to str
            Labels of the job, by which `jobs` can list it.
        note : str
            A note about the job, for people.
        priority : int
            From -10 to 10. Of the jobs that wait, one overtakes 100 that were submitted before it for each point.

        Returns
        -------
        Job
            The job; it has ended unless `progress` is False.

        Raises
        ------
        InvalidRequest
            If an argument is wrong, with row and column where there is one; nothing is trained.
        JobFailed, JobCancelled
            If the job ended that way while it was followed.
        Unavailable, DeadlineExceeded, ResourceExhausted
            If the service does not answer, or cannot take the data.

        Examples
        --------
        >>> X, y = datasets.load("iris")
        >>> network = {"layers": [{"units": 8, "activation": "relu"}, {}]}
        >>> job = client.train("species", network, X, y, plan={"epochs": 20}, progress=False)
        >>> job.wait().version
        1
        """
        display = display_of(progress)
        header = open_header(
            model,
            architecture,
            plan=plan,
            classes=classes,
            start_from=start_from,
            request_id=request_id,
            labels=labels,
            note=note,
            priority=priority,
        )
        rows = Rows(X, y, columns, ignore, encoder, weights, task, validation)
        try:
            job = Job(self._connection, snapshot_of(start(self._connection, header, rows, display)))
            if progress is False:
                return job
            display.accepted(job.snapshot)
            job.follow(display)
        finally:
            display.closed()
        return job.wait()

    def predict(
        self,
        model: str | None,
        X: TableLike | ArrayLike | Dataset | str | PathLike[str],
        *,
        version: int | str | None = None,
        explain: bool = False,
    ) -> Prediction:
        """Predict the rows of X.

        Many rows are sent in several requests, all to the same version. A file is sent as it is; the service reads it.

        Parameters
        ----------
        model : str or None
            Name of the model; None if the service has exactly one.
        X : array-like, sparse matrix, table, Dataset or path
            Rows in a form that `train` takes. The columns of a table may have any order. A model that was trained on a
            table also takes rows without names, in the order of its columns. `predict_file` says how a file is read.
        version : int or str, optional
            Number or alias; by default the newest version.
        explain : bool
            Whether the prediction shall have `contributions`: what each column contributes to the prediction of each
            row. That takes hundreds of times as long; versions with several values or flags a row refuse it.

        Returns
        -------
        Prediction
            The predictions, one for each row, and the version that made them.

        Raises
        ------
        InvalidRequest
            If the version does not take such rows, with row and column where there is one.
        NotFound
            If there is no such model or version.
        Unavailable, DeadlineExceeded
            If the service does not answer in time.

        Examples
        --------
        >>> answer = client.predict("iris", X[:2])
        >>> answer.labels.tolist()
        ['setosa', 'setosa']
        >>> answer.probabilities.shape
        (2, 3)
        """
        if isinstance(X, Dataset | str | PathLike):
            return joined_rows(self.predict_file(model, X, version=version, explain=explain))
        name = "" if model is None else text(model, "model")
        which = version_text(version)
        with hinting_at_version(name, which):
            answer = self._predicting.predict(name, which, X, explain=explain)
        if which:
            return answer
        ask = partial(self._predicting.predict, X=X, explain=explain)
        return of_newest(self._connection.published, answer, ask)

    def evaluate(
        self,
        versions: str | Iterable[str],
        data: str | PathLike[str] | Dataset | TableLike | ArrayLike,
        y: str | ArrayLike | Series | None = None,
    ) -> tuple[VersionEvaluation, ...]:
        """Evaluate versions on rows whose true values are known, the same rows for all.

        Of more than 100,000 rows, so many chosen at random are evaluated. Rows without a true value, and with a label
        that one of the versions does not know, are left out, and counted. For each of these rows and each version, 5 ms
        are added to the client's timeout.

        Parameters
        ----------
        versions : str or iterable of str
            "model" or "model/version", by number or alias; at most 10. The others are compared with the first.
        data : path, Dataset, table or array-like
            A table file, which is read as in the training of the first version; a dataset of the service; or rows in
            memory, in a form that `train` takes.
        y : str or array-like, optional
            Name of the column with the true values, or the values. By default the column that the first version was
            trained to predict, if it was trained on a dataset: a file, or a table with one target.

        Returns
        -------
        tuple of VersionEvaluation
            The evaluation of each version, in their order.

        Raises
        ------
        InvalidRequest
            If a version does not take such rows, with row and column where there is one.
        NotFound
            If there is no such model, version or dataset.
        Unavailable, DeadlineExceeded
            If the service does not answer in time.

        Examples
        --------
        >>> found, = client.evaluate("iris", X, y)
        >>> found.evaluation.rows
        150
        """
        return evaluated(self._connection, versions, data, y)

    def upload_dataset(
        self,
        data: str | PathLike[str] | TableLike,
        *,
        name: str | None = None,
        columns: Mapping[str, Any] | None = None,
        gaps: Iterable[str] = (),
        read_as: str | None = None,
        transient: bool = False,
        progress: bool | Progress = True,
    ) -> Dataset:
        """Send a table file as it is, or a table in memory; the service reads it once.

        A file is CSV or another text with delimiters, JSON Lines or Parquet, also compressed by gzip. If the connection
        breaks, the upload of a file goes on where it was; a table is sent again from its start.

        Parameters
        ----------
        data : str, path or table
            The file, or a table as `train` takes it, whose columns are sent with their types.
        name : str, optional
            Name of the dataset; by default that of the file. A table has none.
        columns : mapping, optional
            How the cells of columns are spelled, by name: {"code": "category", "price": {"kind": "number", "decimal":
            ","}}. Other columns are read as their types say, or as their texts show.
        gaps : iterable of str
            Words that mean that a cell has no value, in every column, besides NA, null, None and the like.
        read_as : str, optional
            Version whose columns are read as in its training: "model" or "model/version", by number or alias.
        transient : bool
            Whether the dataset is used once: it is not listed, and is removed after a day.
        progress : bool or Progress
            True shows a progress bar on a terminal or in a notebook. A `Progress` is used instead of the bar.

        Returns
        -------
        Dataset
            The dataset: how each column was read, and what is doubtful. The same content is the same dataset.

        Raises
        ------
        InvalidRequest
            If an argument is wrong, or the file is no table that can be read, saying where.
        NotFound
            If there is no such version in `read_as`.
        Unavailable, DeadlineExceeded, ResourceExhausted
            If the service does not answer, or cannot take the file or table.

        Examples
        --------
        >>> client.upload_dataset("shirts.csv", columns={"colour": "text"}, transient=True).columns[1].kind
        'text'
        """
        display = display_of(progress)
        try:
            return uploaded(
                self._connection,
                data,
                display,
                name=name,
                columns=columns,
                gaps=gaps,
                read_as=read_as,
                transient=transient,
            )
        finally:
            display.closed()

    def dataset(self, dataset_id: str) -> Dataset:
        """Return a dataset.

        Parameters
        ----------
        dataset_id : str
            Id of the dataset.

        Returns
        -------
        Dataset
            The dataset, with its columns.

        Raises
        ------
        NotFound
            If there is no such dataset.
        """
        request = datasets_pb2.GetDatasetRequest(id=text(dataset_id, "dataset_id"))
        return dataset_of(self._connection, self._connection.call(self._connection.datasets.GetDataset, request))

    def datasets(self, *, limit: int | None = None) -> Iterator[Dataset]:
        """Yield the datasets of the service, newest first, fetched as they are read; no transient ones.

        Parameters
        ----------
        limit : int, optional
            Number of datasets to yield at most.

        Yields
        ------
        Dataset
            A dataset, whose columns are fetched when they are first read.
        """
        return (dataset_of(self._connection, each) for each in datasets_of(self._connection, limit))

    def predict_file(
        self,
        model: str | None,
        file: Dataset | str | PathLike[str],
        *,
        version: int | str | None = None,
        keep: Iterable[str] = (),
        target: str | None = None,
        gaps: Iterable[str] = (),
        explain: bool = False,
        progress: bool | Progress = False,
    ) -> Iterator[PredictedRows]:
        """Predict the rows of a file, block by block, in flat memory.

        The file is sent over gRPC, and read by the service as in the training of the version. Columns that the version
        does not take are not used. If the connection breaks, it goes on where it was, with the same version.

        Parameters
        ----------
        model : str or None
            Name of the model; None if the service has exactly one.
        file : Dataset or path
            A file as `upload_dataset` takes it, an array (rows, inputs) that `np.save` wrote, or a dataset of the
            service. A model that takes rows of numbers takes the columns in their order, except `keep` and `target`.
        version : int or str, optional
            Number or alias; by default the newest version.
        keep : iterable of str
            Columns to return with the predictions, such as an id. Those that the version does not take are returned
            as they are in the file, others as they were read: numbers without their unit, times with an offset in UTC.
        target : str, optional
            Column with the true values, to compare with.
        gaps : iterable of str
            Words that mean that a cell has no value, besides those of the training.
        explain : bool
            Whether the predictions shall have `contributions`, as for `predict`.
        progress : bool or Progress
            True shows on a terminal or in a notebook how much of the file is sent and predicted.

        Yields
        ------
        PredictedRows
            Predictions for consecutive rows.

        Raises
        ------
        InvalidRequest
            If the version does not take these rows, with row and column where there is one; rows count from 0.
        NotFound
            If there is no such model or version.
        Unavailable, DeadlineExceeded, ResourceExhausted
            If the service does not answer in time, or cannot take the file.

        Examples
        --------
        >>> blocks = client.predict_file("iris", "flowers.csv", keep=["id"], target="species")
        >>> [(rows.kept["id"], rows.prediction.labels.tolist()) for rows in blocks]
        [(['a1', 'a2'], ['setosa', 'setosa'])]
        """
        signature = self.signature(model, version=version)
        display = display_of(progress)
        try:
            if (path := open_array(file)) is not None:
                if keep or target is not None or gaps:
                    detail = "an array has no columns by name: leave out keep, target and gaps"
                    raise InvalidRequest(f"file: {detail}", pointer="file", detail=detail)
                model, which = signature.model, str(signature.version)
                predict = self._predicting.predict
                blocks = predicted_array(path, lambda rows: predict(model, which, rows, explain=explain))
                return shown_rows(blocks, len(array_rows(path)), display)
            request, rows = open_request(
                self._connection, signature, file, keep=keep, target=target, gaps=gaps, explain=explain, display=display
            )
        except BaseException:
            display.closed()
            raise
        return shown_rows(predicted_rows(self._connection, request), rows, display)

    def signature(self, model: str | None, *, version: int | str | None = None) -> Signature:
        """Return what a version takes.

        Parameters
        ----------
        model : str or None
            Name of the model; None if the service has exactly one.
        version : int or str, optional
            Number or alias; by default the newest version.

        Returns
        -------
        Signature
            The version, and its columns.

        Raises
        ------
        NotFound
            If there is no such model or version.

        Examples
        --------
        >>> dict(client.signature("iris").columns)
        {}
        """
        name = "" if model is None else text(model, "model")
        which = version_text(version)
        with hinting_at_version(name, which):
            found = self._transport.signature(name, which)
        return found if version is not None else of_newest(self._connection.published, found, self._transport.signature)

    def job(self, job_id: str) -> Job:
        """Return a job.

        Parameters
        ----------
        job_id : str
            Id of the job; or the beginning of it, of at least 4 characters, that no other has; or "last", the newest.

        Returns
        -------
        Job
            The job as it is now.

        Raises
        ------
        NotFound
            If there is no such job.
        InvalidRequest
            If several ids begin so.
        """
        request = training_pb2.GetJobRequest(job_id=text(job_id, "job_id"))
        return Job(self._connection, snapshot_of(self._connection.call(self._connection.training.GetJob, request)))

    def jobs(
        self,
        *,
        state: str | None = None,
        model: str | None = None,
        labels: Mapping[str, str] = MappingProxyType({}),
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[Job]:
        """Yield jobs, newest first, fetched from the service as they are read.

        Parameters
        ----------
        state : str, optional
            Only jobs in this state, such as "RUNNING".
        model : str, optional
            Only jobs of this model.
        labels : mapping of str to str
            Only jobs that have all of these labels.
        created_after, created_before : datetime, optional
            Only jobs that were submitted later, or earlier; without a time zone, in the local one.
        limit : int, optional
            Number of jobs to yield at most.

        Yields
        ------
        Job
            A job with its `summary`.

        Raises
        ------
        InvalidRequest
            If there is no such state.
        """
        if state is not None and state not in STATES:
            raise InvalidRequest(f"state: expected one of {', '.join(STATES)}, got {state!r}", pointer="state")
        request = training_pb2.ListJobsRequest(
            model="" if model is None else text(model, "model"),
            state=training_pb2.JobState.Value(f"JOB_STATE_{state or 'UNSPECIFIED'}"),
            labels=labels_of(labels, "labels"),
            created_after=None if created_after is None else timestamp_of(created_after, "created_after"),
            created_before=None if created_before is None else timestamp_of(created_before, "created_before"),
        )
        return (Job(self._connection, summary_of(each)) for each in jobs_of(self._connection, request, limit))

    def models(self) -> list[Model]:
        """Return all models.

        Returns
        -------
        list of Model
            The models, sorted by name.

        Raises
        ------
        Unavailable, DeadlineExceeded
            If the service does not answer in time.
        """
        return [model_of(self._connection, each) for each in models_of(self._connection)]

    def model(self, name: str) -> Model:
        """Return a model.

        Parameters
        ----------
        name : str
            Name of the model.

        Returns
        -------
        Model
            The model. Its versions are fetched when they are first read.

        Raises
        ------
        NotFound
            If there is no such model.
        """
        request = models_pb2.GetModelRequest(name=text(name, "name"))
        with hinting_at_version(request.name, write="model({!r}).at({!r})"):
            return model_of(self._connection, self._connection.call(self._connection.models.GetModel, request))

    def set_alias(self, model: str, alias: str, version: int, *, expected: int | None = None) -> Model:
        """Point an alias at a version. A new alias is created; "latest" always names the newest version.

        `Model.rollback` undoes it.

        Parameters
        ----------
        model, alias : str
            Name of the model, and the alias.
        version : int
            Number of the version.
        expected : int, optional
            Version that the alias must point at now, or 0 if there must be no such alias; by default it is moved in any
            case.

        Returns
        -------
        Model
            The model with its aliases.

        Raises
        ------
        InvalidRequest
            If the alias is not allowed.
        NotFound
            If there is no such model or version.
        Conflict
            If the alias points at another version than `expected`, or the file of the version is damaged.
        """
        return model_of(self._connection, moved(self._connection, model, alias, version, expected))

    def import_model(
        self,
        model: str,
        file: str | PathLike[str] | bytes | MLP,
        *,
        sha256: str | None = None,
        progress: bool | Progress = True,
    ) -> Version:
        """Publish a model file as the next version of a model, without a training.

        The service checks the whole file first. If the connection breaks, the upload goes on where it was.

        Parameters
        ----------
        model : str
            Name of the model, which is created if it is new.
        file : path, bytes or MLP
            A model file (.npz) of the library, of any release up to the service's; its contents; or a model in memory.
        sha256 : str, optional
            SHA-256 that the file must have, in hexadecimal.
        progress : bool or Progress
            True shows a progress bar on a terminal or in a notebook. A `Progress` is used instead of the bar.

        Returns
        -------
        Version
            The new version; the newest one, if it has the same file already.

        Raises
        ------
        InvalidRequest
            If the file is damaged, forged, too large, or of a later release; nothing is published.
        Unavailable, DeadlineExceeded, ResourceExhausted
            If the service does not answer, or cannot take the file.

        Examples
        --------
        >>> from layerwise import MLP, Architecture, Layer
        >>> client.import_model("raw", MLP(Architecture(inputs=4, layers=(Layer(2),)))).version
        1
        """
        display = display_of(progress)
        try:
            message = imported(self._connection, model, file, display, sha256=sha256)
        finally:
            display.closed()
        return version_of(self._connection, message, whole=True)

    def download(self, model: str, path: str | PathLike[str], *, version: int | str | None = None) -> Version:
        """Write the model file of a version, which `layerwise.MLP.load` reads, verified against its hash.

        Parameters
        ----------
        model : str
            Name of the model.
        path : str or path-like
            The file to write, by convention `*.npz`. A file that is there is replaced when the new one is complete.
            A link goes on pointing at its file; a device or a pipe is written, and not replaced.
        version : int or str, optional
            Number or alias; by default the newest version.

        Returns
        -------
        Version
            The version.

        Raises
        ------
        NotFound
            If there is no such model or version.
        ServiceFault
            If the file in the service is lost or damaged.
        OSError
            If the file cannot be written.
        Unavailable, DeadlineExceeded
            If the service does not answer in time.

        Examples
        --------
        >>> client.download("iris", "iris.npz").version
        1
        """
        name, which = text(model, "model"), version_text(version)
        with hinting_at_version(name, which):
            message = downloaded(self._connection, name, which, path)
        return version_of(self._connection, message, whole=False)

    def local_model(self, model: str, *, version: int | str | None = None) -> MLP:
        """Return a version as a model of the library, which predicts in this process, without the service.

        Parameters
        ----------
        model : str
            Name of the model.
        version : int or str, optional
            Number or alias; by default the newest version.

        Returns
        -------
        MLP
            The model. Its answers are those of the service, but for rounding. It does not follow later versions.

        Raises
        ------
        NotFound, ServiceFault, Unavailable, DeadlineExceeded
            As `download`.

        Examples
        --------
        >>> client.local_model("iris").predict(X[:2]).tolist()
        ['setosa', 'setosa']
        """
        name, which = text(model, "model"), version_text(version)
        with hinting_at_version(name, which):
            return loaded(self._connection, name, which)

    def __repr__(self) -> str:
        rest = f", rest={self._transport.address!r}" if isinstance(self._transport, HttpTransport) else ""
        return f"Client({self._connection.target!r}{rest})"
