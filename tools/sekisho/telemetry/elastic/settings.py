"""Where the Elasticsearch of a state folder is, and how to come in: the files that hold a secret, and no secret."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from sekisho.core.errors import BadInput, BadValue, Missing
from sekisho.core.language import Both
from sekisho.core.phrases import both
from sekisho.core.yamlfile import Strict

PORT = 9200


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port or PORT
    except ValueError:
        parts, port = urlsplit(""), PORT
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise BadValue(
            f"'{text}' はElasticsearchのURLではない(例: https://es1.example.jp:9200)",
            f"{text!r} is no URL of an Elasticsearch, such as https://es1.example.jp:9200",
        )
    if parts.username or parts.password:
        raise BadValue(
            "URLに利用者名やパスワードは書けない。--user と --password-file で指定する",
            "a user or password does not belong into the URL: give --user and --password-file",
        )
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise BadValue(
            f"'{text}': 暗号化しないhttpはこの機器自身のアドレスにのみ使える。https を使う",
            f"{text!r}: http without encryption is for addresses of this machine only; use https",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Settings(Strict):
    """How to reach one cluster: by user and password, or by an API key; `ca_file` is the only CA that is believed."""

    urls: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(min_length=1)
    ca_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    api_key_file: Path | None = None
    replicas: int = Field(default=1, ge=0, le=9)

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.user is None) != (self.password_file is None) or (self.user and self.api_key_file):
            raise BadValue(
                "利用者(user)とパスワードのファイル(password_file)の組か、APIキーのファイル(api_key_file)のどちらか一つを指定する",
                "give either a user and the file of the password, or the file of an API key",
            )
        if not (self.user or self.api_key_file) and any(url.startswith("https") for url in self.urls):
            raise BadValue(
                "利用者とパスワード、またはAPIキーの指定がない",
                "neither a user with a password nor an API key is given",
            )
        return self


def secret(path: Path) -> str:
    """What a file of a password or of an API key holds, without the end of its line.

    Raises:
        Missing: it is not there, or cannot be read.
        BadInput: others may read it too, or it is empty.
    """
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = both(str(getattr(error, "strerror", error)))
        raise Missing(
            Both(f"{path} を読めない: {why.ja}", f"{path} cannot be read: {why.en}"),
            Both("ファイルを置き直す", "put the file there"),
        ) from error
    if mode & 0o077:
        raise BadInput(
            Both(f"{path} を他の利用者も読める", f"others may read {path} too"),
            Both(f"`chmod 600 {path}` を実行する", f"run `chmod 600 {path}`"),
        )
    if not text:
        raise BadInput(Both(f"{path} は空", f"{path} is empty"), Both("秘密の値を書く", "write the secret into it"))
    return text
