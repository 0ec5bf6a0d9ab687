#!/usr/bin/env python3
"""Nothing acknowledged is lost, nothing is recorded twice: the real programs with a real file, while they are killed, frozen and cut off.

Usage: fault_test.py BIN_FOLDER SCORER FAKE_SCORER [unittest arguments]

ZCB_FAULT_SEED repeats the random moments of an earlier run, which are printed.
"""

import collections
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "end_to_end"))
from programs import ProgramsTest, main, wait_until  # noqa: E402
from tcp_proxy import TcpProxy  # noqa: E402, beside this file

SCORER = None
FAKE_SCORER = None
SCHEMA = HERE.parent.parent / "db" / "sqlite" / "schema"
SEED = int(os.environ.get("ZCB_FAULT_SEED", time.time_ns() % 1_000_000))
PROXIES = "params,flops,l2_norm"  # cheap: neither images nor a backward
WITHOUT_SEED = 2                  # of them

# Self-signed, with the host name `old`, valid on the first of January 2020 (`openssl ca -selfsign` with -startdate and -enddate).
EXPIRED_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBOzCB4qADAgECAgEBMAoGCCqGSM49BAMCMA4xDDAKBgNVBAMMA29sZDAeFw0y
MDAxMDEwMDAwMDBaFw0yMDAxMDIwMDAwMDBaMA4xDDAKBgNVBAMMA29sZDBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABDHs6FBI+f8/0b/K0hMd2RCc1MqFw3Mi70jq
BPqTpaQSPUfI9Ta6Dr+DdzXPBnfVaHfkaaAIpXt3evA2ONh6ApOjMTAvMA4GA1Ud
EQQHMAWCA29sZDAdBgNVHQ4EFgQUxyTcUPq/pFnE6V9mZqXB+k0OZ2cwCgYIKoZI
zj0EAwIDSAAwRQIgVxF2lwvHG3XRIxTMm+FScP11QUQMUIggyTocZPHvQrACIQD7
lc7ALsbua1UjVf6NBEEsVDvpf0CvOGgk4O7FRVBrxQ==
-----END CERTIFICATE-----
"""


class FaultTest(ProgramsTest):
    def setUp(self):
        super().setUp()
        # The fake takes as long as the real one does.
        self.environment.update(ZCB_FAKE_FOLDER=str(self.folder), ZCB_FAKE_SPACE="nasbench201", ZCB_FAKE_MILLISECONDS="10")
        self.random = random.Random(SEED)
        print(f"ZCB_FAULT_SEED={SEED}", end=" ", file=sys.stderr, flush=True)

    def worker(self, name, *more, scorer=None, **options):
        return self.start_worker(name, "--scorer", str(scorer or SCORER), *more, **options)

    def submit(self, count, *more):
        out = self.zcbench("submit", "--space", "nasbench201", "--task", "photos", "--proxies", PROXIES, "--count", str(count),
                           "--format", "json", *more)
        return json.loads(out)[0]["job"]

    def submit_listed(self, architectures):
        file = self.folder / "architectures.txt"
        file.write_text("\n".join(architectures) + "\n")
        out = self.zcbench("submit", "--space", "nasbench201", "--task", "photos", "--proxies", PROXIES, "--architectures", str(file),
                           "--format", "json")
        return json.loads(out)[0]["job"]

    def assert_complete(self, job, count, seeds=1):
        self.zcbench("watch", str(job))
        self.assert_scores_once(count * (WITHOUT_SEED + seeds))
        self.assertEqual(self.query(f"SELECT done, failed, total FROM job WHERE id = {job}"), [(count * seeds, 0, count * seeds)])

    def leases(self, worker):
        """Units that the worker has now."""
        return self.query(f"SELECT count(*) FROM work_unit WHERE worker = '{worker}' AND free_from_us > {time.time() * 1e6:.0f}")[0][0]

    def scores(self):
        return set(self.query("SELECT series, architecture, value, execution FROM score"))

    def log_of(self, child):
        return next(self.folder.glob(f"{self.children.index(child):02}-*.log")).read_text()

    def assert_spool_is_empty(self, *names):
        for name in names:
            wait_until(lambda: not any((self.folder / f"{name}.spool").glob("*.scores")), f"the spool of {name} is sent", 60)
            self.assertEqual(list((self.folder / f"{name}.spool").glob("*.refused")), [])

    # ---- The server.

    def test_a_server_killed_twenty_times_during_a_job_loses_and_doubles_nothing(self):
        server = self.start_server(lease_seconds=10)
        workers = [self.worker("a"), self.worker("b")]
        count, seeds = 1500, 4
        job = self.submit(count, "--seeds", ",".join(map(str, range(seeds))))
        wait_until(lambda: self.scores_recorded() > 0, "the first score", 60)
        moments = []
        for _ in range(20):
            moments.append(self.random.uniform(0, 1))
            time.sleep(moments[-1])
            seen = self.scores()
            server.send_signal(signal.SIGKILL)
            server.wait()
            server = self.start_server(lease_seconds=10)
            self.assertEqual(seen - self.scores(), set(), "recorded scores have gone")
        print(f"killed after {[round(moment, 2) for moment in moments]} s", file=sys.stderr)
        self.assertEqual(self.query("SELECT state FROM job"), [(1,)], "the job ended before the kills did: it proves too little")
        self.assertEqual([worker.poll() for worker in workers], [None, None])
        self.assert_complete(job, count, seeds)
        self.assert_spool_is_empty("a", "b")
        self.assertEqual(self.query("SELECT count(*) FROM position_failure")[0][0], 0, "a restart of the server counted an attempt")
        self.assertEqual({name for (name,) in self.query("SELECT DISTINCT worker FROM execution")}, {"a", "b"})

    # ---- Workers.

    def test_a_killed_workers_units_run_elsewhere_after_one_lease_time(self):
        self.start_server(lease_seconds=2)
        victim = self.worker("victim")
        job = self.submit(300)
        wait_until(lambda: self.scores_recorded() > 0 and self.leases("victim") > 0, "a lease", 60)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        self.assertEqual(self.query("SELECT state FROM job"), [(1,)], "the worker was killed too late to prove anything")
        self.worker("heir")
        wait_until(lambda: self.leases("victim") == 0, "the end of the lease", 2.5)
        self.assert_complete(job, 300)

    def test_a_frozen_workers_late_scores_are_taken(self):
        self.start_server(lease_seconds=2)
        frozen = self.worker("frozen")
        job = self.submit(400)
        wait_until(lambda: self.scores_recorded() > 100 and self.leases("frozen") > 0, "a lease", 60)
        time.sleep(self.random.uniform(0.1, 0.5))  # some of the next unit is computed, and not reported
        frozen.send_signal(signal.SIGSTOP)
        self.assertEqual(self.query("SELECT state FROM job"), [(1,)], "the worker was frozen too late to prove anything")
        self.worker("other")
        self.assert_complete(job, 400)
        before = self.scores()
        frozen.send_signal(signal.SIGCONT)
        # Dispositions: 1 recorded, 2 already recorded, 3 conflict.
        late = wait_until(lambda: self.query("SELECT dispositions FROM answer WHERE lease_valid = 0 AND length(dispositions) > 0"),
                          "the late scores", 60)
        self.assertEqual(set(b"".join(row[0] for row in late)), {2})
        self.assert_spool_is_empty("frozen")
        self.assertEqual(self.scores(), before)
        self.assertIsNone(frozen.poll())
        # It goes on with whatever comes next.
        self.assert_complete(self.submit(420), 420)

    def test_a_drained_worker_keeps_nothing_back(self):
        self.start_server(lease_seconds=600)  # an expired lease cannot be what lets the others go on
        job = None
        for i in range(6):
            leaving = self.worker(f"leaving-{i}")
            job = job or self.submit(1200)
            wait_until(lambda: self.leases(f"leaving-{i}") > 0, "a lease", 60)
            before = self.scores_recorded()
            time.sleep(self.random.uniform(0, 0.3))
            leaving.send_signal(signal.SIGTERM)
            self.assertEqual(leaving.wait(timeout=60), 75)
            self.assertEqual(self.leases(f"leaving-{i}"), 0, "a lease was not given back")
            self.assertGreater(self.scores_recorded(), before, "the architecture in hand was not recorded")
            self.assert_spool_is_empty(f"leaving-{i}")
        self.assertEqual(self.query("SELECT state FROM job"), [(1,)], "the job ended before the last worker left")
        self.assertEqual(self.query("SELECT count(*) FROM position_failure")[0][0], 0, "a planned stop counted an attempt")
        self.worker("staying")
        self.assert_complete(job, 1200)

    # ---- Connections.

    def test_whatever_the_network_does_everything_arrives_once(self):
        self.start_server(lease_seconds=3)
        proxy = TcpProxy(self.address, SEED)
        self.addCleanup(proxy.close)
        worker = self.worker("far", server=proxy.address)
        count = 2500
        job = self.submit(count)
        wait_until(lambda: self.scores_recorded() > 0, "the first score", 60)
        done = []
        for _ in range(2):
            for fault in self.random.sample(["cut", "delay", "half_close"], 3):
                time.sleep(self.random.uniform(0, 0.5))
                {"cut": proxy.cut, "delay": lambda: proxy.delay(0.3), "half_close": proxy.half_close}[fault]()
                done.append(fault)
                time.sleep(self.random.uniform(0.2, 1))
                proxy.restore()
        self.assertEqual(self.query("SELECT state FROM job"), [(1,)], "the job ended before the faults did")
        proxy.black_hole()  # noticed when the keepalive of the connection fails
        done.append("black_hole")
        print(f"network: {done}", file=sys.stderr)
        self.assert_complete(job, count)
        self.assert_spool_is_empty("far")
        self.assertIsNone(worker.poll())

    # ---- Schema versions.

    def set_schema_version(self, version):
        connection = sqlite3.connect(self.store)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
        connection.close()

    def downgrade(self):
        """The store as the schema before the newest one had it. Returns that version."""
        version = self.query("PRAGMA user_version")[0][0] - 1
        old = self.folder / "old.db"
        connection = sqlite3.connect(old)
        for number in range(1, version + 1):
            connection.executescript((SCHEMA / f"{number:04}.sql").read_text())
        connection.execute("ATTACH ? AS new", (str(self.store),))
        for (table,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall():
            columns = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
            newer = {row[1] for row in connection.execute(f"PRAGMA new.table_info({table})")}
            names = ", ".join(f'"{column}"' for column in columns if column in newer)
            connection.execute(f'INSERT INTO main."{table}" ({names}) SELECT {names} FROM new."{table}"')
        connection.execute("DELETE FROM main.sqlite_sequence")
        connection.execute("INSERT INTO main.sqlite_sequence SELECT * FROM new.sqlite_sequence")
        connection.commit()
        connection.execute("DETACH new")
        for pragma in ("application_id", "journal_mode"):
            connection.execute(f"PRAGMA {pragma} = {self.query(f'PRAGMA {pragma}')[0][0]}")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
        connection.close()
        for suffix in ("-wal", "-shm"):
            pathlib.Path(f"{self.store}{suffix}").unlink(missing_ok=True)
        old.replace(self.store)
        return version

    def kill_a_server_in_the_middle(self):
        """Returns the worker that goes on and its job of 500 architectures."""
        server = self.start_server(lease_seconds=30)
        worker = self.worker("steady")
        job = self.submit(500)
        wait_until(lambda: self.scores_recorded() > 0 and self.leases("steady") > 0, "a lease", 60)
        server.send_signal(signal.SIGKILL)
        server.wait()
        return worker, job

    def test_an_older_file_is_upgraded_under_working_workers(self):
        worker, job = self.kill_a_server_in_the_middle()
        version = self.downgrade()
        before = self.scores()
        self.start_server(lease_seconds=30)
        self.assertEqual(self.query("PRAGMA user_version")[0][0], version + 1)
        self.assertEqual(before - self.scores(), set())
        copy = sqlite3.connect(f"file:{self.store}.version-{version}.backup?mode=ro", uri=True)
        self.assertEqual(copy.execute("PRAGMA user_version").fetchone()[0], version)
        self.assertEqual(set(copy.execute("SELECT series, architecture, value, execution FROM score")), before)
        copy.close()
        self.assert_complete(job, 500)
        self.assertIsNone(worker.poll())

    def test_a_newer_file_is_refused_and_workers_deliver_later(self):
        worker, job = self.kill_a_server_in_the_middle()
        version = self.query("PRAGMA user_version")[0][0]
        self.set_schema_version(version + 94)
        refused = subprocess.run([self.program("zcbench-server"), "--store", str(self.store), "--insecure", "--listen", self.address],
                                 capture_output=True, text=True, cwd=self.folder, timeout=60)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn(f"schema version {version + 94}", refused.stderr)
        self.assertIn(f"knows {version}", refused.stderr)
        wait_until(lambda: any((self.folder / "steady.spool").glob("*.scores")), "scores in the spool", 60)
        self.set_schema_version(version)
        self.start_server(lease_seconds=30)
        self.assert_complete(job, 500)
        self.assert_spool_is_empty("steady")
        self.assertIsNone(worker.poll())

    # ---- The scorer.

    def scorer_of(self, worker):
        children = pathlib.Path(f"/proc/{worker.pid}/task").glob("*/children")
        pids = [int(pid) for file in children for pid in file.read_text().split()]
        return pids[0] if pids else None

    def test_a_scorer_that_is_killed_costs_an_attempt_and_not_the_worker(self):
        self.start_server(lease_seconds=30)
        worker = self.worker("w")
        job = self.submit(400)
        wait_until(lambda: self.scores_recorded() > 0, "the first score", 60)
        for earlier, number in enumerate((signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL), 1):
            wait_until(lambda: self.log_of(worker).count("scorer started") == earlier, "a scorer that computes", 60)
            os.kill(self.scorer_of(worker), number)
        wait_until(lambda: self.log_of(worker).count("scorer started") == 4, "the last scorer", 60)
        self.assert_complete(job, 400)
        self.assertIsNone(worker.poll())
        self.assertEqual(self.log_of(worker).count("the scorer died"), 3)
        self.assertEqual(self.query("SELECT count(*) FROM position_failure")[0][0], 0, "what was computed in the end has a failure")

    def test_what_always_fails_fails_alone_and_is_counted_by_cause(self):
        faults = {"0_00_000": "crash", "1_11_111": "kill", "2_22_222": "memory", "3_33_133": "error", "4_44_444": "nan",
                  "1_23_401": "undefined"}
        names = list(faults)
        good = [f"{a}_{b}0_{c}12" for a in range(5) for b in range(5) for c in range(2)]
        listed = good + names
        self.random.shuffle(listed)
        self.start_server(lease_seconds=30)
        environment = {"ZCB_FAKE_FAULTS": ",".join(f"{name}={fault}" for name, fault in faults.items())}
        worker = self.worker("w", scorer=FAKE_SCORER, environment=environment)
        job = self.submit_listed(listed)
        self.zcbench("watch", str(job), expect=1)
        self.assertIsNone(worker.poll())
        for_good = dict(self.query("SELECT architecture, kind FROM position_failure WHERE for_good = 1 AND attempts = 3"))
        self.assertEqual(for_good, {"0_00_000": 2, "1_11_111": 2, "2_22_222": 1, "3_33_133": 3})
        self.assertEqual(self.query("SELECT done, failed, total FROM job"), [(len(listed) - 4, 4, len(listed))])
        self.assertEqual(self.scores_recorded(), 3 * (len(listed) - 4))
        # One line a cause, each with an example.
        lines = json.loads(self.zcbench("failures", str(job), "--format", "json"))
        examples = collections.defaultdict(set)
        for line in lines:
            self.assertTrue(line["message"])
            examples[line["kind"]].add(line["example"])
        self.assertEqual(examples, {"crash": {"0_00_000", "1_11_111"}, "out of memory": {"2_22_222"}, "error": {"3_33_133"},
                                    "not finite": {"4_44_444"}, "undefined": {"1_23_401"}})
        # A worker that can: what failed has new attempts.
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(timeout=60), 75)
        self.worker("better", scorer=FAKE_SCORER)
        self.zcbench("failures", str(job), "--retry")
        self.zcbench("watch", str(job))
        self.assertEqual(self.query("SELECT done, failed FROM job"), [(len(listed), 0)])
        self.assertEqual(self.scores_recorded(), 3 * len(listed))

    # ---- Scores that differ.

    def test_a_score_that_differs_is_kept_apart_and_changes_nothing(self):
        self.start_server(lease_seconds=2)
        first = self.worker("first", scorer=FAKE_SCORER)
        job = self.submit(200)
        self.assert_complete(job, 200)
        before = self.scores()
        self.zcbench("conflicts", str(job))
        self.worker("other", scorer=FAKE_SCORER, environment={"ZCB_FAKE_SHIFT": "0.5"})
        first.send_signal(signal.SIGTERM)
        self.assertEqual(first.wait(timeout=60), 75)
        self.zcbench("audit", str(job), "--fraction", "0.1", expect=1)
        conflicts = json.loads(self.zcbench("conflicts", str(job), "--format", "json", expect=1))
        self.assertEqual(len(conflicts), 3 * 20)
        for conflict in conflicts:
            self.assertAlmostEqual(float(conflict["other"]) - float(conflict["recorded"]), 0.5)
            self.assertEqual((conflict["by"], conflict["other_by"]), ("first", "other"))
        self.assertEqual(self.query("SELECT count(*) FROM score_conflict")[0][0], len(conflicts))
        self.assertEqual(self.scores(), before)

    # ---- Who may.

    def test_nobody_gets_in_without_the_servers_file(self):
        self.start_server(insecure=False)

        def refused(expect, says, *arguments):
            done = self.run_zcbench("list", "jobs", *arguments)
            self.assertEqual(done.returncode, expect, f"{arguments}: {done.stdout}{done.stderr}")
            self.assertIn(says, done.stderr)

        own = json.loads(self.server_file.read_text())

        def written(name, mode=0o600, **changes):
            path = self.folder / name
            path.write_text(json.dumps({**own, **changes}))
            path.chmod(mode)
            return str(path)

        self.assertEqual(self.server_file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.run_zcbench("list", "jobs", "--server", str(self.server_file)).returncode, 0)
        refused(69, "", "--server", self.address)  # without TLS
        refused(2, "neither an address (127.0.0.1:7700, unix:PATH) nor a server file", "--server", str(self.folder / "no.server.json"))
        refused(1, "does not know this token", "--server", written("token.json", tokens={"admin": "wrong"}))
        refused(1, "other users may read it (mode 0644): `chmod 600", "--server", written("open.json", mode=0o644))
        refused(1, "expired at 2020-01-02", "--server", written("old.json", certificate=EXPIRED_CERTIFICATE))
        certificate = self.folder / "other.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=other",
                        "-addext", "subjectAltName=DNS:other", "-days", "2", "-out", str(certificate), "-keyout", str(self.folder / "other.key")], check=True, capture_output=True)
        refused(69, "another certificate", "--server", written("other.json", certificate=certificate.read_text()))
        # A reader neither submits nor works.
        reader = written("reader.json", tokens={"reader": own["tokens"]["reader"]})
        self.assertEqual(self.run_zcbench("list", "jobs", "--server", reader).returncode, 0)
        done = self.run_zcbench("drain", "w", "--server", reader)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("for the role admin", done.stderr)
        for file, says in ((reader, "for the role"), (written("wrong.json", tokens={"worker": "wrong"}), "does not know this token")):
            worker = self.start("zcbench-worker", "run", "--server-file", file, "--scorer", str(FAKE_SCORER), "--spool", str(self.folder / "s"))
            self.assertEqual(worker.wait(timeout=60), 69)
            self.assertIn(says, self.log_of(worker))

    def test_another_user_of_the_machine_may_not_read_the_servers_file(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        shutil.copy(self.program("zcbench"), self.folder)
        self.folder.chmod(0o755)
        become = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", str(self.folder / "zcbench")]
        environment = {**self.environment, "HOME": "/nonexistent"}
        if subprocess.run([*become, "--version"], capture_output=True, env=environment, check=False).returncode != 0:
            self.skipTest("setpriv cannot become nobody here")
        self.start_server(insecure=False)
        done = subprocess.run([*become, "list", "jobs", "--server", str(self.server_file)], capture_output=True, text=True, env=environment,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("belongs to the user root, and others may not read it", done.stderr)
        for private in (pathlib.Path(f"{self.store}.identity"), self.server_file):
            self.assertEqual(private.stat().st_mode & 0o077, 0, private)


if __name__ == "__main__":
    SCORER, FAKE_SCORER = main("BIN_FOLDER SCORER FAKE_SCORER")
    unittest.main()
