"""Whose fault a refusal is: only what is surely the document's own takes it out of the way; all else is waited for."""

from __future__ import annotations

from typing import Any

from elasticsearch import ApiError, Elasticsearch, TransportError

# What the server says of a document that it cannot read under the mapping that its index has.
_READING = {
    "document_parsing_exception",
    "mapper_parsing_exception",
    "mapper_exception",
    "strict_dynamic_mapping_exception",
}
# May be a document's fault, or that of a cluster which cannot make another index.
_EITHER = {"illegal_argument_exception"}
TOO_LARGE = 413
KNOWN = 409


def own(client: Elasticsearch, index: str, status: int, fault: dict[str, Any]) -> bool:
    """Whether a document is refused for what it is, so that waiting would never help.

    Raises:
        ApiError, TransportError: the server, which has to be asked, does not answer.
    """
    if status != 400:
        return False
    return fault.get("type") in _READING or (fault.get("type") in _EITHER and bool(client.indices.exists(index=index)))


def of_request(error: ApiError | TransportError) -> bool:
    """Whether a whole request is refused for what is in it, so that a smaller one may be taken."""
    if not isinstance(error, ApiError):
        return False
    body: Any = error.body
    fault = body.get("error") if isinstance(body, dict) else None
    kind = fault.get("type") if isinstance(fault, dict) else None
    return error.meta.status == TOO_LARGE or (
        error.meta.status == 400 and kind in {*_READING, *_EITHER, "x_content_parse_exception", "parse_exception"}
    )
