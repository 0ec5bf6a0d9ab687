#!/usr/bin/env python3
"""Runs bench_science and sets the same in Python beside it: bench_science.py PROGRAM [--json FILE] [--rounds N]

Python reads the same store through sqlite3, ranks with SciPy and chooses by nas/libra/libra_golden.py. Without SciPy its column
is empty.
"""

import argparse
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import time

LIMITS = {"LIBRA fit, 25 cells x 1000 architectures x 20 proxies": 0.5, "task x proxy matrix of a store with 1e6 scores": 0.3,
          "regularised evolution on a table, 1e6 evaluations": 2.0}


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def python_seconds(file):
    try:
        import numpy
        import scipy.stats
    except ImportError:
        print("no SciPy here: pip install scipy, or name a Python that has it: PYTHON=venv/bin/python", file=sys.stderr)
        return {}
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "nas/libra"))
    import libra_golden

    def read():
        store = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        tables = {}
        for series, task, proxy in store.execute("SELECT id, task, proxy FROM series"):
            column = dict(store.execute("SELECT architecture, value FROM score WHERE series = ?", (series,)))
            tables.setdefault(task, {})[proxy] = column
        for series, task in store.execute("SELECT id, task FROM accuracy_series"):
            tables[task]["y"] = dict(store.execute("SELECT architecture, value FROM accuracy WHERE series = ?", (series,)))
        return {task: {name: numpy.array([column[a] for a in table["y"]]) for name, column in table.items()}
                for task, table in tables.items()}

    def matrix():
        for table in read().values():
            for proxy, column in table.items():
                scipy.stats.spearmanr(column, table["y"])

    tables = read()
    libra_golden.PROXIES = [name for name in tables["cifar10"] if name != "y"]
    rows = numpy.arange(1000)

    def libra():
        for table in tables.values():
            libra_golden.choose(table, rows)

    random = numpy.random.default_rng(0)
    x = random.normal(size=1_000_000)
    y = x + random.normal(size=1_000_000)
    return {"LIBRA fit, 25 cells x 1000 architectures x 20 proxies": timed(libra),
            "Spearman of 1e6 pairs": timed(lambda: scipy.stats.spearmanr(x, y)),
            "Kendall tau-b of 1e6 pairs": timed(lambda: scipy.stats.kendalltau(x, y)),
            "task x proxy matrix of a store with 1e6 scores": timed(matrix)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--json", type=pathlib.Path, help="also writes the results there")
    parser.add_argument("--rounds", type=int, default=5, help="after the first call; the median counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = subprocess.run([arguments.program, folder, str(arguments.rounds)], stdout=subprocess.PIPE, text=True, check=True)
        results = [json.loads(line) for line in lines.stdout.splitlines()]
        theirs = python_seconds(pathlib.Path(folder) / "science.db")
    print(f"{'':66} {'seconds':>8} {'first':>8} {'at most':>8} {'Python':>8}")
    for result in results:
        result["limit"], result["python"] = LIMITS.get(result["name"]), theirs.get(result["name"])
        limit = f"{result['limit']:8.1f}" if result["limit"] else f"{'':8}"
        python = f"{result['python']:8.2f}" if result["python"] else f"{'-':>8}"
        print(f"{result['name']:66} {result['seconds']:8.3f} {result['first']:8.3f} {limit} {python}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
