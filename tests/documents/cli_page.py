#!/usr/bin/env python3
"""docs/cli.md: every command with what it really prints, from a session of the real programs on a new database.

Usage: cli_page.py BIN_FOLDER FAKE_SCORER docs/cli.md [--write]

Without --write the page must say what the programs say now, else the test fails and prints the difference. A command of
`zcbench --help` that has no line in SESSION fails too: adding a command is adding a line here, then --write. Scores come from a
stand-in for the scorer, so that no LibTorch is needed; everything else is real.
"""

import difflib
import itertools
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

# In the order in which they run. A text without `zcbench` in front is a headline with its sentence.
SESSION = [
    ("A server and its workers", "`zcbench up` needs no configuration; the database is a file of this folder."),
    "zcbench up --workers 1 --threads 1 --detach",
    ("Computing", "The same request is the same job, and what is stored is not computed again."),
    "zcbench submit --space nasbench201 --task cifar10 --count 24 --watch",
    "zcbench submit --space nasbench201 --task cifar10 --count 24 --proxies params,snip --seeds 0,1 --watch",
    "zcbench watch 1 --once",
    "zcbench watch 1 --format json",
    "zcbench why",
    "zcbench failures",
    "zcbench conflicts",
    ("What there is", "`--format csv` and `--format json` are for programs."),
    "zcbench list spaces",
    "zcbench list tasks",
    "zcbench list suites",
    "zcbench list proxies",
    "zcbench list jobs",
    "zcbench list series",
    "zcbench list probe-batches",
    ("Reading", "Each of these also reads a published file, with `--file`."),
    "zcbench scores 1",
    "zcbench scores 1 --proxies snip --format json",
    "zcbench correlate 1",
    "zcbench import accuracies truth.csv --space nasbench201 --task cifar10 --source example --licence CC0",
    "zcbench correlate 1 --against accuracy",
    "zcbench libra fit --space nasbench201 --task cifar10 --save example",
    "zcbench libra list",
    "zcbench search 1 --by synflow --evaluations 10 --searches 20",
    "zcbench layers nasbench201 cifar10 --count 4",
    "zcbench export --format sqlite -o benchmark.db",
    "zcbench scores --file benchmark.db --space nasbench201 --task cifar10 --proxies params",
    "zcbench list sources",
    "zcbench report 1 -o report.html",
    ("Keeping the database", "A backup is taken while the server runs; see [operations.md](operations.md#backup-and-restore)."),
    "zcbench store backup backup.db",
    "zcbench store check",
    "zcbench store copy sqlite:backup.db sqlite:copy.db",
    "zcbench store vacuum copy.db",
    "zcbench doctor",
    ("Running jobs", "All orders may be repeated, and none loses a score."),
    "zcbench audit 1 --fraction 0.1 --no-watch",
    "zcbench pause 3",
    "zcbench watch 3 --once",
    "zcbench resume 3",
    "zcbench stop 3",
    "zcbench cancel 3",
    ("Other people and machines", "The server file is the right to use a server."),
    "zcbench access --role reader",
    "zcbench workers",
    "zcbench workers --format json",
    "zcbench drain HOST-1",
    "zcbench down",
    ("When something is wrong", "An error is one line: what is wrong, and what to do."),
    "zcbench list jobs",
    "zcbench submit --space nasbench21 --task cifar10 --count 24",
    "zcbench correlat",
]

# The one rule of what differs from run to run. In this order, on standard output and error alike.
MASKS = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-01-01T00:00:00Z"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "2026-01-01 00:00"),
    (r"valid until \d{4}-\d\d-\d\d", "valid until 2036-01-01"),
    (r"\b\d+ bytes", "1000000 bytes"),
    (r"\b\d+(\.\d)? [KMGT]iB", "1.0 GiB"),
    (r"(file system +)\w+$", r"\g<1>ext4"),
    (r"\bdone in [\d.]+m?s", "done in 20ms"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:7700"),
    (r"\bprocess \d+", "process 4242"),
    (r"\bunder 1 s\b|\b\d+ s\b|\b\d+ min \d\d s\b", "1 s"),
    (r"(rate\": ?)[\d.e-]+", r"\g<1>0.5"),
    (r"\b\d+\.\d+/(s|min|h)\b", "2.0/s"),
]

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

HEAD = """# The commands, and what they print

Made by [`tests/documents/cli_page.py`](../tests/documents/cli_page.py) from a session of the real programs in an empty folder, and compared by a test with what they
print now. Scores are made up by a stand-in for the scorer, so nothing follows from their values. Times, ports, process numbers, rates, sizes of files, the machine's
name and the folder's are masked, and the lines of progress of `--watch` are left out. Options are in `zcbench COMMAND --help`.
"""


class Session:
    def __init__(self, bin_folder, scorer):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="zcb_cli_page_"))
        programs = self.folder / "bin"
        programs.mkdir()
        # Copies, since a worker takes the scorer that lies beside it.
        for source, name in [(bin_folder / n, n) for n in ("zcbench", "zcbench-server", "zcbench-worker")] + [(scorer, "zcbench-scorer")]:
            try:
                os.link(source, programs / name)
            except OSError:
                shutil.copy(source, programs / name)
        self.work = self.folder / "bench"
        self.work.mkdir()
        self.host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("ZCB_")}
        self.environment.update(PATH=f"{programs}:{os.environ['PATH']}", HOME=str(self.folder), ZCB_FAKE_SPACE="nasbench201", COLUMNS="120")
        # An accuracy for every architecture of the space, better with more of its digits' sum.
        cells = itertools.product(range(5), repeat=6)
        rows = "".join("{}_{}{}_{}{}{},{:.2f}\n".format(*cell, 60 + sum(cell) + i * 7919 % 97 / 20) for i, cell in enumerate(cells))
        (self.work / "truth.csv").write_text("architecture,accuracy\n" + rows)

    def await_worker(self):
        """Until the first worker has connected: a command before it would say that it waits."""
        end = time.monotonic() + 30
        while "idle" not in self.run("zcbench workers") and time.monotonic() < end:
            time.sleep(0.05)

    def run(self, command):
        done = subprocess.run(command.replace("HOST", self.host), shell=True, cwd=self.work, env=self.environment, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = done.stdout
        if "--watch" in command:  # how many are done when it looks is chance
            text = re.sub(r"^job \d+  \d+/\d+ .*\n", "", text, flags=re.MULTILINE)
        return self.mask(text) + (f"(exit code {done.returncode})\n" if done.returncode else "")

    def mask(self, text):
        text = text.replace(str(self.work), "~/bench").replace(str(REPOSITORY), "~/zcbench").replace(self.host, "HOST")
        for pattern, replacement in MASKS:
            text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        return text

    def close(self):
        subprocess.run(["zcbench", "down"], cwd=self.work, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)


def make_page(session):
    page = HEAD
    for entry in SESSION:
        if isinstance(entry, tuple):
            page += f"\n## {entry[0]}\n\n{entry[1]}\n"
        else:
            page += f"\n```console\n$ {entry}\n{session.run(entry)}```\n"
            if entry.startswith("zcbench up"):
                session.await_worker()
    return page


def missing_commands(session):
    listed = session.run("zcbench --help").split("Subcommands:\n")[1].split("\n\n")[0]
    commands = re.findall(r"^  ([a-z][a-z-]*) ", listed, re.MULTILINE)
    shown = {entry.split()[1] for entry in SESSION if isinstance(entry, str)}
    return [command for command in commands if command not in shown]


def lines(text):
    """What is compared: columns may be wider elsewhere, since names are."""
    return [re.sub(r"  +|-{3,}", " ", line).rstrip() for line in text.splitlines()]


def main(bin_folder, scorer, page, *options):
    session = Session(pathlib.Path(bin_folder).resolve(), pathlib.Path(scorer).resolve())
    try:
        missing = missing_commands(session)
        if missing:
            sys.exit(f"no line in SESSION of {__file__} for: {', '.join(missing)}")
        made = make_page(session)
    finally:
        session.close()
    page = pathlib.Path(page)
    if "--write" in options:
        page.write_text(made)
        return
    difference = list(difflib.unified_diff(lines(page.read_text()), lines(made), "docs/cli.md", "what the programs say", lineterm=""))
    if difference:
        print("\n".join(difference))
        sys.exit("docs/cli.md is stale: run this again with --write, and read what has changed")


if __name__ == "__main__":
    main(*sys.argv[1:])
