"""The settings, each with its default and its reason. Flags override the environment, which overrides the file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
import msgspec.inspect
from msgspec import Meta

MIB = 2**20
MOST_PORT = 65_535

Address = Annotated[str, Meta(pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$")]
Count = Annotated[int, Meta(ge=1)]
Amount = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]


class SettingsError(ValueError):
    """A setting is wrong: the message says which one, where it came from and what is expected."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting. The environment variable of `rest_address` is LAYERWISE_REST_ADDRESS, and so on."""

    home: Annotated[str, Meta(min_length=1)] = "layerwise-data"
    """Folder of the database and the artefacts."""
    rest_address: Address = "127.0.0.1:8000"
    """Address where REST listens. Port 0: any free port."""
    rpc_address: Address = "127.0.0.1:50051"
    """Address where gRPC listens. Port 0: any free port."""
    rest_hosts: Annotated[str, Meta(pattern=r"^$|^[^\s/,]+(\s*,\s*[^\s/,]+)*$")] = ""
    """Host names, separated by commas, under which REST may be called besides those of this machine; *: any."""
    rest_processes: Count = 2
    """REST processes, each with 64 threads."""
    rpc_processes: Count = 2
    """gRPC processes of `layerwise serve`, which share one port. `max_uploads` are shared evenly among them."""
    workers: Annotated[int, Meta(ge=0)] = 1
    """Jobs that train at the same time, each in a process of its own."""
    worker_threads: Annotated[int, Meta(ge=0)] = 0
    """BLAS threads of each worker; 0: all cores but one, shared among the workers."""
    database_url: str = ""
    """SQLAlchemy URL of the database; empty: SQLite in `home`."""
    log: Literal["auto", "text", "json"] = "auto"
    """text or json; auto is text on a terminal and json elsewhere."""
    reflection: bool = False
    """Whether gRPC server reflection is on, which grpcurl needs."""

    max_message_bytes: Annotated[int, Meta(ge=MIB)] = 8 * MIB
    """Largest gRPC message: large enough for batches of 1 to 4 MB, small enough that many at once do not exhaust
    memory.

    An answer may be four times as large. At least 1 MiB, so that every page of a list fits into an answer.
    """
    max_body_bytes: Count = 32 * MIB
    """Largest REST body: about 50,000 rows of 64 numbers."""
    max_dataset_bytes: Count = 16 * 1024 * MIB
    """Bytes of a dataset as float32; of a table both as it is sent and as it is encoded; of a table file, also as it
    is unpacked."""
    max_features: Count = 65_536
    """Features of a row, or of a row of a table after encoding."""
    max_model_bytes: Count = 2 * 1024 * MIB
    """Bytes of a model file that is imported: the largest network with Adam's state has 1.2 GB."""
    max_columns: Count = 1_000
    """Columns of a table: each is stored as one or two files."""
    max_text_bytes: Count = 4_096
    """Bytes of a text in a column, as UTF-8."""
    max_layers: Count = 64
    max_units: Count = 65_536
    """Units of one layer, classes included."""
    max_parameters: Count = 100_000_000
    """Parameters of a network: with their gradients and Adam's state, 1.6 GB in a worker."""
    max_epochs: Count = 100_000
    max_batch_values: Count = 200_000_000
    """Numbers in a batch and in the outputs of all layers for it: 2.4 GB in a worker."""
    max_label_bytes: Count = 256
    """Bytes of a label, as UTF-8."""
    max_uploads: Count = 32
    """Callers that may send rows or files at the same time; others have to try again later."""
    upload_idle_seconds: Seconds = 60.0
    """How long a caller may pause while it sends rows or a file."""
    upload_grace_seconds: Seconds = 86_400.0
    """How long the file of an upload that was broken off is kept, so that it can go on; and a dataset that is used
    once."""
    reading_seconds: Seconds = 600.0
    """How long the process that reads a file or a large table may take."""
    reading_memory_bytes: Count = 1024 * MIB
    """Memory of the process that reads a file or a large table."""
    max_predict_rows: Count = 32_768
    """Rows of one prediction."""
    max_predict_values: Count = 4 * 1_024 * 1_024
    """Rows × outputs of one prediction: 16 MB over gRPC, about 50 MB as JSON.

    Over REST also the values in its rows: each takes two bytes or more in the body, and 32 in memory.
    """
    max_queued_jobs: Count = 1_000
    """Jobs that may wait or train at the same time; further ones are refused."""
    model_cache_bytes: Count = 128 * MIB
    """Bytes of loaded models that each serving process keeps; the least recently used are dropped first.

    About 4,400 networks 30-64-64-2. A larger model stays alone.
    """

    lease_seconds: Seconds = 10.0
    """How long a worker may be silent before its job is given to another."""
    max_lost_workers: Count = 3
    """How many times a job may lose its worker before it fails, since its last checkpoint."""
    checkpoint_seconds: Seconds = 10.0
    """How often the state of a training is stored, from which it goes on if its worker ends; more rarely if that would
    take more than a fiftieth of the time."""
    resumable_jobs: Amount = 20
    """How many jobs, those that ended last, keep the state of their training: they can be resumed, or trained for more
    epochs. A state is about three to five times as large as a version."""
    refresh_seconds: Seconds = 0.2
    """How often serving processes check for new versions, in seconds."""
    stop_seconds: Seconds = 8.0
    """How long a process may take to finish its work when it has to stop."""

    @property
    def frozen_seconds(self) -> float:
        """After how long without a pulse `serve` kills a process that writes to the database: longer than a lease, so
        that the lease expires first."""
        return self.lease_seconds + max(self.lease_seconds, 5.0)

    @property
    def worker_silent_seconds(self) -> float:
        """After how long without a heartbeat a worker is no longer counted."""
        return 3 * self.lease_seconds

    @property
    def further_hosts(self) -> frozenset[str]:
        """The names in `rest_hosts`."""
        return frozenset(name for name in map(str.strip, self.rest_hosts.split(",")) if name)

    @property
    def home_path(self) -> Path:
        return Path(self.home).resolve()

    @property
    def effective_worker_threads(self) -> int:
        return self.worker_threads or max(1, ((os.cpu_count() or 1) - 1) // max(1, self.workers))


def read_settings(
    *,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Return the settings: `flags` override `environment` (os.environ), which overrides `file` (./layerwise.toml).

    Raises `SettingsError`.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for origin, layer in (
        _from_file(file),
        ("the environment", _from_environment(environment)),
        ("the command line", {name: value for name, value in (flags or {}).items() if value is not None}),
    ):
        values |= layer
        origins |= dict.fromkeys(layer, origin)
    return _build(values, origins)


def misspelt_variables(environment: Mapping[str, str]) -> list[str]:
    """Return a warning for each variable whose name is almost that of a setting."""
    from difflib import get_close_matches  # noqa: PLC0415 – most commands have no such variable

    known = list(map(_variable, Settings.__struct_fields__))
    unknown = [name for name in environment if name.startswith(_PREFIX) and name not in known]
    near = {name: get_close_matches(name, known, 1, cutoff=0.85) for name in unknown}
    return [
        f"{name} is not a setting and is ignored; did you mean {found[0]}?" for name, found in near.items() if found
    ]


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as environment variables, for a child process."""
    return {
        _variable(name): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in msgspec.structs.asdict(settings).items()
    }


def _from_file(file: Path | None) -> tuple[str, dict[str, object]]:
    path = file or Path("layerwise.toml")
    if file is None and not path.is_file():
        return "", {}
    try:
        with path.open("rb") as stream:
            return path.name, tomllib.load(stream)
    except OSError as error:
        raise SettingsError(f"{path.name}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path.name}: not TOML: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    variables = {name: _variable(name) for name in Settings.__struct_fields__}
    return {name: environment[variable] for name, variable in variables.items() if environment.get(variable)}


_PREFIX = "LAYERWISE_"


def _variable(setting: str) -> str:
    """Return the name of the environment variable of a setting."""
    return f"{_PREFIX}{setting.upper()}"


def _build(values: Mapping[str, object], origins: Mapping[str, str]) -> Settings:
    for name in values:
        if name not in Settings.__struct_fields__:
            from layerwise.wording import did_you_mean  # noqa: PLC0415 – loads NumPy, which few commands need

            known = Settings.__struct_fields__
            hint = did_you_mean(name, known) or f"; the settings are {', '.join(known)}"
            raise SettingsError(f"{name}: unknown setting (from {origins[name]}){hint}")
    read: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        if field.name in values:
            try:
                read[field.name] = msgspec.convert(values[field.name], field.type, strict=False)
            except msgspec.ValidationError as error:
                got = f"{values[field.name]!r} (from {origins[field.name]})"
                raise SettingsError(f"{field.name}: expected {_wanted(field.name, field.type)}, got {got}") from error
    settings = Settings(**read)

    for name, value in (*msgspec.structs.asdict(settings).items(), ("home", str(settings.home_path))):
        if isinstance(value, str) and not _is_utf8(value):  # neither messages nor the database's URL could hold it
            origin = origins.get(name, "the working directory")
            raise SettingsError(f"{name}: expected text in UTF-8, got {value!r} (from {origin})")
    for name in ("rest_address", "rpc_address"):
        address: str = getattr(settings, name)
        if int(address.rpartition(":")[2]) > MOST_PORT:  # the system would take it modulo 65,536
            origin = origins.get(name, "the defaults")
            raise SettingsError(f"{name}: expected a port of 0 to {MOST_PORT}, got {address!r} (from {origin})")
    return settings


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wanted(name: str, kind: Any) -> str:
    """Return what the setting `name`, of the type `kind`, should be, in words."""
    if name.endswith("_address"):
        return "HOST:PORT"
    if name == "rest_hosts":
        return "host names, separated by commas"
    if name == "home":
        return "a folder"
    match msgspec.inspect.type_info(kind):
        case msgspec.inspect.LiteralType():
            *first, last = get_args(kind)
            return f"{', '.join(first)} or {last}"
        case msgspec.inspect.IntType(ge=least):
            return "a whole number" if least is None else f"a whole number >= {least}"
        case msgspec.inspect.FloatType(gt=above):
            return "a number" if above is None else f"a number > {above:g}"
        case msgspec.inspect.BoolType():
            return "true or false"
        case _:
            return "text"
