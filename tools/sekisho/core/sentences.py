"""Every reason that Sekisho gives: its code, its sentence in Japanese and English, and what to do next."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Codes never change their meaning, for records name them; one that is no longer given stays here."""

    # A terminal's way
    IMPORTED = "imported"
    FACTS_CHANGED = "facts-changed"
    IN_WAVE = "in-wave"
    PLANNED_ANEW = "planned-anew"
    TAKEN_UP_AGAIN = "taken-up-again"
    INTERRUPTED = "interrupted"
    GATE_PASSED = "gate-passed"
    OUT_OF_REACH = "out-of-reach"
    CHECK_FAILED = "check-failed"
    CHECK_SILENT = "check-silent"
    PLAYBOOK_DONE = "playbook-done"
    PLAYBOOK_FAILED = "playbook-failed"
    PLAYBOOK_OUT_OF_REACH = "playbook-out-of-reach"
    PLAYBOOK_SILENT = "playbook-silent"
    CROSSING_BEGINS = "crossing-begins"
    SESSION_ENDED = "session-ended"
    STAYED = "stayed"
    SILENT_ON_PROBATION = "silent-on-probation"
    CONFIRMATION_BEGINS = "confirmation-begins"
    CONFIRMED = "confirmed"
    BY_HAND = "rolled-back-by-hand"
    CONFIRMED_BEFORE = "confirmed-before-interruption"
    TOO_LATE = "confirmation-too-late"
    MADE_CLEAN = "made-clean"
    RELEASED = "released"
    NOT_RELEASED = "not-released"
    # Why a wave does not begin, or stops
    NO_COUNTERSIGNATURE = "no-countersignature"
    COUNTERSIGNATURE_REPLACED = "countersignature-replaced"
    VERDICT_NO = "auditor-verdict-no"
    COUNTERSIGNATURE_EXPIRED = "countersignature-expired"
    POLICIES_CHANGED = "policies-changed"
    NOT_AN_AUDITOR = "not-an-auditor-key"
    OUR_OWN_KEY = "key-signed-our-records"
    FOREIGN_PACK = "pack-of-another-state"
    EMPTY_PACK = "pack-empty"
    HEAD_ELSEWHERE = "pack-head-not-on-chain"
    AUDITORS_CHANGED = "auditor-keys-changed"
    FREEZE = "freeze"
    ROUTER_DIFFERS = "router-differs"
    TOO_MANY_FAILED = "too-many-failed"
    TOO_MANY_AWAY = "too-many-out-of-reach"
    # Where RADIUS and the ledger differ
    RADIUS_HAS_DEVICE = "radius-has-device"
    RADIUS_LACKS = "radius-lacks-terminal"
    LEDGER_LACKS = "ledger-lacks-terminal"
    OTHER_VLAN = "radius-other-vlan"
    OTHER_MAC = "radius-other-mac"
    OTHER_CERTIFICATE = "radius-other-certificate"
    UNKNOWN_LEASE = "radius-unknown-lease"
    RADIUS_NOT_ASKED = "radius-not-asked"
    RADIUS_SILENT = "radius-silent"


_C = Code
SENTENCES: dict[Code, tuple[str, str]] = {
    _C.IMPORTED: ("端末台帳「{file}」から取込み", "imported from {file}"),
    _C.FACTS_CHANGED: ("台帳の変更: {columns}", "the ledger changed: {columns}"),
    _C.IN_WAVE: ("ウェーブ {wave} に割当て", "put into wave {wave}"),
    _C.PLANNED_ANEW: ("計画の作り直し", "planned anew"),
    _C.TAKEN_UP_AGAIN: ("再実行の対象", "taken up again"),
    _C.INTERRUPTED: ("前回の実行がここで中断した", "an earlier run was interrupted here"),
    _C.GATE_PASSED: ("{gate}に合格", "passed the {gate}"),
    _C.OUT_OF_REACH: ("{gate}の時点で応答なし", "out of reach at the {gate}"),
    _C.CHECK_FAILED: ("{gate}「{fact}」に不合格: {detail}", "the {gate} failed: “{fact}”: {detail}"),
    _C.CHECK_SILENT: ("{gate}「{fact}」は未評価: {detail}", "the {gate} could not evaluate “{fact}”: {detail}"),
    _C.PLAYBOOK_DONE: ("{stage}が完了", "{stage} is done"),
    _C.PLAYBOOK_FAILED: ("{stage}が失敗: {said}", "{stage} failed: {said}"),
    _C.PLAYBOOK_OUT_OF_REACH: ("{stage}の途中で応答なし: {said}", "out of reach during {stage}: {said}"),
    _C.PLAYBOOK_SILENT: ("{stage}の結果が得られなかった: {said}", "{stage} said nothing of this terminal: {said}"),
    _C.CROSSING_BEGINS: ("移行に着手", "crossing begins"),
    _C.SESSION_ENDED: ("元の接続の切断をスイッチが確認", "the switch acknowledged the old session's end"),
    _C.STAYED: ("LGWAN接続系にとどまった: {said}", "stayed in the LGWAN tier: {said}"),
    _C.SILENT_ON_PROBATION: ("確認用ネットワークで応答がなかった", "did not answer on probation"),
    _C.CONFIRMATION_BEGINS: ("確定に着手", "confirmation begins"),
    _C.BY_HAND: ("手動で取消し", "rolled back by hand"),
    _C.CONFIRMED: ("移行を確定", "confirmed"),
    _C.CONFIRMED_BEFORE: ("中断の前に確定していた", "confirmed before the interruption"),
    _C.TOO_LATE: ("確定が期限に間に合わなかった: {said}", "the confirmation came too late: {said}"),
    _C.MADE_CLEAN: ("{how}(確認: {by})", "{how}; {by} answers for it"),
    _C.RELEASED: ("隔離を解除し、LGWAN接続系に戻した", "released from quarantine to the LGWAN tier"),
    _C.NOT_RELEASED: ("隔離を解除できなかった: {said}", "not released: {said}"),
    _C.NO_COUNTERSIGNATURE: (
        "外部確認がない: この環境の証跡パックに外部監査人の副署がない",
        "no outside confirmation: no auditor has countersigned a pack of this state",
    ),
    _C.COUNTERSIGNATURE_REPLACED: (
        "記録{record}番の副署が、受理したものと違う",
        "the countersignature of record {record} is not the one that was accepted",
    ),
    _C.VERDICT_NO: ("外部監査人の判定は「否」", "the auditor's verdict is no"),
    _C.COUNTERSIGNATURE_EXPIRED: ("副署の有効期限({day})が切れた", "the countersignature expired on {day}"),
    _C.POLICIES_CHANGED: (
        "外部監査人が確認した後に policies/ が変更された",
        "the policies have changed since the auditor saw them",
    ),
    _C.NOT_AN_AUDITOR: ("鍵 {key} は監査人の鍵ではない", "{key} is not one of the auditor keys"),
    _C.OUR_OWN_KEY: ("副署の鍵が当方の記録にも署名している", "its key has signed our own records"),
    _C.FOREIGN_PACK: (
        "別の環境の証跡パックである(署名鍵が当方のものでない)",
        "the pack is another state's: its signer is not ours",
    ),
    _C.EMPTY_PACK: ("証跡パックが空である", "the pack is empty"),
    _C.HEAD_ELSEWHERE: ("証跡パックの末尾がこの記録の連鎖上にない", "the pack's head does not lie on this chain"),
    _C.AUDITORS_CHANGED: (
        "証跡パックの作成後に監査人の鍵が変更された(記録{record}番)",
        "the auditor keys were changed after the pack was made (record {record})",
    ),
    _C.FREEZE: ("移行停止期間({first}〜{last}): {why}", "no crossing between {first} and {last}: {why}"),
    _C.ROUTER_DIFFERS: ("中継ルータの設定が方針と違う: {line}", "the router differs from the policy: {line}"),
    _C.TOO_MANY_FAILED: (
        "{size}台のうち{count}台が不可または復帰(方針の上限は{allowed}台)",
        "{count} of {size} terminals failed, the policy allows {allowed}",
    ),
    _C.TOO_MANY_AWAY: (
        "{size}台のうち{count}台が応答なし(方針の上限は{allowed}台)",
        "{count} of {size} terminals are out of reach, the policy allows {allowed}",
    ),
    _C.RADIUS_HAS_DEVICE: (
        "{asset}: 802.1X非対応機器なのに認証サーバに証明書の行がある",
        "{asset}: has a certificate's row although it is a device without 802.1X",
    ),
    _C.RADIUS_LACKS: ("{asset}: 認証サーバの表にない", "{asset}: is not in the RADIUS table"),
    _C.LEDGER_LACKS: (
        "{asset}: 認証サーバの表にあるが台帳にない",
        "{asset}: is in the RADIUS table but not in the ledger",
    ),
    _C.OTHER_VLAN: (
        "{asset}: 認証サーバはVLAN {vlan}、台帳は{tier}(VLAN {expected})",
        "{asset}: RADIUS gives VLAN {vlan}, the ledger says {tier} (VLAN {expected})",
    ),
    _C.OTHER_MAC: (
        "{asset}: 認証サーバのMACアドレスは{mac}、台帳は{expected}",
        "{asset}: RADIUS binds the MAC {mac}, the ledger says {expected}",
    ),
    _C.OTHER_CERTIFICATE: (
        "{asset}: 認証サーバの証明書が台帳と違う",
        "{asset}: RADIUS binds another certificate than the ledger",
    ),
    _C.UNKNOWN_LEASE: (
        "{asset}: 台帳にない一時割当てがあと{seconds}秒続く",
        "{asset}: a lease runs for another {seconds} s, the ledger knows of none",
    ),
    _C.RADIUS_NOT_ASKED: ("認証サーバに問い合わせていない(--offline)", "RADIUS was not asked (--offline)"),
    _C.RADIUS_SILENT: ("認証サーバに問い合わせできない: {said}", "RADIUS could not be asked: {said}"),
}

_RETRY = (
    "原因を調べて直し、`sekisho migrate --retry` で再度移行する",
    "find and mend the cause, then cross it again by `sekisho migrate --retry`",
)
_SWITCH = (
    "スイッチのポートとケーブルを確認し、`sekisho migrate --retry` で再度移行する",
    "look at the switch's port and the cable, then `sekisho migrate --retry`",
)
_POWER = (
    "電源とケーブルを確認し、同じ `sekisho migrate` をもう一度実行する",
    "switch it on, look at its cable, and run the same `sekisho migrate` again",
)
_NEW_CONFIRMATION = (
    "`sekisho pack build` で証跡パックを作り、外部監査人の副署を `sekisho auditor accept` で受理する",
    "build a pack by `sekisho pack build`, have an auditor countersign it, and accept that by `sekisho auditor accept`",
)
NEXT: dict[str, tuple[str, str]] = {
    _C.OUT_OF_REACH: _POWER,
    _C.PLAYBOOK_OUT_OF_REACH: _POWER,
    _C.CHECK_FAILED: ("{remedy}", "{remedy}"),
    _C.CHECK_SILENT: (
        "端末と確認先の機器が応答するか確認し、`sekisho migrate --retry` で再度移行する",
        "see that the terminal and the machine asked both answer, then `sekisho migrate --retry`",
    ),
    _C.PLAYBOOK_FAILED: _RETRY,
    _C.PLAYBOOK_SILENT: _RETRY,
    _C.STAYED: _SWITCH,
    _C.SILENT_ON_PROBATION: _SWITCH,
    _C.TOO_LATE: _RETRY,
    _C.INTERRUPTED: ("同じ `sekisho migrate` をもう一度実行する", "run the same `sekisho migrate` again"),
    _C.NOT_RELEASED: (
        "スイッチを確認し、もう一度 `sekisho release` を実行する",
        "look at the switch, and run `sekisho release` again",
    ),
    **dict.fromkeys(
        (
            _C.NO_COUNTERSIGNATURE,
            _C.COUNTERSIGNATURE_REPLACED,
            _C.COUNTERSIGNATURE_EXPIRED,
            _C.POLICIES_CHANGED,
            _C.AUDITORS_CHANGED,
            _C.NOT_AN_AUDITOR,
            _C.FOREIGN_PACK,
            _C.EMPTY_PACK,
            _C.HEAD_ELSEWHERE,
            _C.OUR_OWN_KEY,
        ),
        _NEW_CONFIRMATION,
    ),
    _C.VERDICT_NO: ("外部監査人の指摘を直し、改めて副署を受ける", "mend what the auditor found, and ask again"),
    _C.ROUTER_DIFFERS: (
        "変更の理由を確かめ、`sekisho network apply` で方針に合わせる",
        "find out why, and lead the router to the policy by `sekisho network apply`",
    ),
}
