"""The report for auditors: one HTML file without scripts or outside resources, every value escaped."""

from __future__ import annotations

from typing import Any, Literal

import jinja2

from sekisho.core import clock, folders
from sekisho.core.errors import Missing
from sekisho.evidence.picture import Picture
from sekisho.fleet.standing import Standing
from sekisho.policy import tiers, waves

Language = Literal["ja", "en"]

_KINDS = {
    "fleet.imported": ("端末台帳の取込み", "ledger imported"),
    "wave.planned": ("計画", "planned"),
    "gate.result": ("ゲート判定", "gate"),
    "playbook.run": ("設定作業", "playbook"),
    "crossing.intent": ("移行の着手(記録が先)", "crossing begins (recorded first)"),
    "crossing.acknowledged": ("旧セッションの切断確認", "old session's end acknowledged"),
    "crossing.done": ("確認用ネットワークへ移動", "crossed into probation"),
    "crossing.confirmed": ("移行確定", "confirmed"),
    "crossing.refused": ("移行不可", "crossing refused"),
    "crossing.returned": ("元の系へ復帰", "returned"),
    "terminal.moved": ("状態変更", "standing changed"),
    "terminal.enrolled": ("端末証明書の発行", "certificate issued"),
    "router.reading": ("中核ルータの読取り", "core router read"),
    "auditor.added": ("監査人の鍵を追加", "auditor key added"),
    "auditor.removed": ("監査人の鍵を削除", "auditor key removed"),
    "countersignature.accepted": ("外部監査人の副署を受理", "countersignature accepted"),
    "run.interrupted": ("実行の中断", "run interrupted"),
    "wave.stopped": ("ウェーブの停止", "wave stopped"),
    "return.proof": ("復帰の証明", "proof for the return"),
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
    "mynumber": ("マイナンバー端末", "My Number terminal"),
    "printer": ("複合機", "printer"),
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
        kind=lambda name: _KINDS[name][index] if name in _KINDS else name,
        word=lambda name: _WORDS[name][index] if name in _WORDS else name,
        standing=lambda name: _standing(str(name), lang),
        japan=lambda text: clock.japan(text) if text else "—",
        tier=_labels(lang),
        check=lambda name: _check(picture, name, lang),
        label=lambda both: both.ja if lang == "ja" else both.en,
    )
    try:
        template = environment.get_template("report.html.j2")
    except jinja2.TemplateNotFound as error:
        raise Missing(f"{folder}/report.html.j2 is not there", "restore it, or install sekisho again") from error
    rings = {ring.name: ring.label for ring in waves.read().rings}
    return template.render(p=picture, lang=lang, t=lambda ja, en: (ja, en)[index], held=picture.stopped(), rings=rings)


def _standing(name: str, lang: Language) -> str:
    return Standing(name).ja if lang == "ja" and name in {one.value for one in Standing} else name


def _labels(lang: Language) -> Any:  # noqa: ANN401 - a filter of the template
    known = {name: tier.label for name, tier in tiers.read().tiers.items()}

    def told(name: str) -> str:
        label = known.get(name)
        return name if label is None else label.ja if lang == "ja" else label.en

    return told


def _check(picture: Picture, name: str, lang: Language) -> str:
    text = picture.checks.get(name)
    return name if text is None else text.ja if lang == "ja" else text.en
