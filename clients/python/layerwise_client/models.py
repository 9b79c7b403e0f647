"""Models and their aliases; the versions are fetched when they are first read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from layerwise_client._data.arguments import text
from layerwise_client._transport.aliases import deleted, moves_of, rolled_back
from layerwise_client._transport.pages import versions_of
from layerwise_client.errors import InvalidRequest, NotFound
from layerwise_client.version import Version, version_of
from layerwise_proto.v1 import models_pb2

if TYPE_CHECKING:
    from layerwise_client._transport.connection import Connection


class _Versions:
    """Versions of a model, fetched once, when they are first read."""

    def __init__(self, connection: Connection, model: str) -> None:
        self.connection = connection
        self._model = model

    def __deepcopy__(self, _memo: object) -> _Versions:
        return self

    @cached_property
    def all(self) -> tuple[Version, ...]:
        found = versions_of(self.connection, self._model)
        return tuple(version_of(self.connection, each, whole=False) for each in found)


@dataclass(frozen=True, slots=True)
class AliasMove:
    """A move of an alias from one version to another.

    Attributes
    ----------
    time : datetime
        Time of the move.
    before : int or None
        Version that the alias pointed at before; None if it was new.
    after : int or None
        Version that it pointed at since then; None if it was deleted.
    rollback : bool
        Whether it was a rollback.
    """

    time: datetime
    before: int | None
    after: int | None
    rollback: bool


@dataclass(frozen=True, slots=True)
class Model:
    """A model and its versions, which are fetched when they are first read.

    Attributes
    ----------
    name : str
        Name of the model.
    latest : int
        Number of its newest version.
    aliases : mapping of str to int
        Numbers of versions by alias.

    Examples
    --------
    >>> model = client.model("iris")
    >>> model.latest
    1
    >>> model.at("latest").labels
    ('setosa', 'versicolor', 'virginica')
    """

    name: str
    latest: int
    aliases: Mapping[str, int]
    _versions: _Versions = field(repr=False, compare=False)

    @property
    def versions(self) -> tuple[Version, ...]:
        """Versions of the model, newest first."""
        return self._versions.all

    def at(self, version: int | str | None) -> Version:
        """Return one version.

        Parameters
        ----------
        version : int, str or None
            Number or alias; None for the newest.

        Returns
        -------
        Version
            The version.

        Raises
        ------
        InvalidRequest
            If `version` is neither a number nor an alias.
        NotFound
            If there is no such version.
        """
        alias = version_text(version) or "latest"
        number = int(alias) if alias.isdecimal() else {**self.aliases, "latest": self.latest}.get(alias)
        if number is None:
            from layerwise.wording import did_you_mean

            newest = f"the newest version is {self.latest}"
            near = did_you_mean(alias, self.aliases)
            detail = f"version: {self.name} has no version or alias {alias!r}; {newest}{near}"
            raise NotFound(detail, reason="VERSION_NOT_FOUND", pointer="version")
        connection = self._versions.connection
        request = models_pb2.GetVersionRequest(model=self.name, version=str(number))
        return version_of(connection, connection.call(connection.models.GetVersion, request), whole=True)

    def rollback(self, alias: str, *, expected: int | None = None) -> Model:
        """Point an alias at the version that it pointed at before.

        It undoes the last move that is not undone yet: a second rollback goes back further.

        Parameters
        ----------
        alias : str
            The alias.
        expected : int, optional
            Version that the alias must point at now; by default it is moved in any case.

        Returns
        -------
        Model
            The model with its aliases.

        Raises
        ------
        Conflict
            If the alias points at another version than `expected`, was never moved, or pointed at a version that was
            deleted or whose file is damaged. Then nothing is changed.
        NotFound
            If there is no such alias.
        """
        connection = self._versions.connection
        return model_of(connection, rolled_back(connection, self.name, alias, expected))

    def delete_alias(self, alias: str, *, expected: int | None = None) -> Model:
        """Delete an alias. The version stays.

        Parameters
        ----------
        alias : str
            The alias.
        expected : int, optional
            Version that the alias must point at now; by default it is deleted in any case.

        Returns
        -------
        Model
            The model with its aliases.

        Raises
        ------
        Conflict
            If the alias points at another version than `expected`.
        NotFound
            If there is no such alias.
        """
        connection = self._versions.connection
        return model_of(connection, deleted(connection, self.name, alias, expected))

    def moves(self, alias: str) -> tuple[AliasMove, ...]:
        """Return the last 100 moves of an alias, newest first, also of one that was deleted.

        Parameters
        ----------
        alias : str
            The alias.

        Returns
        -------
        tuple of AliasMove
            The moves.

        Raises
        ------
        NotFound
            If there never was such an alias.
        """
        return tuple(AliasMove(*move) for move in moves_of(self._versions.connection, self.name, alias))


def version_text(version: object) -> str:
    """Return the number or alias as text, "" for None. Raises `InvalidRequest` for anything else."""
    if version is None:
        return ""
    if not isinstance(version, int | str) or isinstance(version, bool) or version == "":
        raise InvalidRequest(f"version: expected a number or an alias, got {version!r}", pointer="version")
    return str(version) if isinstance(version, int) else text(version, "version")


def model_of(connection: Connection, message: models_pb2.Model) -> Model:
    return Model(
        name=message.name,
        latest=message.latest,
        aliases=dict(message.aliases),
        _versions=_Versions(connection, message.name),
    )
