"""Run every command that the README shows (lines that begin with '$ ' in its console blocks); fail where one fails.

Commands run in the clone, in order, with the environment's programs first on PATH. A command followed by '# exit N' must
exit with N.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def commands(text: str) -> list[tuple[str, int]]:
    """The commands of the console blocks, with the exit code each must have."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, expected = line[2:].partition("  # exit ")
                found.append((command, int(expected or 0)))
    return found


def main() -> int:
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    failed = 0
    wanted = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    for command, expected in wanted:
        if command.split()[:2] in (["git", "clone"], ["make", "test"]) or command.startswith("cd "):
            continue  # this script runs inside the clone, and after 'make test'
        done = subprocess.run(
            command, shell=True, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        print(f"{'ok  ' if done.returncode == expected else 'FAIL'} {command}")
        if done.returncode != expected:
            failed += 1
            print(done.stdout[-2000:], done.stderr[-2000:])
    if not wanted:
        print("the README shows no command")
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
