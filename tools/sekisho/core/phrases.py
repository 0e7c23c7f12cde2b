"""What programs say that know only English (the checks, the RADIUS server's program, the system), in Japanese.

`{}` stands for whatever they put there. A sentence that is not here is told as it came.
"""

from __future__ import annotations

import re
from functools import cache

from sekisho.core.language import Both

PHRASES = {
    # audit/checks/test_terminal_health.py
    "there is no device key": "端末の秘密鍵がない",
    "the key belongs to {}": "秘密鍵の所有者が{}",
    "the key has mode {}: others can read it": "秘密鍵の権限が{}で、他の利用者も読める",
    "the supplicant does not run": "サプリカントが動いていない",
    "the supplicant would not start with the machine": "サプリカントが自動起動しない",
    "the profile {} is missing": "ネットワーク設定 {} がない",
    "the clock is {} s off": "時計が{}秒ずれている",
    "unexpected administrators: {}": "{}",
    "accounts with user id 0: {}": "ユーザID 0のアカウント: {}",
    "there is no device certificate": "端末証明書がない",
    "the device certificate was not signed by our CA": "端末証明書が本県の認証局のものではない",
    "the certificate bears the name {}": "証明書の名前が{}",
    "the certificate is another than the ledger has": "証明書が台帳のものと違う",
    "the certificate ends on {}": "証明書が{}に期限切れになる",
    "the certificate is not for the key here": "証明書が端末の秘密鍵と合わない",
    "{} does not run": "{}が動いていない",
    "{} would not start with the machine": "{}が自動起動しない",
    "rsyslog has no connection to the collector ({})": "rsyslogがログ収集サーバ({})に接続していない",
    "df did not answer for both folders": "空き容量を確認できない",
    "only {} MB are free on {}": "{1}の空きは{0} MBのみ",
    "not wholly installed: {}": "導入が完全でないパッケージ: {}",
    "not as it was packed: {}": "配布時と内容が違うファイル: {}",
    # audit/checks/test_terminal_rules.py
    "the host firewall's rules are not loaded": "端末のファイアウォールの規則が読み込まれていない",
    "not the rules of {}: the host firewall {}": "{}の規則と違う: {}",
    "the terminal has no profiles": "端末にネットワーク設定がない",
    "the profile {} {}": "ネットワーク設定 {} {}",
    "the service sekisho-profile does not run: a change of network would not be followed": (
        "sekisho-profileが動いておらず、ネットワークの切替えに追随できない"
    ),
    "the service sekisho-profile would not start with the machine": "sekisho-profileが自動起動しない",
    "it does not have its address {}": "割り当てられたアドレス{}がない",
    "a further address: {}": "余分なアドレスがある: {}",
    "a further network card is up: {}": "余分なネットワークカードが動いている: {}",
    # audit/checks/test_terminal_network.py
    "the business system does not answer": "業務システムが応答しない",
    "the internet answers from the LGWAN tier": "LGWAN接続系からインターネットに届く",
    "the LGWAN business system answers from probation": "確認用ネットワークからLGWAN接続系の業務システムに届く",
    "the My Number server answers": "マイナンバー利用事務系のサーバに届く",
    "the outside target of probation does not answer": "インターネット側の確認先が応答しない",
    "the open internet answers on probation": "確認中なのにインターネットに届く",
    "the profile in force is {}, expected {}": "適用中の設定は{}(正しくは{})",
    "the terminal could not try a connection": "端末から接続を試せなかった",
    "the terminal could not try a request: curl did not run": "端末でcurlが動かず、接続を試せなかった",
    # audit/checks/test_infrastructure.py, conftest.py
    "RADIUS says VLAN {}": "認証サーバではVLAN {}",
    "RADIUS knows of no live session": "認証サーバに現在の接続がない",
    "the certificate is revoked": "証明書が失効している",
    "RADIUS binds the MAC {}, the ledger has {}": "認証サーバのMACアドレスは{}、台帳は{}",
    "RADIUS binds another certificate than the ledger has": "認証サーバの証明書番号が台帳と違う",
    "no lease runs: it would stay on probation for good": "一時割当ての期限がなく、確認中のまま残ってしまう",
    "RADIUS has lease {}, the ledger {}": "割当て番号が認証サーバでは{}、台帳では{}",
    "a lease runs, of which the ledger does not know": "台帳にない一時割当てがある",
    "the router does not see it on {}: {} is {}": "中継ルータの{}側に見えない: {}は{}",
    "the router saw its MAC also on {}": "中継ルータが同じMACアドレスを別の場所でも見た: {}",
    "{} of {}, such as: {}": "{1}の通信が{0}件残っている。例: {2}",
    "the router does not even track our own connection to the terminal: it cannot be asked": (
        "中継ルータが管理用の通信すら記録しておらず、確認できない"
    ),
    "the router cannot be asked: {}": "中継ルータに確認できない: {}",
    "the server has no record of the terminal from before: its silence says nothing": (
        "業務サーバに移行前の記録がなく、記録がないことが証拠にならない"
    ),
    "the LGWAN server was reached from {}, {} times": "{}から業務サーバに{}回届いた",
    "the LGWAN server has a connection from {}": "業務サーバに{}からの接続がある",
    "a log line written just now has not arrived within 30 s": "今書いたログが30秒以内に届かなかった",
    "the router has no rules loaded": "中継ルータに規則が読み込まれていない",
    "the router has rules that the policy does not name: table {}": "中継ルータに方針にない規則がある: テーブル {}",
    "the RADIUS server does not know this terminal": "認証サーバがこの端末を知らない",
    "the check gave no answer": "検査から回答がなかった",
    "no reason given": "理由の記載なし",
    "{} ({}) did not answer: {}": "{}({})が応答しない: {}",
    # playbooks/roles/radius/files/sekisho_assign.py
    "{}: missing or malformed": "{}がないか、形式が違う",
    "the row says VLAN {}, lease {}: not what was expected": "認証サーバの現在値はVLAN {}、割当て番号{}で、想定と違う",
    "its certificate is revoked": "証明書が失効している",
    "a lease needs a new number and a duration of 1 to 86400 s": "一時割当てには新しい番号と1〜86400秒の期間が要る",
    "it is in VLAN {}, not in {}": "VLAN {}にいる({}ではない)",
    "the switch did not acknowledge the end of the old session": "スイッチが元の接続の切断を確認しなかった",
    "the switch was silent and it authenticated meanwhile: it goes back when the lease ends": (
        "スイッチが応答しない間に端末が認証し直した。一時割当ての終わりに元へ戻る"
    ),
    "sudo gave no answer for {}": "sudoが回答しなかった: {}",
    "the switch did not acknowledge; the port closes at the lease's end": (
        "スイッチが切断を確認しなかった。一時割当ての終わりにポートが閉じる"
    ),
    "revoked, but the switch did not acknowledge: pull the cable": (
        "失効させたが、スイッチが切断を確認しなかった。ケーブルを抜くこと"
    ),
    "unknown word {}": "知らない命令 {}",
    # the operating system
    "No such file or directory": "ファイルまたはフォルダがない",
    "Permission denied": "権限がない",
    "Operation not permitted": "許されていない操作",
    "Is a directory": "フォルダである",
    "Not a directory": "フォルダではない",
    "File exists": "同じ名前のものが既にある",
    "File name too long": "ファイル名が長すぎる",
    "No space left on device": "空き容量がない",
    "Disk quota exceeded": "割当て容量を超えた",
    "Read-only file system": "読取り専用のディスク",
    "Input/output error": "ディスクの読み書きに失敗した",
    # SQLite
    "database is locked": "他の命令が使用中",
    "database or disk is full": "空き容量がない",
    "disk I/O error": "ディスクの読み書きに失敗した",
    "unable to open database file": "データベースのファイルを開けない",
    "attempt to write a readonly database": "書き込む権限がない",
    "file is not a database": "データベースのファイルではない",
    "database disk image is malformed": "データベースが壊れている",
    # PyYAML and sekisho/core/yamlfile.py; csv
    "key {} stands twice": "項目 {} が二度ある",
    "aliases are not used in these files": "別名(*)は使えない",
    "could not find expected ':'": "「:」がない",
    "mapping values are not allowed here": "ここに「:」は書けない(字下げか引用符の誤り)",
    "expected <block end>, but found {}": "字下げか区切りが違う({}がある)",
    "expected ',' or {}, but got {}": "「,」か{}がない({}がある)",
    "expected the node content, but found {}": "値がない({}がある)",
    "found character {} that cannot start any token": "{}で始まる語は書けない",
    "found unexpected end of stream": "引用符が閉じていない",
    "found unknown escape character {}": "知らないエスケープ文字 {}",
    "could not determine a constructor for the tag {}": "タグ {} は使えない",
    "unexpected end of data": "引用符が閉じていない",
    "{} expected after {}": "{1} の後に {0} がない",
    # the command line (Typer)
    "Missing option {}.": "{} の指定がない",
    "Missing argument {}.": "{} の指定がない",
    "Missing command.": "命令の指定がない",
    "No such command {}.": "{} という命令はない",
    "No such command {}. Did you mean {}?": "{} という命令はない。{} の誤りではないか",
    "No such option: {}": "{} というオプションはない",
    "No such option: {} (Possible options: {})": "{} というオプションはない。近いもの: {}",
    "Option {} requires an argument.": "{} の後に値がない",
    "Got unexpected extra argument(s) ({})": "余分な語がある: {}",
    "Invalid value for {}: {} is not one of {}.": "{} に {} は指定できない。次のいずれか: {}",
    "Invalid value for {} (env var: {}): {} is not one of {}.": "{0} に {2} は指定できない。次のいずれか: {3}",
    "Invalid value for {} (env var: {}): {} {} is a file.": "{0} にはフォルダを指定する。{3} はファイル",
    "Invalid value for {}: path {} is not readable.": "{1} を読む権限がない",
    "Invalid value for {} (env var: {}): {}": "{0} の値が正しくない: {2}",
    "Invalid value for {}: {}": "{} の値が正しくない: {}",
    # sekisho/evidence
    "another kind of document": "別の種類の文書",
    "a field is of another kind": "項目の形式が違う",
    # sekisho/telemetry: why a line was set aside
    "not JSON: {}": "JSONではない: {}",
    "JSON, but not an object": "JSONだが、オブジェクトではない",
    "neither JSON, nor an audit record, nor a line of syslog": "JSONでも監査ログでもsyslogでもない",
    "not an audit record": "監査ログの形ではない",
    "the line is too long": "行が長すぎる",
    "the stream is broken: {}": "圧縮されたデータが壊れている: {}",
    "the event log is damaged: {}": "イベントログが壊れている: {}",
    "the event log is cut off": "イベントログが途中で切れている",
    "a damaged record: {}": "壊れたレコード: {}",
    "the spool holds octets that are not in base64: {}": "スプールにbase64ではないデータがある: {}",
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
