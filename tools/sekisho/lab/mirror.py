"""Where this machine's own apt gets a Debian suite from: mirror, keyring, proxy and CA, never named in our code."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sekisho.core.errors import Missing
from sekisho.core.process import run

_LOCAL_CAS = Path("/usr/local/share/ca-certificates")
_DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class Mirror:
    """What debootstrap and apt need to reach a suite.

    `uri` is the suite's archive; `sources` are one-line apt sources of the suite and its updates; `settings` are
    lines of apt.conf (proxy, certificates); `certificates` are CAs that this machine trusts besides the usual ones.
    """

    uri: str
    keyring: Path
    sources: tuple[str, ...]
    settings: str
    proxy: str
    certificates: tuple[Path, ...]


def find(suite: str) -> Mirror:
    """The mirror of `suite` according to this machine's apt.

    Raises:
        Missing: apt knows no source of the suite, or the archive's keyring is not installed.
    """
    told = run(["apt-get", "indextargets", "--format", "$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)"])
    rows = {tuple(line.split()[1:]) for line in told.stdout.decode().splitlines() if line.startswith("Packages ")}
    wanted = sorted(row for row in rows if len(row) == 3 and row[1].split("-")[0].split("/")[0] == suite)
    uris = [uri for uri, release, component in wanted if (release, component) == (suite, "main")]
    if not uris:
        raise Missing(
            f"this machine's apt has no source of Debian {suite} main",
            f"add the archive that your office uses for {suite} to /etc/apt/sources.list.d and run apt-get update",
        )
    if not _DEBIAN_KEYRING.is_file():
        raise Missing("Debian's archive keyring is not installed", "apt-get install debian-archive-keyring")
    keyring = _signed_by(uris[0]) or _DEBIAN_KEYRING
    return Mirror(
        uri=uris[0],
        keyring=keyring,
        sources=tuple(
            f"deb [signed-by={_signed_by(uri) or keyring}] {uri} {release} {component}"
            for uri, release, component in wanted
        ),
        settings=_transport(),
        proxy=_option("Acquire::http::Proxy"),
        certificates=tuple(sorted(_LOCAL_CAS.rglob("*.crt"))) if _LOCAL_CAS.is_dir() else (),
    )


def _option(name: str) -> str:
    return run(["apt-config", "--format", "%v", "dump", name]).stdout.decode().strip()


def _transport() -> str:
    lines = run(["apt-config", "dump"]).stdout.decode().splitlines()
    return "".join(
        line + "\n" for line in lines if line.startswith(("Acquire::http", "Acquire::https")) and '""' not in line
    )


def _signed_by(uri: str) -> Path | None:
    """The keyring that the source of `uri` names, from one-line (`signed-by=`) and deb822 (`Signed-By:`) files."""
    folder = Path("/etc/apt")
    for file in [folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))]:
        if file.suffix not in {".list", ".sources"} or not file.is_file():
            continue
        blocks = file.read_text(errors="replace").split("\n\n" if file.suffix == ".sources" else "\n")
        for block in blocks:
            if uri.rstrip("/") not in {word.rstrip("/") for word in block.split()}:
                continue
            words = block.replace("[", " ").replace("]", " ").replace("=", " ").replace(":", " ", 0).split()
            for label, value in pairwise(words):
                if label.lower() in {"signed-by", "signed-by:"} and Path(value).is_file():
                    return Path(value)
    return None
