"""`store.yml`: which Elasticsearch, and how to come in; nothing that is not safe is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sekisho.core.errors import BadInput, Missing
from sekisho.telemetry import stores
from sekisho.telemetry.elastic.settings import Settings, secret
from sekisho.telemetry.elastic.store import ElasticStore
from sekisho.telemetry.embedded.store import EmbeddedStore

SEKISHO = Path(sys.executable).with_name("sekisho")
BASE: dict[str, Any] = {"urls": ("https://es1:9200",), "user": "u", "password_file": "/p"}


@pytest.mark.parametrize(
    "url",
    [
        "http://es1:9200",
        "https://u:p@es1:9200",
        "es1:9200",
        "ftp://es1",
        "https://",
        "http://10.0.0.1",
        "https://e:x",
        "https://e/?q",
    ],
)
def test_an_address_that_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({**BASE, "urls": (url,)})


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://es1", "https://es1:9200"),
        ("http://127.0.0.1:9201/", "http://127.0.0.1:9201"),
        ("http://[::1]:9200", "http://[::1]:9200"),
        ("http://localhost", "http://localhost:9200"),
        ("https://es1:443/path/", "https://es1:443/path"),
    ],
)
def test_an_address_is_kept_whole(url: str, kept: str) -> None:
    assert Settings.model_validate({**BASE, "urls": (url,)}).urls == (kept,)


@pytest.mark.parametrize(
    "change",
    [
        {"user": None},
        {"password_file": None},
        {"api_key_file": "/k"},
        {"user": None, "password_file": None},
        {"urls": ()},
        {"x": 1},
    ],
)
def test_there_is_one_way_in(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({**BASE, **change})


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "password"
    with pytest.raises(Missing):
        secret(path)
    path.write_text("geheim\n")
    path.chmod(0o640)
    with pytest.raises(BadInput, match="others may read"):
        secret(path)
    path.chmod(0o600)
    assert secret(path) == "geheim"
    path.write_text("\n")
    with pytest.raises(BadInput, match="empty"):
        secret(path)


def test_a_state_folder_has_the_store_that_it_names(tmp_path: Path) -> None:
    assert isinstance(stores.of(tmp_path), EmbeddedStore)
    stores.choose(tmp_path, Settings.model_validate(BASE))
    assert (tmp_path / "store.yml").stat().st_mode & 0o777 == 0o600
    store = stores.of(tmp_path)
    assert isinstance(store, ElasticStore)
    assert store.settings == Settings.model_validate(BASE)
    (tmp_path / "store.yml").write_text("version: 2\n")
    with pytest.raises(BadInput, match="version"):
        stores.of(tmp_path)


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.touch(mode=0o600)
    password.write_text("x")
    words = ["--elasticsearch", "https://127.0.0.1:1", "--user", "u", "--password-file", password, "--state", tmp_path]
    argv = [SEKISHO, "store", "init", *words, "--lang", "en"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 3
    assert "no connection" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "store.yml").exists()
