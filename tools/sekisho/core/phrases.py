"""What programs say that know only English (the checks' assertions, the RADIUS server's program), in Japanese.

`{}` stands for whatever they put there. A sentence that is not here is told as it came.
"""

from __future__ import annotations

import re
from functools import cache

from sekisho.core.language import Both

PHRASES = {
    # audit/checks/test_terminal_health.py
    "the certificate is missing or ends within 7 days: {}": "証明書がないか、7日以内に期限が切れる: {}",
    "the certificate bears another name: {}": "証明書の名前が違う: {}",
    "there is no device key": "端末の秘密鍵がない",
    "the key belongs to {}": "秘密鍵の所有者が{}",
    "the key has mode {}: others can read it": "秘密鍵の権限が{}で、他の利用者も読める",
    "the supplicant does not run": "サプリカントが動いていない",
    "the supplicant would not start with the machine": "サプリカントが自動起動しない",
    "the profile {} is missing": "ネットワーク設定 {} がない",
    "no input chain drops by default": "着信を既定で拒否する規則がない",
    "rsyslog does not run": "rsyslogが動いていない",
    "only {} MB are free": "空きは{} MBのみ",
    "the clock is {} s off": "時計が{}秒ずれている",
    "dpkg names faults: {}": "dpkgが異常を報告: {}",
    "unexpected administrators: {}": "{}",
    "accounts with user id 0: {}": "ユーザID 0のアカウント: {}",
    # audit/checks/test_terminal_network.py
    "the business system does not answer": "業務システムが応答しない",
    "the internet answers from the LGWAN tier": "LGWAN接続系からインターネットに届く",
    "the LGWAN business system answers from probation": "確認用ネットワークからLGWAN接続系の業務システムに届く",
    "the My Number server answers": "マイナンバー利用事務系のサーバに届く",
    "the outside target of probation does not answer": "インターネット側の確認先が応答しない",
    "the open internet answers on probation": "確認中なのにインターネットに届く",
    "addresses: {}": "アドレス: {}",
    "the profile in force is {}, expected {}": "適用中の設定は{}(正しくは{})",
    # audit/checks/test_infrastructure.py, conftest.py
    "RADIUS says VLAN {}": "認証サーバではVLAN {}",
    "RADIUS knows of no live session": "認証サーバに現在の接続がない",
    "the certificate is revoked": "証明書が失効している",
    "RADIUS binds the MAC {}": "認証サーバのMACアドレスは{}",
    "RADIUS binds another certificate": "認証サーバの証明書番号が違う",
    "the router does not see it on {}": "中継ルータの{}側に端末が見えない",
    "the router saw it on {}": "中継ルータが別の系統で端末を見た: {}",
    "{} connections are still tracked: {}": "通信が{}件残っている: {}",
    "the LGWAN server was reached from {}": "{}から業務サーバに届いた",
    "no log line has ever arrived": "ログが一度も届いていない",
    "the last log line arrived {} s ago": "最後のログは{}秒前",
    "{}: the router's forward chain does not drop by default": "{}: 中継ルータの転送が既定で拒否になっていない",
    "the RADIUS server does not know this terminal": "認証サーバがこの端末を知らない",
    "the check gave no answer": "検査から回答がなかった",
    "no reason given": "理由の記載なし",
    "{} did not answer: {}": "{}が応答しない: {}",
    # playbooks/roles/radius/files/sekisho_assign.py
    "{}: missing or malformed": "{}がないか、形式が違う",
    "the row says VLAN {}, lease {}: not what was expected": "認証サーバの現在値はVLAN {}、割当て番号{}で、想定と違う",
    "its certificate is revoked": "証明書が失効している",
    "a lease needs a new number and a duration of 1 to 86400 s": "一時割当てには新しい番号と1〜86400秒の期間が要る",
    "it is in VLAN {}, not in {}": "VLAN {}にいる({}ではない)",
    "the switch did not acknowledge the end of the old session": "スイッチが元の接続の切断を確認しなかった",
    "the switch did not acknowledge; the port closes at the lease's end": (
        "スイッチが切断を確認しなかった。一時割当ての終わりにポートが閉じる"
    ),
    "revoked, but the switch did not acknowledge: pull the cable": (
        "失効させたが、スイッチが切断を確認しなかった。ケーブルを抜くこと"
    ),
    "unknown word {}": "知らない命令 {}",
}


def both(text: str) -> Both:
    """`text`, as a program said it, in both languages."""
    for pattern, ja in _patterns():
        if found := pattern.fullmatch(text):
            return Both(ja.format(*found.groups()), text)
    return Both(text, text)


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    # The sentence with the most words of its own is tried first: "{}: ..." would match nearly anything.
    order = sorted(PHRASES, key=lambda en: len(en.replace("{}", "")), reverse=True)
    return [(re.compile("(.*?)".join(map(re.escape, en.split("{}"))), re.DOTALL), PHRASES[en]) for en in order]
