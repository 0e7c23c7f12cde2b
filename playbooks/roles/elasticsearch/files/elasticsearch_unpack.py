#!/usr/bin/python3
"""Unpack a distribution: elasticsearch_unpack.py ARCHIVE TARGET. What is in the archive's only folder becomes TARGET.

It is unpacked beside TARGET and renamed when it is whole. Owner and group are root's, modes are read-only for others;
a zip's programs stay programs. Nothing outside the folder is written, and no link is made.
"""

import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath


def members(archive):
    """Name, whether it is a folder, whether it is a program, and a function that opens it, of each member."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as whole:
            for one in whole.infolist():
                yield one.filename, one.is_dir(), one.external_attr >> 16 & 0o111, lambda one=one: whole.open(one)
        return
    with tarfile.open(archive) as whole:
        for one in whole:
            if not (one.isfile() or one.isdir()):
                sys.exit(f"{archive}: {one.name} is neither file nor folder; nothing was unpacked")
            yield one.name, one.isdir(), one.mode & 0o111, lambda one=one: whole.extractfile(one)


def main():
    archive, target = Path(sys.argv[1]), Path(sys.argv[2])
    half = target.parent / f".{target.name}.half"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    for name, is_folder, is_program, opened in members(archive):
        parts = PurePosixPath(name).parts
        if ".." in parts or name.startswith("/"):
            sys.exit(f"{archive}: {name} lies outside the archive's folder; nothing was unpacked")
        path = half.joinpath(*parts[1:])
        folder = path if is_folder else path.parent
        folder.mkdir(parents=True, exist_ok=True)
        if not is_folder:
            with opened() as source, path.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1024 * 1024)
            path.chmod(0o755 if is_program else 0o644)
    if not (half / "bin" / "elasticsearch").is_file():
        sys.exit(f"{archive} holds no FOLDER/bin/elasticsearch; it is no distribution of Elasticsearch")
    os.sync()
    half.rename(target)


if __name__ == "__main__":
    os.umask(0o022)
    main()
