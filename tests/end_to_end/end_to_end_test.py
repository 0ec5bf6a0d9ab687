#!/usr/bin/env python3
"""The real programs together, on loopback, with a real file: what a user does, and what kills a night's work.

Usage: end_to_end_test.py BIN_FOLDER [unittest arguments]
"""

import csv
import io
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

BIN = None
PROXIES = "params,l2_norm,synflow,snip,zico,lswag"
DEADLINE_SECONDS = 240


def program(name):
    return str(BIN / name)


def wait_until(condition, what, seconds=DEADLINE_SECONDS):
    """Polls a condition of another process; fails after the deadline."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


class EndToEndTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="zcb_end_to_end_"))
        self.store = self.folder / "bench.db"
        self.server_file = self.folder / "server.json"
        self.children = []
        self.environment = {name: value for name, value in os.environ.items() if name != "ZCB_SERVER"}
        self.environment["HOME"] = str(self.folder)

    def tearDown(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.kill()
            child.wait()
        if self._outcome_failed():
            for log in sorted(self.folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()[-4000:]}", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _outcome_failed(self):
        result = self._outcome.result
        return any(test is self for test, _ in result.failures + result.errors)

    def start(self, name, *arguments):
        with open(self.folder / f"{name}-{len(self.children)}.log", "w") as log:
            child = subprocess.Popen([program(name), *arguments], stdout=log, stderr=log, cwd=self.folder, env=self.environment)
        self.children.append(child)
        return child

    def start_server(self, lease_seconds=5):
        self.server_file.unlink(missing_ok=True)
        server = self.start("zcbench-server", "--store", str(self.store), "--insecure", "--address-file", str(self.server_file),
                            "--lease-seconds", str(lease_seconds))
        wait_until(self.server_file.exists, "the server's address file", 30)
        self.address = json.loads(self.server_file.read_text())["address"]
        return server

    def start_worker(self, name):
        return self.start("zcbench-worker", "run", "--server", self.address, "--name", name, "--threads", "1",
                          "--spool", str(self.folder / f"{name}.spool"), "--cache", str(self.folder / "cache"))

    def zcbench(self, *arguments, expect=0):
        done = subprocess.run([program("zcbench"), *arguments, "--server", self.address], capture_output=True, text=True,
                              cwd=self.folder, env=self.environment, timeout=DEADLINE_SECONDS)
        self.assertEqual(done.returncode, expect, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def submit(self, count, *more):
        out = self.zcbench("submit", "--space", "nasbench201", "--task", "photos", "--proxies", PROXIES, "--count", str(count),
                           "--format", "json", *more)
        return json.loads(out)[0]

    def query(self, sql):
        connection = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def scores_recorded(self):
        return self.query("SELECT count(*) FROM score")[0][0]

    def table(self):
        rows = list(csv.DictReader(io.StringIO(self.zcbench("scores", "--format", "csv"))))
        return {(row["architecture"], row.get("seed", "")): row for row in rows}

    def assert_every_score_once(self, architectures, seeds):
        # params depends on neither seed nor images: once an architecture.
        expected = architectures * ((len(PROXIES.split(",")) - 1) * seeds + 1)
        self.assertEqual(self.scores_recorded(), expected)
        keys = self.query("SELECT count(*) FROM (SELECT DISTINCT s.proxy, s.version, s.seed, s.probe_batch, s.numerics, c.architecture "
                          "FROM score c JOIN series s ON s.id = c.series)")[0][0]
        self.assertEqual(keys, expected, "a key has more than one score")
        self.assertEqual(self.query("SELECT count(*) FROM score_conflict")[0][0], 0)
        self.assertEqual(self.query("SELECT count(*) FROM score WHERE outcome <> 1")[0][0], 0)

    def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(self):
        self.start_server()
        victim = self.start_worker("victim")
        job = self.submit(10, "--seeds", "0,1")
        wait_until(lambda: self.scores_recorded() > 0, "the first score")
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        self.assertLess(self.scores_recorded(), 10 * 11, "the worker was killed too late to prove anything")
        self.start_worker("heir")
        self.zcbench("watch", str(job["job"]))
        self.assert_every_score_once(architectures=10, seeds=2)
        self.assertEqual({worker for (worker,) in self.query("SELECT DISTINCT worker FROM execution")}, {"victim", "heir"})

        # The same text is the same job; a larger count computes only what is new.
        again = self.submit(10, "--seeds", "0,1")
        self.assertEqual(again["job"], job["job"])
        self.submit(12, "--seeds", "0,1", "--watch")
        self.assert_every_score_once(architectures=12, seeds=2)

        # The service's number is the scorer's number, to the last bit.
        (architecture, seed), row = sorted(self.table().items())[0]
        alone = subprocess.run([program("zcbench-worker"), "score", "--space", "nasbench201", "--task", "photos", "--seed", seed,
                                "--threads", "1", "--proxies", PROXIES, "--format", "json", architecture],
                               capture_output=True, text=True, env=self.environment, check=True)
        for score in json.loads(alone.stdout):
            self.assertEqual(float(row[score["proxy"]]), score["score"], score["proxy"])

    def test_a_server_killed_in_the_middle_goes_on_where_it_was(self):
        server = self.start_server()
        self.start_worker("steady")
        self.submit(8)
        wait_until(lambda: self.scores_recorded() > 0, "the first score")
        port = self.address.rsplit(":", 1)[1]
        server.send_signal(signal.SIGKILL)
        server.wait()
        self.server_file.unlink(missing_ok=True)
        self.start("zcbench-server", "--store", str(self.store), "--insecure", "--address-file", str(self.server_file), "--listen",
                   f"127.0.0.1:{port}", "--lease-seconds", "5")
        wait_until(self.server_file.exists, "the server's address file", 30)
        self.zcbench("watch")
        self.assert_every_score_once(architectures=8, seeds=1)

    def test_a_drained_worker_leaves_with_75_and_gives_its_work_back(self):
        self.start_server(lease_seconds=600)  # an expired lease cannot be what lets the other go on
        leaving = self.start_worker("leaving")
        self.submit(8)
        wait_until(lambda: self.scores_recorded() > 0, "the first score")
        leaving.send_signal(signal.SIGTERM)
        self.assertEqual(leaving.wait(timeout=60), 75)
        self.start_worker("staying")
        self.zcbench("watch")
        self.assert_every_score_once(architectures=8, seeds=1)

    def test_up_serves_a_session_and_down_ends_it(self):
        def run(*arguments):
            return subprocess.run([program("zcbench"), *arguments], capture_output=True, text=True, cwd=self.folder,
                                  env=self.environment, timeout=DEADLINE_SECONDS)

        up = run("up", "--store", str(self.store), "--threads", "1", "--detach")
        self.assertEqual(up.returncode, 0, up.stderr)
        try:
            self.assertIn("bench.db", up.stdout + up.stderr)
            done = run("submit", "--space", "autoformer_tiny", "--task", "photos", "--proxies", "params,l2_norm,dss", "--count", "3", "--watch")
            self.assertEqual(done.returncode, 0, done.stderr)
            scores = run("scores", "--format", "json")
            self.assertEqual(len(json.loads(scores.stdout)), 3)
            correlations = run("correlate", "--format", "csv")
            self.assertEqual(correlations.returncode, 0, correlations.stderr)
            self.assertIn("params", correlations.stdout)
            wrong = run("submit", "--space", "autoformer_tiny", "--task", "photos", "--proxies", "l2_nrm", "--count", "3")
            self.assertEqual(wrong.returncode, 2)
            self.assertIn("l2_norm", wrong.stderr)
        finally:
            down = run("down")
        self.assertEqual(down.returncode, 0, down.stderr)
        self.assertEqual(run("list", "jobs").returncode, 69)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
