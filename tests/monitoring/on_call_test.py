#!/usr/bin/env python3
"""What a person on call has: real programs on loopback, with a stand-in for the scorer.

Usage: on_call_test.py BIN_FOLDER FAKE_SCORER SOURCE_FOLDER [unittest arguments]
"""

import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

BIN = SCORER = SOURCE = None
DEADLINE_SECONDS = 60
CRASHING = "3_33_133"


def wait_until(condition, what):
    """Polls a condition of another process; fails after the deadline."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {DEADLINE_SECONDS} s")


def parse_page(text):
    """Metric of ours -> (type, its labels); the labels of a metric without samples are None."""
    types = dict(re.findall(r"^# TYPE (zcbench_\w+) (\w+)$", text, re.MULTILINE))
    labels = dict.fromkeys(types)
    for name, inner in re.findall(r"^(zcbench_\w+)(?:\{(.*)\})? \S+$", text, re.MULTILINE):
        base = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
        labels[base] = tuple(sorted(set(re.findall(r'(\w+)="', inner)) - {"le"}))
    return {name: (types[name], labels[name]) for name in types}


def value(page, sample):
    found = re.search(rf"^{re.escape(sample)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else None


class OnCallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="zcb_on_call_"))
        cls.environment = {name: v for name, v in os.environ.items() if not name.startswith(("ZCB_", "SLURM_"))}
        cls.environment.update(HOME=str(cls.folder), ZCB_FAKE_SPACE="nasbench201", ZCB_FAKE_FAULTS=f"{CRASHING}=abort")
        cls.children = []
        try:
            cls.start("zcbench-server", "--store", "bench.db", "--metrics-port", "0")
            cls.server_log = cls.folder / "zcbench-server-0.log"
            wait_until((cls.folder / "zcbench.server.json").exists, "the server file")
            cls.server_page = cls.page_of(cls.server_log)
            cls.start("zcbench-worker", "run", "--server-file", "zcbench.server.json", "--name", "gpu-3", "--scorer", str(SCORER), "--spool",
                      "spool", "--metrics-port", "0", "--available-for", "2h")
            cls.worker_log = cls.folder / "zcbench-worker-1.log"
            cls.worker_page = cls.page_of(cls.worker_log)
            # One architecture crashes its scorer three times; the others are computed.
            done = cls.zcbench("submit", "--space", "nasbench201", "--task", "cifar10", "--watch", CRASHING, "0_00_000", "1_11_111", "2_22_222")
            assert done.returncode == 1, done.stderr
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        for child in reversed(cls.children):
            child.kill()
            child.wait()
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def start(cls, name, *arguments):
        with open(cls.folder / f"{name}-{len(cls.children)}.log", "w") as log:
            child = subprocess.Popen([BIN / name, *arguments], stdout=log, stderr=log, cwd=cls.folder, env=cls.environment)
        cls.children.append(child)
        return child

    @classmethod
    def zcbench(cls, *arguments):
        return subprocess.run([BIN / "zcbench", *arguments], capture_output=True, text=True, cwd=cls.folder, env=cls.environment,
                              timeout=DEADLINE_SECONDS)

    @staticmethod
    def page_of(log):
        line = wait_until(lambda: re.search(r'"page":"([^"]+)"', log.read_text()), "the page's address")
        return line[1]

    @staticmethod
    def scrape(page):
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the environment's proxy is not meant for loopback
        with direct.open(page, timeout=10) as answer:
            return answer.read().decode()

    def log_lines(self, log, message):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in lines if line["message"] == message]

    def test_the_table_of_metrics_is_what_a_scrape_shows(self):
        rows = re.findall(r"^\| `(zcbench_\w+)` \| (\w+) \|([^|]*)\|", (SOURCE / "docs/operations.md").read_text(), re.MULTILINE)
        documented = {name: (kind, tuple(sorted(re.findall(r"`(\w+)`", labels)))) for name, kind, labels in rows}
        self.assertEqual(len(documented), len(rows), "a metric has two rows")
        shown = {**parse_page(self.scrape(self.server_page)), **parse_page(self.scrape(self.worker_page))}
        self.assertEqual(documented, shown)

    def test_every_metric_of_a_rule_is_scraped(self):
        rules = (SOURCE / "deploy/prometheus/alerts.yml").read_text()
        named = {re.sub(r"_bucket$", "", name) for name in re.findall(r"\bzcbench_\w+", "".join(re.findall(r"expr: (.*)", rules)))}
        self.assertEqual(len(re.findall(r"alert: \w+", rules)), 4)
        self.assertGreaterEqual(len(named), 4)
        self.assertEqual(named - set(parse_page(self.scrape(self.server_page))), set())

    def test_the_rules_fire_when_they_must(self):
        promtool = shutil.which("promtool")
        if promtool is None:
            self.skipTest("no promtool; docs/operations.md says how to get it without a Prometheus that runs")
        for arguments in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
            done = subprocess.run([promtool, *arguments], capture_output=True, text=True, cwd=SOURCE / "deploy/prometheus")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_pages_count_what_happened(self):
        server = self.scrape(self.server_page)
        self.assertEqual(value(server, 'zcbench_scores_total{disposition="recorded"}'), 15)
        self.assertEqual(value(server, 'zcbench_scores_total{disposition="conflict"}'), 0)
        self.assertGreaterEqual(value(server, 'zcbench_leases_ended_total{outcome="crashed"}'), 3)
        self.assertEqual(value(server, 'zcbench_architecture_seconds_count{space="nasbench201",task="cifar10",device="cpu"}'), 3)
        self.assertGreaterEqual(value(server, 'zcbench_call_seconds_count{method="zcbench.v1.JobService/CreateJob",code="OK"}'), 1)
        self.assertEqual(value(server, 'zcbench_units{state="free"}'), 0)
        worker = self.scrape(self.worker_page)
        self.assertEqual(value(worker, "zcbench_worker_scorer_crashes_total"), 3)
        self.assertEqual(value(worker, 'zcbench_worker_architectures_total{outcome="scored"}'), 3)
        self.assertGreater(value(worker, 'zcbench_worker_resident_bytes{process="agent"}'), 1e6)
        self.assertTrue(6000 < value(worker, "zcbench_worker_walltime_left_seconds") <= 7200)

    def test_logs_are_json_lines_with_request_and_lease(self):
        poisoned = self.log_lines(self.server_log, "an architecture has failed for good")
        self.assertEqual([(line["architecture"], line["level"]) for line in poisoned], [(CRASHING, "warning")])
        self.assertRegex(poisoned[0]["lease"], r"^\d+/\d+$")
        self.assertRegex(poisoned[0]["request"], r"^[0-9a-f-]{36}$", "the id that the worker gave its request")
        self.assertRegex(self.log_lines(self.server_log, "session opened")[0]["request"], r"^[0-9a-f]{16}$")
        died = self.log_lines(self.worker_log, "the scorer died")
        self.assertEqual(len(died), 3)
        self.assertEqual((died[-1]["lease"], died[-1]["job"]), (poisoned[0]["lease"], "1"))
        self.assertRegex(died[0]["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_on_a_terminal_logs_are_for_people(self):
        ours, theirs = pty.openpty()
        server = subprocess.Popen([BIN / "zcbench-server", "--store", "terminal.db", "--server-file", "terminal.json"], stdout=theirs,
                                  stderr=theirs, cwd=self.folder, env=self.environment)
        self.children.append(server)
        os.close(theirs)
        seen = b""
        while b"serving" not in seen:
            seen += os.read(ours, 4096)
        os.close(ours)
        line = next(line for line in seen.decode().splitlines() if "serving" in line)
        self.assertRegex(line, r"^\d\d:\d\d:\d\d serving address=127\.0\.0\.1:\d+ store=")

    def test_a_refused_token_is_said_at_once(self):
        file = json.loads((self.folder / "zcbench.server.json").read_text())
        file["tokens"] = {"worker": "of-another-server"}
        wrong = self.folder / "wrong.json"
        wrong.touch(mode=0o600)
        wrong.write_text(json.dumps(file))
        done = subprocess.run([BIN / "zcbench-worker", "run", "--server-file", wrong, "--scorer", SCORER, "--spool", "spool-2"],
                              capture_output=True, text=True, cwd=self.folder, env=self.environment, timeout=DEADLINE_SECONDS)
        self.assertEqual(done.returncode, 69, done.stderr)
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        self.assertEqual([line["message"] for line in lines if line["level"] != "info"], ["the server refuses this worker's token"])
        self.assertIn("copy it from the server again", lines[-1]["reason"])

    def test_watch_and_workers_in_json(self):
        watched = json.loads(self.zcbench("watch", "1", "--once", "--format", "json").stdout)
        self.assertEqual((watched["done"], watched["failed"], watched["conflicts"], watched["failures"]), (3, 1, 0, {"crash": 1}))
        worker = json.loads(self.zcbench("workers", "--format", "json").stdout)[0]
        self.assertEqual((worker["worker"], worker["completed"], worker["numerics"]), ("gpu-3", 3, "stand-in"))
        self.assertEqual(worker["memory_bytes"], 16 << 30)
        self.assertIsNotNone(worker["available_until"])

    def test_a_port_that_is_taken_is_named(self):
        port = self.server_page.split(":")[2].split("/")[0]
        done = subprocess.run([BIN / "zcbench-server", "--store", "third.db", "--server-file", "third.json", "--metrics-port", port],
                              capture_output=True, text=True, cwd=self.folder, env=self.environment, timeout=DEADLINE_SECONDS)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"127.0.0.1:{port}: the port is in use", done.stderr)


if __name__ == "__main__":
    BIN, SCORER, SOURCE = (pathlib.Path(sys.argv.pop(1)).resolve() for _ in range(3))
    unittest.main()
