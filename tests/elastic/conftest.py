"""A real Elasticsearch for the tests: one node for all of them, or the server that SEKISHO_TEST_ES_URL names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from elasticsearch import Elasticsearch

from cluster import USER, Cluster
from sekisho.core.language import Both
from sekisho.telemetry import stores
from sekisho.telemetry.elastic import template
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.elastic.store import ElasticStore


class Place(NamedTuple):
    """A state folder whose store is in Elasticsearch; `told` is what its writers waited for."""

    folder: Path
    store: ElasticStore
    client: Elasticsearch
    told: list[str]

    def find(self, query: dict[str, object]) -> list[str]:
        """The ids that a query of Lucene's own finds."""
        self.client.indices.refresh(index=template.EVENTS)
        found = self.client.search(index=template.EVENTS, query=query, size=10_000, source=False)
        return sorted(hit["_id"] for hit in found["hits"]["hits"])


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """How to reach the server."""
    with server() as reached:
        yield reached


@contextmanager
def server() -> Iterator[Settings]:
    """A server as long as the context lasts: the one that the environment names, or one node of our own."""
    if url := os.environ.get("SEKISHO_TEST_ES_URL"):
        given = {"ca_file": "CA", "user": "USER", "password_file": "PASSWORD_FILE"}
        some = {name: os.environ.get(f"SEKISHO_TEST_ES_{word}") for name, word in given.items()}
        yield Settings.model_validate({"urls": (url,), "replicas": 0, **some})
        return
    with Cluster() as cluster:
        yield settings_of(cluster, replicas=0)


def settings_of(cluster: Cluster, *, replicas: int) -> Settings:
    """How to reach a cluster of ours."""
    return Settings(
        urls=tuple(cluster.urls),
        ca_file=cluster.ca,
        user=USER,
        password_file=cluster.password_file,
        replicas=replicas,
    )


def place_of(settings: Settings, folder: Path) -> Place:
    """A state folder with an empty store."""
    told: list[str] = []

    def tell(trouble: Both) -> None:
        told.append(trouble.en)

    stores.choose(folder, settings)
    store = stores.of(folder, tell)
    assert isinstance(store, ElasticStore)
    client = store.client()
    for name in client.indices.get(index=[template.EVENTS, template.REJECTED], ignore_unavailable=True):
        client.indices.delete(index=name)
    store.lay_out()
    return Place(folder, store, client, told)


@pytest.fixture
def place(settings: Settings, tmp_path: Path) -> Iterator[Place]:
    """A state folder with an empty store."""
    one = place_of(settings, tmp_path)
    yield one
    one.client.close()
