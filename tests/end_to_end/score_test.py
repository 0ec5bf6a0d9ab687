#!/usr/bin/env python3
"""`zcbench-scorer score` as whoever doubts a number runs it: its outputs, its errors, its exit codes.

Usage: score_test.py BIN_FOLDER PHOTOS_FOLDER [unittest arguments]
"""

import csv
import io
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

BIN = None
PHOTOS = None
CHEAP = ["--proxies", "params,snip", "--batch", "8"]


class ScoreTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="zcb_score_"))
        self.addCleanup(shutil.rmtree, self.folder)

    def score(self, *arguments, expect=0, task="photos", space="nasbench201"):
        done = subprocess.run([BIN / "zcbench-scorer", "score", "--space", space, "--task", task, "--threads", "1", *arguments],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout if expect == 0 else done.stderr

    def test_csv_and_json_say_the_same(self):
        rows = list(csv.DictReader(io.StringIO(self.score("3_00_002", "#0", "--format", "csv", *CHEAP))))
        objects = json.loads(self.score("3_00_002", "#0", "--format", "json", *CHEAP))
        self.assertEqual([(r["architecture"], r["proxy"], float(r["score"])) for r in rows],
                         [(o["architecture"], o["proxy"], o["score"]) for o in objects])
        self.assertEqual([r["architecture"] for r in rows], ["3_00_002"] * 2 + ["4_21_211"] * 2)

    def test_architectures_of_a_file_in_any_notation(self):
        listed = self.folder / "list.txt"
        listed.write_text("3_00_002\r\n\n  #0\n")
        objects = json.loads(self.score("--architectures", str(listed), "--proxies", "params", "--format", "json"))
        self.assertEqual([o["architecture"] for o in objects], ["3_00_002", "4_21_211"])
        listed.write_text("3_00_002\n3_00_009\n")
        self.assertIn("list.txt:2:", self.score("--architectures", str(listed), "--proxies", "params", expect=2))

    def test_an_undefined_score_says_why(self):
        rows = json.loads(self.score("3_00_002", "--proxies", "dss", "--format", "json"))
        self.assertEqual((rows[0]["outcome"], rows[0]["score"]), ("undefined", None))
        self.assertIn("vision transformers", rows[0]["reason"])

    def test_wrong_names_are_answered_with_the_nearest(self):
        self.assertIn("`synflow`?", self.score("3_00_002", "--proxies", "synflw", expect=2))
        self.assertIn("`photos`?", self.score("3_00_002", task="photo", expect=2))
        self.assertIn("no architecture", self.score(expect=2))
        self.assertIn("cuda:7", self.score("3_00_002", "--device", "cuda:7", expect=2))

    def test_images_never_come_from_nowhere(self):
        self.assertIn("--input noise", self.score("3_00_002", *CHEAP, task="cifar10", expect=2))
        self.assertIn("snip", self.score("3_00_002", "--input", "noise", *CHEAP, task="cifar10"))

    def probe_batch(self, task, kind, element, targets, **more):
        """A file of two grey images of 256 x 256 with these targets."""
        header = {"channels": 3, "height": 256, "images": 2, "mean": [0.5] * 3, "seed": 0, "source": "0" * 64,
                  "standard_deviation": [0.5] * 3, "target": kind, "target_type": element, "task": task, "version": 2, "width": 256, **more}
        text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
        file = self.folder / f"{task}-{len(list(self.folder.iterdir()))}.zcb"
        pixels = bytes(i * i % 251 for i in range(2 * 3 * 256 * 256))
        file.write_bytes(b"ZCBBATCH" + struct.pack("<I", len(text)) + text + pixels + targets)
        return str(file)

    def test_targets_of_every_kind_reach_the_loss(self):
        tasks = [
            ("class_scene", "probabilities", "float32", 63, lambda k: struct.pack("<126f", *([0] * k + [1] + [0] * (62 - k)) * 2), {}),
            ("room_layout", "numbers", "float32", 9, lambda k: struct.pack("<18f", *[k + i for i in range(18)]), {}),
            ("segmentsemantic", "class_map", "uint8", 17, lambda k: bytes([k]) * (2 * 256 * 256), {}),
            ("normal", "image", "uint8", 3, lambda k: bytes([40 * k]) * (2 * 3 * 256 * 256),
             {"target_mean": [0.5] * 3, "target_standard_deviation": [0.5] * 3}),
        ]
        for task, kind, element, classes, targets, more in tasks:
            scores = []
            for k in (1, 1, 5):
                file = self.probe_batch(task, kind, element, targets(k), classes=classes, **more)
                rows = json.loads(self.score("1_11_111", "--probe-batch", file, "--proxies", "grad_norm", "--format", "json",
                                             task=task, space="transnas_micro"))
                scores.append(rows[0]["score"])
            self.assertEqual(scores[0], scores[1], task)
            self.assertNotEqual(scores[0], scores[2], task)
        wrong = self.probe_batch("normal", "numbers", "float32", struct.pack("<6f", *range(6)), classes=3)
        self.assertIn("the targets of the probe batch are `numbers`, task normal needs `image`",
                      self.score("1_11_111", "--probe-batch", wrong, "--proxies", "grad_norm", task="normal", space="transnas_micro", expect=2))

    def test_any_folder_of_jpegs_serves(self):
        self.assertIn("snip", self.score("3_00_002", "--images", str(PHOTOS / "fish"), *CHEAP))
        self.assertIn("snip", self.score("3_00_002", "--images", str(PHOTOS / "fish"), *CHEAP, task="cifar10"))

    def test_a_damaged_data_set_is_named_with_its_byte(self):
        file = self.folder / "train.bin"
        file.write_bytes(bytes(3073 * 8 - 1))
        error = self.score("3_00_002", "--images", str(file), *CHEAP, task="cifar10", expect=2)
        self.assertIn("train.bin", error)
        self.assertIn("24583", error)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    PHOTOS = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
