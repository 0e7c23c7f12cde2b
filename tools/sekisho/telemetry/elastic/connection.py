"""The connection to Elasticsearch: certificates are checked always; what the server cannot do is asked and told."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from elastic_transport import OrjsonSerializer, TlsError
from elasticsearch import ApiError, Elasticsearch, ElasticsearchWarning, TransportError, UnsupportedProductError

from sekisho.core.errors import Missing, SekishoError
from sekisho.core.language import Both
from sekisho.core.phrases import both
from sekisho.telemetry.elastic import shards
from sekisho.telemetry.elastic.settings import Settings, secret

PATIENCE = 60.0  # seconds for one answer
_LARGEST = 100 * 1024 * 1024  # octets of a request, when the server does not tell
_JSON = "application/vnd.elasticsearch+json"


warnings.simplefilter("ignore", ElasticsearchWarning)  # deprecations are for us, not for officials


class _Json(OrjsonSerializer):
    mimetype = _JSON


class Server(NamedTuple):
    """What a cluster is: its version, the largest request that each of its nodes takes, and what it can do."""

    version: str
    largest: int
    abilities: dict[str, bool]


def connect(settings: Settings, *, attempts: int = 3) -> Elasticsearch:
    """A client; nothing is sent yet. `attempts` is how many nodes are asked before a fault is told.

    Raises:
        Missing, BadInput: a file of the settings cannot be used.
    """
    options: dict[str, Any] = {}
    if settings.api_key_file is not None:
        options["api_key"] = secret(settings.api_key_file)
    elif settings.user is not None and settings.password_file is not None:
        options["basic_auth"] = (settings.user, secret(settings.password_file))
    if any(url.startswith("https") for url in settings.urls):
        options["ssl_context"] = _trust(settings)
    return Elasticsearch(
        list(settings.urls),
        request_timeout=PATIENCE,
        max_retries=attempts - 1,
        serializers={_JSON: _Json()},
        **options,
    )


def _trust(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        why = both(str(error.strerror or error))
        raise Missing(
            Both(
                f"CA証明書 {settings.ca_file} を読めない: {why.ja}",
                f"the CA {settings.ca_file} cannot be read: {why.en}",
            ),
            Both("ElasticsearchのCA証明書(PEM)を指定する", "name the PEM file of Elasticsearch's CA"),
        ) from error


def ask(client: Elasticsearch) -> Server:
    """What the cluster is and can do.

    Raises:
        ApiError, TransportError: it does not answer.
    """
    tried = {
        "GET /": "/",
        "ILM": "/_ilm/status",
        "snapshot lifecycle": "/_slm/status",
        "ES|QL": "/_query/async/none",
    }
    version = min(node["version"] for node in _nodes(client))
    return Server(version, largest(client), {name: _can(client, path) for name, path in tried.items()})


def largest(client: Elasticsearch) -> int:
    """Octets of the largest request that each node takes.

    Raises:
        ApiError, TransportError: it does not answer.
    """
    told = (node.get("http", {}).get("max_content_length_in_bytes", _LARGEST) for node in _nodes(client))
    return int(min(told))


def _nodes(client: Elasticsearch) -> list[dict[str, Any]]:
    found = client.nodes.info(metric="http", filter_path="nodes.*.version,nodes.*.http").body
    return list(found["nodes"].values())


def _can(client: Elasticsearch, path: str) -> bool:
    """Whether the server knows a path: one that it does not know is refused as such, and not for want of a right."""
    try:
        client.perform_request("GET", path, headers={"accept": "application/json"})
    except ApiError as error:
        unknown = isinstance(error.body, dict) and isinstance(error.body.get("error"), str)  # `no handler found`
        return not (unknown or error.meta.status in {400, 405, 500})
    return True


@contextmanager
def telling() -> Iterator[None]:
    """What goes wrong within is told in words.

    Raises:
        Missing: Elasticsearch cannot be reached, or did not do what it was asked.
    """
    try:
        yield
    except (ApiError, TransportError) as error:
        raise unanswered(error) from error


def unanswered(error: ApiError | TransportError) -> SekishoError:
    """What is told when Elasticsearch did not do what it was asked."""
    why = reason(error)
    if isinstance(error, UnsupportedProductError):
        hint = Both("本物のElasticsearch(8または9)を指定する", "name a real Elasticsearch, of version 8 or 9")
    elif isinstance(error, TlsError):
        hint = Both("--ca-file とURLのホスト名を確認する", "check --ca-file and the host in the URL")
    elif shards.absent(error):
        why = Both(
            "一部の索引の主シャードがどのノードにもなく、全体を検索できない",
            "no node has the primary shard of some index, so that not all can be searched",
        )
        hint = Both(
            "停止しているノードがないか、`sekisho store status` で確認する",
            "see by `sekisho store status` whether a node is away",
        )
    elif isinstance(error, ApiError) and error.meta.status in {401, 403}:
        hint = Both(
            "利用者・パスワード・APIキーと、その権限を確認する",
            "check the user, the password or API key, and its rights",
        )
    else:
        hint = Both(
            "Elasticsearchが動いているか、`sekisho store status` で確認する",
            "see by `sekisho store status` whether it runs",
        )
    return Missing(Both(f"Elasticsearch: {why.ja}", f"Elasticsearch: {why.en}"), hint)


def reason(error: ApiError | TransportError) -> Both:
    """Why the server, or the way to it, refused."""
    if isinstance(error, ApiError):
        body: Any = error.body
        fault = body.get("error") if isinstance(body, dict) else None
        if isinstance(fault, dict):
            root = (fault.get("root_cause") or [fault])[0]
            return of_fault(error.meta.status, root if root.get("reason") else fault)
        said = str(fault or body)[:300]
        return Both(f"応答 {error.meta.status}: {said}", f"answer {error.meta.status}: {said}")
    way = both(str(error.message)[:300])
    if isinstance(error, TlsError):
        return Both(f"TLSの接続に失敗した: {way.ja}", f"TLS failed: {way.en}")
    return Both(f"接続できない: {way.ja}", f"no connection: {way.en}")


def of_fault(status: int, fault: dict[str, Any]) -> Both:
    """A fault as the server describes one, in a few words."""
    said = f"{fault.get('type')}: {fault.get('reason')}"[:300]
    return Both(f"応答 {status} {said}", f"answer {status} {said}")
