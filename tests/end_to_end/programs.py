"""For tests of the real programs on loopback with a real file: starts them, asks them, and says what they were doing on failure."""

import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

DEADLINE_SECONDS = 240
LOG_CHARACTERS = 20_000  # of each program, on failure


def wait_until(condition, what, seconds=DEADLINE_SECONDS):
    """Polls a condition of another process; fails after the deadline."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


class ProgramsTest(unittest.TestCase):
    """A test with a folder, a store, and programs of BIN that end with it."""

    BIN = None  # the folder of the programs, set by main

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="zcb_programs_"))
        self.store = self.folder / "bench.db"
        self.server_file = self.folder / "server.json"
        self.address = ""
        self.children = []
        self.environment = {name: value for name, value in os.environ.items() if name != "ZCB_SERVER"}
        self.environment["HOME"] = str(self.folder)

    def tearDown(self):
        failed = any(test is self or getattr(test, "test_case", None) is self
                     for test, _ in self._outcome.result.failures + self._outcome.result.errors)
        if failed:
            self.say_what_is()  # before the programs end
        for child in reversed(self.children):
            if child.poll() is None:
                child.kill()
            child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def say_what_is(self):
        """The state of everything, on the error stream."""
        for child in self.children:
            print(f"--- {' '.join(child.args)}: {'runs' if child.poll() is None else f'exit {child.returncode}'}", file=sys.stderr)
        for table in ("job", "work_unit", "position_failure", "score_conflict"):
            try:
                columns = [row[1] for row in self.query(f"PRAGMA table_info({table})")]
                rows = self.query(f"SELECT * FROM {table} LIMIT 20")
                print(f"--- {table}: {columns}", *rows, sep="\n", file=sys.stderr)
            except sqlite3.Error as error:
                print(f"--- {table}: {error}", file=sys.stderr)
        print(f"--- now: {time.time() * 1e6:.0f} us", file=sys.stderr)
        for log in sorted(self.folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-LOG_CHARACTERS:]}", file=sys.stderr)

    @classmethod
    def program(cls, name):
        return str(cls.BIN / name)

    def start(self, name, *arguments, environment=None, **options):
        with open(self.folder / f"{len(self.children):02}-{name}.log", "w") as log:
            child = subprocess.Popen([self.program(name), *arguments], stdout=log, stderr=log, cwd=self.folder,
                                     env={**self.environment, **(environment or {})}, **options)
        self.children.append(child)
        return child

    def start_server(self, lease_seconds=5, *more, insecure=True):
        """Started again it listens where it did, so that its clients find it."""
        self.server_file.unlink(missing_ok=True)
        listen = ["--listen", self.address] if self.address else []
        server = self.start("zcbench-server", "--store", str(self.store), *(["--insecure"] if insecure else []), "--address-file",
                            str(self.server_file), "--lease-seconds", str(lease_seconds), *listen, *more)
        wait_until(lambda: self.server_file.exists() or server.poll() is not None, "the server's address file", 30)
        self.assertIsNone(server.poll(), "the server did not start")
        self.address = json.loads(self.server_file.read_text())["address"]
        return server

    def start_worker(self, name, *more, server=None, environment=None):
        return self.start("zcbench-worker", "run", "--server", server or self.address, "--name", name, "--threads", "1", "--spool",
                          str(self.folder / f"{name}.spool"), "--cache", str(self.folder / "cache"), *more, environment=environment)

    def run_zcbench(self, *arguments, environment=None):
        """Exit code, output and messages of a command."""
        return subprocess.run([self.program("zcbench"), *arguments], capture_output=True, text=True, cwd=self.folder,
                              env={**self.environment, **(environment or {})}, timeout=DEADLINE_SECONDS)

    def zcbench(self, *arguments, expect=0):
        """The output of a command about the server; fails with all that it said."""
        try:
            done = self.run_zcbench(*arguments, "--server", self.address)
        except subprocess.TimeoutExpired as late:
            self.fail(f"zcbench {' '.join(arguments)} goes on after {DEADLINE_SECONDS} s: {late.stdout} {late.stderr}\n"
                      + self.run_zcbench("why", "--server", self.address).stdout)
        self.assertEqual(done.returncode, expect, f"zcbench {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def query(self, sql):
        connection = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def scores_recorded(self):
        return self.query("SELECT count(*) FROM score")[0][0]

    def assert_scores_once(self, expected):
        """So many scores with a value, each under a key of its own, and none that differed."""
        self.assertEqual(self.scores_recorded(), expected)
        keys = self.query("SELECT count(*) FROM (SELECT DISTINCT s.space, s.task, s.proxy, s.version, s.seed, s.probe_batch, s.numerics, "
                          "c.architecture FROM score c JOIN series s ON s.id = c.series)")[0][0]
        self.assertEqual(keys, expected, "a key has more than one score")
        self.assertEqual(self.query("SELECT count(*) FROM score_conflict")[0][0], 0)
        self.assertEqual(self.query("SELECT count(*) FROM score WHERE outcome <> 1")[0][0], 0)


def main(usage):
    """What every test program does with its arguments; returns those that come before unittest's."""
    names = usage.split()
    if len(sys.argv) <= len(names):
        sys.exit(f"usage: {sys.argv[0]} {usage} [unittest arguments]")
    paths = [pathlib.Path(sys.argv.pop(1)).resolve() for _ in names]
    ProgramsTest.BIN = paths[0]
    return paths[1:]
