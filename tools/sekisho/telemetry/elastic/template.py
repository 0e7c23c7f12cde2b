"""The index template: how every index of ours is laid out, and what they are called.

Each field of a source becomes a keyword under its dotted name, whatever the type of its value: the first value's type
never binds the next. A value that Lucene cannot hold, and a field beyond the limit, are named in `_ignored`.
"""

from __future__ import annotations

from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.telemetry.event import FIELDS, UNDATED

VERSION = 1
ENDPOINT = "logs-sekisho.endpoint"
EVENTS = f"{ENDPOINT}-*"
REJECTED = "logs-sekisho.rejected"
_NAME = "sekisho"
_PRIORITY = 500  # above Elastic's own `logs-*-*`, which would make a data stream of the same names
LONGEST = 8191  # characters of a value that is indexed: Lucene takes terms of 32,766 octets, and one may have four
FIELDS_AT_MOST = 6000  # of an index
_KEPT = {"type": "keyword", "index": False, "doc_values": False}
_FIELD = {"type": "keyword", "normalizer": "lowercase", "ignore_above": LONGEST}


def index(partition: str) -> str:
    """The index of a partition: `2026-11-24` or `undated`."""
    return f"{ENDPOINT}-{partition.replace('-', '.')}"


def partition(name: str) -> str:
    """The partition of an index of events."""
    tail = name.removeprefix(f"{ENDPOINT}-")
    return tail if tail == UNDATED else tail.replace(".", "-")


def body(replicas: int) -> dict[str, Any]:
    """The template, as the server takes it."""
    return {
        "index_patterns": [EVENTS, REJECTED],
        "priority": _PRIORITY,
        "version": VERSION,
        "_meta": {"description": "Endpoint events of Sekisho: plain indices, one a day"},
        "template": {
            "settings": {
                "number_of_shards": 1,
                "number_of_replicas": replicas,
                "index.translog.durability": "request",
                "index.codec": "best_compression",
                "index.mapping.total_fields.limit": FIELDS_AT_MOST,
                "index.mapping.total_fields.ignore_dynamic_beyond_limit": True,
                "analysis": {"normalizer": {"lowercase": {"type": "custom", "filter": ["lowercase"]}}},
            },
            "mappings": {
                "subobjects": False,
                "date_detection": False,
                "numeric_detection": False,
                "dynamic_templates": [{"source": {"match_mapping_type": "*", "mapping": _FIELD}}],
                "properties": {
                    "@timestamp": {"type": "date", "format": "strict_date_optional_time||epoch_millis"},
                    "event.id": {"type": "keyword"},
                    "event.ingested": {"type": "date"},
                    "event.original": _KEPT,
                    "log.file.path": {"type": "keyword", "ignore_above": LONGEST},
                    "log.offset": {"type": "long"},
                    "sekisho.apart": {"type": "keyword"},
                    "sekisho.ecs": _KEPT,
                    "sekisho.raw": {"type": "binary"},
                    "sekisho.arrived": {"type": "long"},
                    "sekisho.time": {"type": "long"},
                    **dict.fromkeys(FIELDS, _FIELD),
                },
            },
        },
    }


def put(client: Elasticsearch, replicas: int) -> None:
    """Make the template the server's.

    Raises:
        ApiError, TransportError: the server refuses it.
    """
    client.indices.put_index_template(name=_NAME, body=body(replicas))


def ensure(client: Elasticsearch, replicas: int) -> None:
    """See that the server has the template: an index that is made without it would be another thing.

    Raises:
        BadInput: it has one of a newer version.
        ApiError, TransportError: the server refuses it.
    """
    try:
        found = client.indices.get_index_template(name=_NAME).body["index_templates"][0]["index_template"]
    except NotFoundError:
        put(client, replicas)
        return
    version = found.get("version", 0)
    if version > VERSION:
        raise BadInput(
            Both("Elasticsearchの索引は新しい版のsekishoのもの", "the indices in Elasticsearch are of a newer sekisho"),
            Both("その版を使う", "use that one"),
        )
    if version < VERSION or found["template"]["settings"]["index"].get("number_of_replicas") != str(replicas):
        put(client, replicas)
