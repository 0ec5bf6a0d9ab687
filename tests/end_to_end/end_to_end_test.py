#!/usr/bin/env python3
"""The real programs together, on loopback, with a real file: what a user does, and what kills a night's work.

Usage: end_to_end_test.py BIN_FOLDER [unittest arguments]
"""

import csv
import io
import json
import signal
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
from programs import ProgramsTest, main, wait_until  # noqa: E402, beside this file

PROXIES = "params,l2_norm,synflow,snip,zico,lswag"


class EndToEndTest(ProgramsTest):
    def submit(self, count, *more):
        out = self.zcbench("submit", "--space", "nasbench201", "--task", "photos", "--proxies", PROXIES, "--count", str(count),
                           "--format", "json", *more)
        return json.loads(out)[0]

    def table(self):
        rows = list(csv.DictReader(io.StringIO(self.zcbench("scores", "--format", "csv"))))
        return {(row["architecture"], row.get("seed", "")): row for row in rows}

    def assert_every_score_once(self, architectures, seeds):
        # params depends on neither seed nor images: once an architecture.
        expected = architectures * ((len(PROXIES.split(",")) - 1) * seeds + 1)
        self.assert_scores_once(expected)

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
        alone = subprocess.run([self.program("zcbench-worker"), "score", "--space", "nasbench201", "--task", "photos", "--seed", seed,
                                "--threads", "1", "--proxies", PROXIES, "--format", "json", architecture],
                               capture_output=True, text=True, env=self.environment, check=True)
        for score in json.loads(alone.stdout):
            self.assertEqual(float(row[score["proxy"]]), score["score"], score["proxy"])

    def test_a_server_killed_in_the_middle_goes_on_where_it_was(self):
        server = self.start_server()
        self.start_worker("steady")
        self.submit(8)
        wait_until(lambda: self.scores_recorded() > 0, "the first score")
        server.send_signal(signal.SIGKILL)
        server.wait()
        self.start_server()
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
        run = self.run_zcbench
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
    main("BIN_FOLDER")
    unittest.main()
