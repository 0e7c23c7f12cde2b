"""The one database: the fleet ledger and the evidence chain, so that a change and its record are one transaction."""

from __future__ import annotations

VERSION = 1

# A row of `history` cannot exist without its record: the foreign key makes an unrecorded change impossible.
SCHEMA = """
CREATE TABLE record (
    seq       INTEGER PRIMARY KEY,
    kind      TEXT NOT NULL,
    at        TEXT NOT NULL,
    subject   TEXT NOT NULL,
    envelope  BLOB NOT NULL,
    digest    TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE terminal (
    asset       TEXT PRIMARY KEY,
    number      INTEGER NOT NULL UNIQUE,
    name        TEXT NOT NULL UNIQUE,
    mac         TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    department  TEXT NOT NULL,
    owner       TEXT NOT NULL,
    home        TEXT NOT NULL,
    tier        TEXT NOT NULL,
    standing    TEXT NOT NULL,
    wave        TEXT,
    lease       INTEGER,
    serial      TEXT,
    why         TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX terminal_wave ON terminal (wave, standing);

CREATE TABLE history (
    id        INTEGER PRIMARY KEY,
    asset     TEXT NOT NULL REFERENCES terminal (asset),
    at        TEXT NOT NULL,
    who       TEXT NOT NULL,
    why       TEXT NOT NULL,
    was       TEXT NOT NULL,
    became    TEXT NOT NULL,
    tier      TEXT NOT NULL,
    record    INTEGER NOT NULL REFERENCES record (seq)
) STRICT;
CREATE INDEX history_asset ON history (asset, id);

CREATE TABLE wave (
    name      TEXT PRIMARY KEY,
    ring      TEXT NOT NULL,
    position  INTEGER NOT NULL UNIQUE,
    state     TEXT NOT NULL,
    planned   TEXT NOT NULL
) STRICT;

CREATE TABLE counter (
    name   TEXT PRIMARY KEY,
    value  INTEGER NOT NULL
) STRICT;
INSERT INTO counter VALUES ('lease', 0), ('terminal', 0);

CREATE TABLE auditor (
    fingerprint  TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    public_key   TEXT NOT NULL,
    added        INTEGER NOT NULL REFERENCES record (seq),
    removed      INTEGER REFERENCES record (seq)
) STRICT;

CREATE TABLE countersignature (
    digest    TEXT PRIMARY KEY,
    envelope  BLOB NOT NULL,
    record    INTEGER NOT NULL REFERENCES record (seq)
) STRICT;

CREATE TRIGGER record_is_kept BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'records are never removed'); END;
CREATE TRIGGER record_is_fixed BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'records are never changed'); END;
"""
