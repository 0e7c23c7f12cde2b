"""The report for auditors: one HTML file without scripts or outside resources, every value escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata

import jinja2

from sekisho.core import clock, folders
from sekisho.core.errors import Missing
from sekisho.core.language import Both, Language, told
from sekisho.evidence.picture import Picture
from sekisho.fleet import departments
from sekisho.fleet.standing import Standing
from sekisho.policy import tiers, waves
from sekisho.policy.tiers import Label

KINDS = {
    "fleet.imported": ("端末台帳の取込み", "ledger imported"),
    "wave.planned": ("計画", "planned"),
    "fleet.unplanned": ("計画の取消し", "plan undone"),
    "gate.result": ("ゲート判定", "gate"),
    "playbook.run": ("設定作業", "playbook"),
    "crossing.intent": ("着手(実行より先に記録)", "intent (recorded before the act)"),
    "crossing.acknowledged": ("旧セッションの切断確認", "old session's end acknowledged"),
    "crossing.done": ("移行確定", "confirmed"),
    "crossing.return_intent": ("復帰の着手(実行より先に記録)", "intent to return (recorded before the act)"),
    "crossing.refused": ("移行不可", "crossing refused"),
    "crossing.returned": ("元の系へ復帰", "returned"),
    "terminal.deferred": ("延期", "deferred"),
    "terminal.moved": ("状態変更", "standing changed"),
    "terminal.enrolled": ("端末証明書の発行", "certificate issued"),
    "devices.let_in": ("802.1X非対応機器の許可", "devices without 802.1X let in"),
    "router.applied": ("中継ルータの設定", "core router set"),
    "router.reading": ("中継ルータの読取り", "core router read"),
    "auditor.added": ("監査人の鍵を追加", "auditor key added"),
    "auditor.removed": ("監査人の鍵を削除", "auditor key removed"),
    "countersignature.accepted": ("外部監査人の副署を受理", "countersignature accepted"),
    "run.interrupted": ("実行の中断", "run interrupted"),
    "wave.stopped": ("ウェーブの停止", "wave stopped"),
    "return.proof": ("安全確認の証明", "proof that it was made clean"),
    "quarantine.intent": ("隔離の着手", "quarantine begins"),
    "quarantine.done": ("隔離", "quarantined"),
    "quarantine.released": ("隔離解除", "released from quarantine"),
}
_WORDS = {
    "passed": ("合格", "passed"),
    "failed": ("不合格", "failed"),
    "not evaluated": ("未評価", "not evaluated"),
    "yes": ("可", "yes"),
    "no": ("否", "no"),
    "required": ("必須", "required"),
    "recommended": ("推奨", "recommended"),
    "unknown": ("未確認", "unknown"),
    "primary": ("一次資料", "primary source"),
    "secondary": ("二次資料", "secondary source"),
    "recalled": ("原文未確認", "not verified"),
    "technical": ("技術的", "technical"),
    "organisational": ("組織的", "organisational"),
    "human": ("人的", "human"),
    "audit": ("監査", "audit"),
    "entry": ("入口ゲート", "entry gate"),
    "exit": ("出口ゲート", "exit gate"),
    "return": ("復帰ゲート", "return gate"),
    "staff": ("職員端末", "staff terminal"),
    "mynumber": ("番号利用端末", "My Number terminal"),
    "printer": ("プリンタ", "printer"),
    "other": ("その他機器", "other device"),
}


def render(picture: Picture, lang: Language) -> str:
    """The report as one HTML document.

    Raises:
        Missing: its template is not there.
    """
    index = 0 if lang == "ja" else 1
    folder = folders.data("audit") / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        kind=lambda name: KINDS[name][index] if name in KINDS else name,
        word=lambda name: _WORDS[name][index] if name in _WORDS else name,
        standing=lambda name: told(Standing(name), lang) if name in set(Standing) else str(name),
        japan=lambda text: clock.japan(text) if text else "—",
        tier=_labels({name: tier.label for name, tier in tiers.read().networks.items()}, lang),
        department=_labels(departments.read().departments, lang),
        check=lambda name: _check(picture, name, lang),
        say=lambda both: told(both, lang),
    )
    try:
        template = environment.get_template("report.html.j2")
    except jinja2.TemplateNotFound as error:
        raise Missing(
            Both(f"{folder}/report.html.j2 がない", f"{folder}/report.html.j2 is not there"),
            Both("復元するか、sekishoを導入し直す", "restore it, or install sekisho again"),
        ) from error
    rings = {ring.name: ring.label for ring in waves.read().rings}
    return template.render(
        p=picture,
        lang=lang,
        t=lambda ja, en: (ja, en)[index],
        held=picture.stopped(),
        rings=rings,
        version=metadata.version("sekisho"),
    )


def _labels(known: Mapping[str, Label], lang: Language) -> Callable[[str], str]:
    return lambda name: told(known[name], lang) if name in known else name


def _check(picture: Picture, name: str, lang: Language) -> str:
    text = picture.checks.get(name)
    return name if text is None else told(text, lang)
