"""`sekisho detect`: rules over files or over the store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from sekisho.cli.options import DEFAULT_LANG, DEFAULT_STATE, JsonOption, LangOption, StateOption, say, screen, visible
from sekisho.cli.times import span_of
from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.detection import rulesets
from sekisho.detection.detect import ASIDE, Answer, Detector
from sekisho.detection.matching import alert, correlate
from sekisho.detection.matching.alert import Match
from sekisho.detection.matching.engine import Engine
from sekisho.detection.rules.rule import LEVELS, Level, Ruleset, Unusable
from sekisho.detection.scan import automaton
from sekisho.detection.scan.cache import Cache
from sekisho.detection.scan.scanner import Scanner
from sekisho.policy.zone import PolicyZone
from sekisho.telemetry.query import Span
from sekisho.telemetry.workers import Workers

RulesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--rules",
        help="Files or folders of Sigma rules; several may follow. Without it the rules of policies/detection.yml.",
    ),
]
StrictOption = Annotated[bool, typer.Option("--strict", help="A rule that cannot be used is an error.")]
CacheOption = Annotated[bool, typer.Option("--no-cache", help="Read the rules anew, and keep nothing.")]


def register(app: typer.Typer) -> None:
    """Add the command to the front door."""
    app.command("detect")(detect)


def detect(
    rules: RulesOption = None,
    events: Annotated[
        list[Path] | None, typer.Option("--events", help="Files: NDJSON, EVTX, logs; plain, gz or zip.")
    ] = None,
    from_store: Annotated[bool, typer.Option("--store", help="Events of the store instead of files.")] = False,
    since: Annotated[
        str | None, typer.Option("--from", help="With --store: from this time on (Japan time unless it names a zone).")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="With --store: before this time.")] = None,
    fail_on: Annotated[
        str | None, typer.Option("--fail-on", help="Exit code 1 if an alert has this level or more.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=0, help="How many processes; all processors.")] = None,
    strict: StrictOption = False,
    no_cache: CacheOption = False,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Tell which events the rules match. With --json one object a line, in the order of the events."""
    threshold = level_of(fail_on)
    if bool(events) == from_store:
        raise BadInput(
            Both("--events か --store のどちらか一つを指定する", "give either --events or --store"),
            Both("例: --events log.json", "such as --events log.json"),
        )
    span = span_of(since, until, ("--from", "--to"))
    if span != Span() and not from_store:
        raise BadInput(
            Both("--from と --to は --store と共に使う", "--from and --to go with --store"),
            Both("--store を付けるか、外す", "add --store, or leave them out"),
        )
    ruleset, cache = rules_of(rules, state, keep=not no_cache)
    tell_unusable(ruleset.unusable, strict=strict)
    detector = Detector(Engine(ruleset), correlate.facts(ruleset), scanner_of(ruleset, cache))
    worst = (
        _of_store(detector, state, span, workers, as_json=as_json)
        if from_store
        else _of_files(detector, events or [], workers, as_json=as_json)
    )
    if threshold is not None and worst >= LEVELS.index(threshold):
        raise typer.Exit(1)


def rules_of(paths: list[Path] | None, state: Path, *, keep: bool) -> tuple[Ruleset, Cache | None]:
    """The rules of these files, or, without any, those that policy wants; and where what is made of them is kept.

    Raises:
        Missing: a path is not there.
        BadInput: a folder has no rules, or the policy is wrong.
    """
    if paths:
        return rulesets.read(paths, state if keep else None)
    # Policies take longer to load than rules that are kept.
    from sekisho.cli.choosing import tell_unknown  # noqa: PLC0415
    from sekisho.detection import active  # noqa: PLC0415
    from sekisho.policy import detection  # noqa: PLC0415

    found = active.active(state, detection.read(), keep=keep)
    tell_unknown(found)
    return found.ruleset, found.cache


def _of_files(detector: Detector, events: Sequence[Path], workers: int | None, *, as_json: bool) -> int:
    with Workers(workers) as some:
        answers = detector.in_files(events, PolicyZone(), some)
        return _tell(detector.engine.ruleset, answers, typer.echo, as_json=as_json)


def _of_store(detector: Detector, state: Path, span: Span, workers: int | None, *, as_json: bool) -> int:
    # The stores' libraries take longer to load than rules that are kept, and files need none of them.
    from sekisho.cli.bar import Bar  # noqa: PLC0415
    from sekisho.detection import stored  # noqa: PLC0415
    from sekisho.telemetry import stores  # noqa: PLC0415

    store = stores.there(state)
    watched = sys.stdout.isatty()
    with Workers(workers) as some, Bar(among=watched) as bar:

        def tell(done: int, size: int) -> None:
            bar.show(Both(f"イベント {size:,}件", f"{size:,} events"), done=done, size=size)

        answers = stored.answers(detector, store, span, some, tell)
        return _tell(detector.engine.ruleset, answers, bar.print, as_json=as_json)


def scanner_of(ruleset: Ruleset, cache: Cache | None) -> Scanner | None:
    """What looks through records first; where it cannot be had, None, and that is told."""
    if automaton.available():
        return Scanner(ruleset.rules, cache, ASIDE)
    slow = Both(
        "Hyperscanがない。全ての記録を全てのルールに問うので遅くなるが、アラートは変わらない",
        "Hyperscan is not there: every record is asked of every rule, which is slower; the alerts are the same",
    )
    typer.echo(say(slow), err=True)
    return None


def tell_unusable(some: Sequence[Unusable], *, strict: bool) -> None:
    """Name the rules that are not evaluated.

    Raises:
        BadInput: there are some, and that is an error.
    """
    if not some:
        return
    told = [
        Both(
            f"{one.path}: {one.title or one.id or ''}: {one.reason.ja}",
            f"{one.path}: {one.title or one.id or ''}: {one.reason.en}",
        )
        for one in some
    ]
    count = Both(f"{len(some)}件のルールは評価できない", f"{len(some)} rules are not evaluated")
    if strict:
        raise BadInput(count, Both("直すか、外す", "mend them, or leave them out"), reasons=told)
    err = screen(stderr=True, soft_wrap=True)
    for line in (count, *told):
        err.print(visible(say(line)), markup=False)


def _tell(ruleset: Ruleset, answers: Iterable[Answer], out: Callable[[str], None], *, as_json: bool) -> int:
    """Print the alerts; the place of the worst level among LEVELS, -1 if there is none."""
    kept: list[Match] = []
    needed, worst, count, unread = correlate.rules_of(ruleset), -1, 0, 0
    for answer in answers:
        unread += answer.unread
        lines = []
        for match in answer.matches:
            rule = ruleset.rules[match.place]
            if rule.id in needed:
                kept.append(match)
            if rule.id not in ruleset.silent:
                lines.append(line(alert.as_json(rule, match), as_json=as_json))
                worst, count = max(worst, _rank(rule.level)), count + 1
        if lines:
            out("\n".join(lines))
    for found in correlate.correlated(ruleset, kept):
        if found.rule.id not in ruleset.silent:
            out(line(alert.correlated_as_json(found), as_json=as_json))
            worst, count = max(worst, _rank(found.rule.level)), count + 1
    if not as_json:
        typer.echo(say(Both(f"アラート {count:,}件", f"{count:,} alerts")), err=True)
    if unread:
        typer.echo(
            say(Both(f"読めなかった記録 {unread:,}件", f"{unread:,} records could not be read")),
            err=True,
        )
    return worst


def line(found: dict[str, Any], *, as_json: bool) -> str:
    """An alert on a line of its own."""
    if as_json:
        return orjson.dumps(found).decode()
    words = (
        found["timestamp"],
        found["level"],
        found["host"],
        found["rule_title"],
        f"{found['file']}:{found['record']}",
    )
    return "  ".join(visible(str(one or "-")) for one in words)


def _rank(level: str | None) -> int:
    return -1 if level is None else LEVELS.index(level)


def level_of(name: str | None) -> Level | None:
    """A level by its name; None stays None.

    Raises:
        BadInput: there is none of this name.
    """
    found = next((level for level in LEVELS if level == name), None)
    if name is not None and found is None:
        raise BadInput(
            Both(f"'{name}' という重大度はない", f"there is no level {name!r}"),
            Both(f"次のどれか: {', '.join(LEVELS)}", f"one of: {', '.join(LEVELS)}"),
        )
    return found
