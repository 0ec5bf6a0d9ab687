#!/usr/bin/env python3
"""The page of `zcbench report` in a real headless Chromium: it needs nothing from outside, nothing in it overlaps or runs over an
edge, and it is light or dark as the reader asks.

Usage: report_browser_test.py BIN_FOLDER [unittest arguments]

The browser is the one that ZCB_CHROMIUM names, else chromium or google-chrome of PATH; without one the test is skipped (exit code 77).
With ZCB_SCREENSHOTS the pictures that it looks at stay in that folder.
"""

import itertools
import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

BIN = None
BROWSER = None
WIDTH = 1280
PAPER = 718  # A4 within its margins, at 96 pixels an inch
DEADLINE_SECONDS = 60
HOSTILE = "<script>document.title='broken'</script>\"'&<b>"

# Measures the page and leaves what it found in the element #measured.
MEASURE = """<script>
const found = {width: document.documentElement.scrollWidth, height: document.documentElement.scrollHeight,
               resources: performance.getEntriesByType('resource').map(entry => entry.name), outside: [], overlaps: [], tiny: [], cut: [],
               empty: [], title: document.title, ground: getComputedStyle(document.body).backgroundColor,
               figures: document.querySelectorAll('figure').length, tables: document.querySelectorAll('table').length};
for (const svg of document.querySelectorAll('svg')) {
  const edge = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map(text => ({box: text.getBoundingClientRect(), text: text.textContent,
      turned: text.hasAttribute('transform'), size: parseFloat(getComputedStyle(text).fontSize) * edge.width / svg.viewBox.baseVal.width}));
  for (const {box, text, size} of texts) {
    if (box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 || box.bottom > edge.bottom + 1) found.outside.push(text);
    if (size < 8) found.tiny.push(text + ' ' + size);
  }
  const plain = texts.filter(text => !text.turned);
  for (let i = 0; i < plain.length; ++i) for (let j = 0; j < i; ++j) {
    const a = plain[i].box, b = plain[j].box;
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left), down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    // The box of a line is higher than its letters.
    if (across > 1 && down > 4) found.overlaps.push(plain[i].text + ' | ' + plain[j].text);
  }
}
for (const element of document.querySelectorAll('.scroll, .row, pre')) {
  if (element.scrollWidth > element.clientWidth + 1) found.cut.push(element.tagName + ' ' + element.className + ' ' + element.scrollWidth);
}
for (const section of document.querySelectorAll('h2')) {
  const next = section.nextElementSibling;
  if (next === null || next.tagName === 'H2') found.empty.push(section.textContent);
}
const measured = document.createElement('pre');
measured.id = 'measured';
measured.textContent = JSON.stringify(found);
document.body.append(measured);
</script>"""


def find_browser():
    named = os.environ.get("ZCB_CHROMIUM")
    if named:
        return named
    return next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)


def architectures():
    """NAS-Bench-201's, in NASLib's notation, every seventh."""
    return list(itertools.product(range(5), repeat=6))[::7]


def suite():
    """A published table of two tasks in the layout of NAS-Bench-Suite-Zero, by formula."""
    tasks = {}
    for t, task in enumerate(("cifar10", "cifar100")):
        tasks[task] = {}
        for number, cell in enumerate(architectures()):
            convolutions = sum(op == 2 for op in cell)
            noise = math.sin(number * 12.9898 + t) * 43758.5453 % 1
            proxies = {"params": 0.07 + 0.2 * convolutions + 0.01 * sum(op == 3 for op in cell),
                       "nwot": 600 + 20 * convolutions + 60 * noise, "snip": math.exp(8 * noise), "zen": (noise - 0.4) * 1e9,
                       "zico": -1e8 if number % 50 == 0 else 3.0 + number % 97, "synflow": 10.0 ** (convolutions + noise)}
            record = {name: {"score": value, "time": 0.001 * (p + 1) ** 2} for p, (name, value) in enumerate(proxies.items())}
            record["val_accuracy"] = 10 if number % 60 == 0 else 60 + 5 * convolutions + 8 * (number * 0.618 % 1)
            tasks[task][str(cell)] = record
    return tasks


def first_pixel(png):
    """Of the picture's upper left corner: red, green, blue. There the filters of PNG change nothing."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n", png[:8]
    at, data = 8, b""
    while at < len(png):
        size, kind = int.from_bytes(png[at:at + 4], "big"), png[at + 4:at + 8]
        if kind == b"IDAT":
            data += png[at + 8:at + 8 + size]
        at += 12 + size
    return tuple(zlib.decompressobj().decompress(data, 4)[1:4])


class ReportBrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="zcb_report_"))
        environment = {name: value for name, value in os.environ.items() if name != "ZCB_SERVER"}
        environment["HOME"] = str(cls.folder)
        cls.environment = environment
        (cls.folder / "suite.json").write_text(json.dumps(suite()))
        server = subprocess.Popen([BIN / "zcbench-server", "--store", "zcbench.db"], cwd=cls.folder, env=environment,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            end = time.monotonic() + DEADLINE_SECONDS
            while not (cls.folder / "zcbench.server.json").exists():
                assert server.poll() is None, server.stderr.read()
                assert time.monotonic() < end, "the server did not start"
                time.sleep(0.02)
            place = ["--space", "nasbench201", "--source", HOSTILE.replace("/", ""), "--licence", HOSTILE, "--no-params-check"]
            cls.run_zcbench("import", "scores", "suite.json", *place)
            cls.run_zcbench("import", "accuracies", "suite.json", *place)
            cls.run_zcbench("report", "-o", "report.html")
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=DEADLINE_SECONDS)
        cls.page = (cls.folder / "report.html").read_text()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def run_zcbench(cls, *arguments):
        done = subprocess.run([BIN / "zcbench", *arguments], cwd=cls.folder, env=cls.environment, capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stderr)

    def browse(self, file, dark, *arguments):
        """Opens the file in a browser that can reach nobody."""
        command = [BROWSER, "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                   "--disable-component-update", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND",
                   f"--user-data-dir={self.folder / 'browser'}", f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
        if os.getuid() == 0:
            command.append("--no-sandbox")
        done = subprocess.run([*command, *arguments, file.as_uri()], env=self.environment, capture_output=True, text=True,
                              timeout=DEADLINE_SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def measure(self, width=WIDTH, paper=False):
        copy = self.folder / "measured.html"
        page = self.page.replace("</body>", MEASURE + "</body>")
        copy.write_text(page.replace("@media print", "@media all") if paper else page)
        dom = self.browse(copy, False, f"--window-size={width},1000", "--dump-dom")
        found = re.search(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)
        self.assertIsNotNone(found, "the page was not measured")
        text = found.group(1)
        for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
            text = text.replace(entity, character)
        return json.loads(text)

    def test_nothing_overlaps_or_runs_over_an_edge(self):
        found = self.measure()
        for what in ("outside", "overlaps", "tiny", "empty"):
            self.assertEqual(found[what], [], what)
        self.assertLessEqual(found["width"], WIDTH)
        self.assertGreaterEqual(found["figures"], 8)  # tasks, averages, pairs, points of two tasks, cost, LIBRA, searches of two
        self.assertGreaterEqual(found["tables"], 6)

    def test_a_narrow_window_needs_no_scrolling_to_the_side(self):
        self.assertLessEqual(self.measure(width=700)["width"], 700)

    def test_paper_cuts_nothing(self):
        found = self.measure(width=PAPER, paper=True)
        self.assertEqual(found["cut"], [])
        self.assertLessEqual(found["width"], PAPER)

    def test_needs_nothing_from_outside_and_names_stay_text(self):
        found = self.measure()
        self.assertEqual(found["resources"], [])
        self.assertEqual(found["title"], "Zero-cost proxies on nasbench201")
        self.assertNotIn("<script", self.page)

    def test_is_light_or_dark_as_the_reader_asks(self):
        height = self.measure()["height"]
        kept = os.environ.get("ZCB_SCREENSHOTS")
        pixels = {}
        for dark in (False, True):
            picture = pathlib.Path(kept or self.folder).absolute() / f"report_{'dark' if dark else 'light'}.png"
            self.browse(self.folder / "report.html", dark, f"--window-size={WIDTH},{height}", f"--screenshot={picture}")
            pixels[dark] = first_pixel(picture.read_bytes())
        self.assertEqual(pixels[False], (255, 255, 255))
        self.assertLess(max(pixels[True]), 40)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv[1]).absolute()
    BROWSER = find_browser()
    if BROWSER is None:
        print("skipped: no Chromium; install one (apt-get install chromium) or name it with ZCB_CHROMIUM", file=sys.stderr)
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
