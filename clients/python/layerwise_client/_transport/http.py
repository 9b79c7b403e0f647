"""Predictions over REST, as JSON on connections that stay open."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import SplitResult, urlencode, urlsplit

from layerwise_client._data.table_rows import TableBlock
from layerwise_client._data.targets import labels_array
from layerwise_client._transport.connection import Deadline, Retries, retrying
from layerwise_client._transport.errors import from_http, unreachable
from layerwise_client._transport.http_pool import Pool
from layerwise_client._transport.predict import check_size
from layerwise_client._transport.wrong_port import target_as_rest
from layerwise_client.errors import DeadlineExceeded, InvalidRequest, LayerwiseError, ServiceFault
from layerwise_client.prediction import Prediction, contributions_of, warnings_of
from layerwise_client.transport import Signature

if TYPE_CHECKING:
    from layerwise import Contributions
    from layerwise_client._data.rows import Block

T = TypeVar("T")

_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
_ANSWER_BYTES = 256 << 20  # as much as 4,096 rows of 2,500 classes


class HttpTransport:
    """The prediction endpoint at one address: `POST /predict` and `GET /predict/signature`."""

    number_bytes = 16  # -1.17549435e-38 and its comma

    def __init__(self, address: str, *, timeout: float, on_waiting: Callable[[str], None] | None = None) -> None:
        parts, port = _split(address)
        self.address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        new = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._pool = Pool(lambda: new(str(parts.hostname), port))
        self._path = f"{parts.path.rstrip('/')}/predict"
        self._timeout = timeout
        self._on_waiting = on_waiting

    def signature(self, model: str, version: str) -> Signature:
        query = urlencode({name: value for name, value in (("model", model), ("version", version)) if value})
        answer = self._answer("GET", f"{self._path}/signature?{query}")
        return self._read(answer, _signature, "signature")

    def predict(self, model: str, version: str, rows: Block | TableBlock, *, explain: bool = False) -> Prediction:
        body = _request_body(model, version, rows, explain=explain)
        check_size(len(body), len(rows))
        answer = self._answer("POST", self._path, body)
        return self._read(answer, _prediction, "prediction")

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _read(self, answer: bytes, of_json: Callable[[Any], T], what: str) -> T:
        try:
            return of_json(json.loads(answer))
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as exc:
            raise ServiceFault(f"{self.address} gave an answer that is not a {what}") from exc

    def _answer(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Return the body of the answer. The request is tried again while the service does not answer."""
        deadline = Deadline(self._timeout)
        retries = Retries(self.address, patience=self._timeout, on_waiting=self._on_waiting)
        return retrying(lambda: self._try_once(method, path, body, deadline), retries, deadline)

    def _try_once(self, method: str, path: str, body: bytes | None, deadline: Deadline) -> bytes:
        try:
            with self._pool.connection() as connection:
                status, answer = self._exchange(connection, method, path, body, deadline)
        except (http.client.HTTPException, OSError) as exc:
            raise self._error(exc) from exc
        if status != 200:
            raise from_http(status, answer, self.address)
        return answer

    def _error(self, exc: http.client.HTTPException | OSError) -> LayerwiseError:
        if isinstance(exc, TimeoutError):
            return DeadlineExceeded(f"{self.address} did not answer within {self._timeout:g} s")
        if isinstance(exc, ssl.SSLCertVerificationError):
            return InvalidRequest(f"{self.address}: {exc.verify_message}", pointer="rest")
        if isinstance(exc, ssl.SSLError) and exc.reason == "WRONG_VERSION_NUMBER":
            return InvalidRequest(f"{self.address} does not speak TLS; expected an http:// address", pointer="rest")
        if isinstance(exc, http.client.BadStatusLine) and not isinstance(exc, http.client.RemoteDisconnected):
            return target_as_rest(self.address, str(exc.args[0])) or unreachable(self.address, "its answer is not HTTP")
        return unreachable(self.address, str(getattr(exc, "strerror", "") or exc))

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, deadline: Deadline
    ) -> tuple[int, bytes]:
        connection.timeout = deadline.left() or 0.001
        if connection.sock is not None:
            connection.sock.settimeout(connection.timeout)
        connection.request(method, path, body, _HEADERS)
        sock = cast("socket.socket", connection.sock)  # a response that closes the connection removes it from there
        answer = bytearray()
        with connection.getresponse() as response:
            while part := response.read1(1 << 20):
                answer += part
                if len(answer) > _ANSWER_BYTES:
                    raise http.client.HTTPException(f"an answer of more than {_ANSWER_BYTES >> 20} MiB")
                if sock.fileno() >= 0:
                    sock.settimeout(deadline.left() or 0.001)
            return response.status, bytes(answer)


def _split(address: str) -> tuple[SplitResult, int | None]:
    """Return the parts of an address, and its port. Raises `InvalidRequest`, which never shows a password."""
    shown = f"…@{address.rpartition('@')[2]}" if "@" in address else address
    wanted = "an address such as http://127.0.0.1:8000"
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
    except ValueError:  # half an IPv6 address
        parts = SplitResult("", "", "", "", "")
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in address:
        raise InvalidRequest(f"rest: expected {wanted}, got {shown!r}", pointer="rest")
    for what, found in (("user and password", "@" in parts.netloc), ("a query", parts.query or parts.fragment)):
        if found:
            raise InvalidRequest(f"rest: expected {wanted}, without {what}, got {shown!r}", pointer="rest")
    try:
        return parts, parts.port
    except ValueError as exc:
        raise InvalidRequest(f"rest: expected a port of 1 to 65535, got {shown!r}", pointer="rest") from exc


def _request_body(model: str, version: str, block: Block | TableBlock, *, explain: bool) -> bytes:
    """Return the body of a request to predict `block`."""
    if isinstance(block, TableBlock):
        instances = json.dumps(block.instances(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    else:
        instances = f"[{_numbers(block)}]"
    names = {name: value for name, value in (("model", model), ("version", version)) if value}
    head = "".join(f"{json.dumps(name)}:{json.dumps(value)}," for name, value in names.items())
    head += '"explain":true,' if explain else ""
    return f'{{{head}"instances":{instances}}}'.encode()


def _numbers(block: Block) -> str:
    """Return the rows of `block` (rows, features) as JSON lists with commas between them.

    Nine digits give every float32 exactly, in a third of the time that `json` needs for the seventeen of a float64.
    """
    row = f"[{','.join(['%.9g'] * block.shape[1])}]"
    return ",".join([row] * len(block)) % tuple(block.ravel().tolist())


def _signature(answer: dict[str, Any]) -> Signature:
    columns = {str(column["name"]): str(column["kind"]) for column in answer["columns"]}
    return Signature(str(answer["model"]), int(answer["version"]), columns)


def _prediction(answer: dict[str, Any]) -> Prediction:
    predictions, probabilities, classes = answer["predictions"], answer.get("probabilities"), answer.get("classes")
    values = isinstance(predictions[0], float | list)  # numbers of a regression, or lists of flags; labels are neither
    if not values and not ((kinds := set(map(type, predictions))) <= {int, str, bool} and len(kinds) == 1):
        raise ValueError("expected labels of one type")
    return Prediction(
        model=str(answer["model"]),
        version=int(answer["version"]),
        labels=None if values else labels_array(predictions),
        values=_float32(predictions) if values else None,
        probabilities=None if probabilities is None else _float32(probabilities),
        classes=None if classes is None else labels_array(classes),
        warnings=warnings_of(answer.get("warnings", ())),
        contributions=None if (found := answer.get("contributions")) is None else _contributions(found),
    )


def _contributions(answer: dict[str, Any]) -> Contributions:
    arrays = {name: _float32(answer[name]) for name in ("values", "outputs", "baselines")}
    return contributions_of(str(answer["kind"]), answer["columns"], **arrays)


def _float32(values: object) -> Block:
    """Return numbers from JSON as an array. Raises `ValueError` if there is something else among them."""
    import numpy as np

    array = np.array(values)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"expected numbers, got {array.dtype}")
    return array.astype(np.float32)
