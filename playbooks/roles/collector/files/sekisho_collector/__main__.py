"""`serve` is the collector; `answer` is the forced command of control's key."""

import argparse
import sys
from pathlib import Path

from sekisho_collector import answer
from sekisho_collector.segments import LARGEST


def arguments(words):
    parser = argparse.ArgumentParser(prog="sekisho_collector")
    parser.add_argument("do", choices=("serve", "answer"))
    parser.add_argument("--spool", type=Path, default="/var/spool/sekisho", help="the folder of the segments")
    parser.add_argument("--status", type=Path, default="/run/sekisho-collector/durable", help="what is durable")
    parser.add_argument("--certificates", type=Path, default="/etc/sekisho/collector", help="server.key, .crt, ca.crt")
    parser.add_argument("--address", default="0.0.0.0")  # noqa: S104 - terminals of every tier come to it
    parser.add_argument("--relp", type=int, default=6514, help="TCP port")
    parser.add_argument("--lumberjack", type=int, default=5044, help="TCP port")
    parser.add_argument("--spare", type=int, default=0, help="bytes of the disk that are left to others")
    parser.add_argument("--segment", type=int, default=LARGEST, help="bytes after which a new segment is begun")
    parser.add_argument("--half", type=float, default=120.0, help="seconds in which what was begun must be finished")
    return parser.parse_args(words)


def main():
    options = arguments(sys.argv[1:])
    if options.do == "answer":
        return answer.main(options.spool, options.status)
    from sekisho_collector import serve  # noqa: PLC0415 - an answer must not wait for the server's libraries to load

    return serve.main(options)


if __name__ == "__main__":
    sys.exit(main())
