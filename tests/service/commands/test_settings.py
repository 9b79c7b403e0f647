"""Settings: which layer wins, and what a wrong one is told."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from layerwise_service.commands.run import serve
from layerwise_service.process.gathering import SOCKET
from layerwise_service.process.lifecycle import PARENT, READY
from layerwise_service.process.pulse import PULSE
from layerwise_service.settings import Settings, SettingsError, misspelt_variables, read_settings, to_environment


def test_flags_win_over_the_environment_over_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "layerwise.toml"
    file.write_text('workers = 2\nhome = "file"\nlog = "json"\n')

    settings = read_settings(
        flags={"workers": 4, "home": None}, environment={"LAYERWISE_WORKERS": "3", "LAYERWISE_HOME": "env"}, file=file
    )

    assert (settings.workers, settings.home, settings.log) == (4, "env", "json")
    assert settings.rest_address == "127.0.0.1:8000"


def test_a_process_started_with_the_settings_reads_the_same() -> None:
    settings = Settings(workers=3, reflection=True, lease_seconds=1.5, rest_address="[::1]:0")

    assert read_settings(environment=to_environment(settings)) == settings


def test_a_variable_that_is_almost_one_of_a_setting_is_warned_of() -> None:
    environment = {"LAYERWISE_WORKRES": "2", "LAYERWISE_WORKERS": "2", "LAYERWISE_KERNELS": "numpy"}

    warning = "LAYERWISE_WORKRES is not a setting and is ignored; did you mean LAYERWISE_WORKERS?"
    assert misspelt_variables(environment) == [warning]
    inner = dict.fromkeys((READY, PARENT, PULSE, SOCKET, "LAYERWISE_KERNEL_CACHE"), "1")
    assert misspelt_variables(inner | to_environment(Settings())) == []


def test_the_flags_of_the_settings_are_those_that_the_document_lists() -> None:
    flags = {flag for option in serve.params for flag in (*option.opts, *option.secondary_opts)}
    settings = Path("docs/operations.md").read_text().split("## Settings")[1].split("\n## ")[0]

    documented = set(re.findall(r"`(--[a-z-]+)", settings.replace("`--config FILE`", "`--config`")))

    assert documented == flags


def test_variables_of_others_are_left_alone() -> None:
    environment = {"LAYERWISE_PARENT_PID": "1", "WORKERS": "9", "HOME": "elsewhere", "LAYERWISE_HOME": "here"}

    assert read_settings(environment=environment) == Settings(home="here")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"LAYERWISE_WORKERS": "many"}, "workers: expected a whole number >= 0, got 'many' (from the environment)"),
        ({"LAYERWISE_LEASE_SECONDS": "0"}, "lease_seconds: expected a number > 0, got '0' (from the environment)"),
        ({"LAYERWISE_WORKERS": "-1"}, "workers: expected a whole number >= 0, got '-1' (from the environment)"),
        (
            {"LAYERWISE_MAX_MESSAGE_BYTES": "9"},
            "max_message_bytes: expected a whole number >= 1048576, got '9' (from the environment)",
        ),
        ({"LAYERWISE_REST_ADDRESS": "8000"}, "rest_address: expected HOST:PORT, got '8000' (from the environment)"),
        (
            {"LAYERWISE_RPC_ADDRESS": "127.0.0.1:99999"},
            "rpc_address: expected a port of 0 to 65535, got '127.0.0.1:99999' (from the environment)",
        ),
        ({"LAYERWISE_LOG": "xml"}, "log: expected auto, text or json, got 'xml' (from the environment)"),
        ({"LAYERWISE_REFLECTION": "maybe"}, "reflection: expected true or false, got 'maybe' (from the environment)"),
    ],
)
def test_a_wrong_value_is_named_with_its_origin(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(environment=environment)

    assert str(caught.value) == message


def test_a_path_that_is_not_utf8_is_refused_in_words_that_can_be_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = os.fsdecode(b"caf\xe9")
    for setting in ("HOME", "DATABASE_URL"):
        with pytest.raises(SettingsError, match="expected text in UTF-8") as caught:
            read_settings(environment={f"LAYERWISE_{setting}": f"/srv/{name}"})
        assert str(caught.value).encode()

    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    with pytest.raises(SettingsError, match="from the working directory"):
        read_settings(environment={})


def test_a_home_without_a_name_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"home: expected a folder, got '' \(from the command line\)"):
        read_settings(flags={"home": ""}, environment={})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("wrokers = 3", "wrokers: unknown setting (from layerwise.toml); did you mean workers?"),
        ("colour = 3", "colour: unknown setting (from layerwise.toml); the settings are home, rest_address, "),
        ("workers = ", "layerwise.toml: not TOML"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "layerwise.toml"
    file.write_text(content)

    with pytest.raises(SettingsError) as caught:
        read_settings(environment={}, file=file)

    assert str(caught.value).startswith(message)


def test_a_file_of_settings_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"settings\.toml: cannot be read: No such file or directory"):
        read_settings(environment={}, file=tmp_path / "settings.toml")
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_settings(environment={}, file=tmp_path)
    (tmp_path / "settings.toml").write_text("workers")
    with pytest.raises(SettingsError, match=r"settings\.toml: not TOML: "):
        read_settings(environment={}, file=tmp_path / "settings.toml")
