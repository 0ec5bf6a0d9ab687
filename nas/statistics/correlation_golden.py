#!/usr/bin/env python3
"""Writes correlation_golden.json beside itself: correlations of columns of every awkward kind.

Ranks, Spearman's rho and Kendall's tau-b come from SciPy. Pearson's r is computed here in exact arithmetic, since
SciPy's overflows or rounds badly for some of the columns; elsewhere both must agree. The partial correlation is that of
the residuals of ranks regressed on the control's ranks. nDCG comes from scikit-learn; the overlap and the regret of the
first k are means over all ways to break ties, listed one by one.

    pip install scipy scikit-learn && ./correlation_golden.py
"""

import decimal
import fractions
import itertools
import json
import math
import pathlib
import warnings

import numpy
import scipy.stats
import sklearn.metrics

decimal.getcontext().prec = 60


def exact_pearson(x, y):
    x = [fractions.Fraction(v) for v in x]
    y = [fractions.Fraction(v) for v in y]
    n = len(x)
    mean_x, mean_y = sum(x) / n, sum(y) / n
    xx = sum((v - mean_x) ** 2 for v in x)
    yy = sum((v - mean_y) ** 2 for v in y)
    xy = sum((v - mean_x) * (w - mean_y) for v, w in zip(x, y))
    if xx == 0 or yy == 0:
        return None
    square = xy * xy / (xx * yy)
    root = (decimal.Decimal(square.numerator) / decimal.Decimal(square.denominator)).sqrt()
    return -float(root) if xy < 0 else float(root)


def number(value):
    return value if math.isfinite(value) else str(value)


def partial_spearman(x, y, control):
    x, y, control = (scipy.stats.rankdata(column) for column in (x, y, control))
    if any(len(set(column)) < 2 for column in (x, y, control)) or len(x) < 3:
        return None

    def residuals(column):
        centred, of = column - column.mean(), control - control.mean()
        left = centred - of * (centred @ of) / (of @ of)
        return left if left @ left > 1e-9 * (centred @ centred) else None

    left_x, left_y = residuals(x), residuals(y)
    if left_x is None or left_y is None:
        return None
    return float(left_x @ left_y / math.sqrt((left_x @ left_x) * (left_y @ left_y)))


def tops(values, k):
    """Every set of k places that hold the k largest values; None: too many."""
    boundary = sorted(values, reverse=True)[k - 1]
    above = [i for i, v in enumerate(values) if v > boundary]
    tied = [i for i, v in enumerate(values) if v == boundary]
    if math.comb(len(tied), k - len(above)) > 300:
        return None
    return [set(above) | set(some) for some in itertools.combinations(tied, k - len(above))]


def top_of_ranking(scores, accuracies, k):
    result = {"k": k, "ndcg": None, "overlap": None, "regret": None}
    if len(scores) < k:
        return result
    if len(set(accuracies)) > 1 and max(map(abs, accuracies)) < 1e100 and len(scores) > 1:
        gains = numpy.array(accuracies) - min(accuracies)
        result["ndcg"] = float(sklearn.metrics.ndcg_score([gains / gains.max()], [scipy.stats.rankdata(scores)], k=k))
    ours, best = tops(scores, k), tops(accuracies, k)
    if ours is not None and best is not None:
        result["overlap"] = float(numpy.mean([len(a & b) / k for a in ours for b in best]))
    if ours is not None:
        result["regret"] = float(numpy.mean([max(accuracies) - max(accuracies[i] for i in a) for a in ours]))
    return result


def case(name, x, y, scipy_is_accurate=True):
    x, y = [float(v) for v in x], [float(v) for v in y]
    kept = [(v, w) for v, w in zip(x, y) if math.isfinite(v) and math.isfinite(w)]
    kept_x, kept_y = [v for v, _ in kept], [w for _, w in kept]
    result = {"name": name, "x": [number(v) for v in x], "y": [number(v) for v in y], "pairs": len(kept),
              "x_ranks": scipy.stats.rankdata(kept_x).tolist() if kept else [],
              "pearson": None, "spearman": None, "kendall": None,
              "control": [(7 * i * i) % 11 for i in range(len(x))], "top": [top_of_ranking(kept_x, kept_y, k)
                                                                           for k in (1, 2, 3, 10)]}
    kept_control = [c for c, v, w in zip(result["control"], x, y) if math.isfinite(v) and math.isfinite(w)]
    result["partial"] = partial_spearman(kept_x, kept_y, kept_control) if kept else None
    if len(kept) >= 2 and len(set(kept_x)) > 1 and len(set(kept_y)) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result["pearson"] = exact_pearson(kept_x, kept_y)
            result["spearman"] = float(scipy.stats.spearmanr(kept_x, kept_y).statistic)
            result["kendall"] = float(scipy.stats.kendalltau(kept_x, kept_y, variant="b").statistic)
            theirs = float(scipy.stats.pearsonr(kept_x, kept_y).statistic)
        if scipy_is_accurate:
            assert abs(theirs - result["pearson"]) < 1e-9, (name, theirs, result["pearson"])
    return result


def main():
    random = numpy.random.default_rng(1)
    n = 120
    x = random.normal(size=n).round(6)
    noise = random.normal(size=n).round(6)
    cases = [
        case("no pairs", [], []),
        case("one pair", [1], [2]),
        case("two pairs, agreeing", [1, 2], [-5, 7]),
        case("two pairs, disagreeing", [1, 2], [7, -5]),
        case("two pairs, one side constant", [1, 1], [2, 3]),
        case("three pairs with a tie", [1, 1, 2], [3, 4, 5]),
        case("both sides constant", [3] * 10, [4] * 10),
        case("one side constant", [3] * 10, range(10)),
        case("independent", x, noise),
        case("correlated", x, (x + noise).round(6)),
        case("anticorrelated", x, (noise - 3 * x).round(6)),
        case("a monotone function", x, numpy.exp(4 * x)),
        case("the reverse", x, -x),
        case("itself", x, x),
        case("many ties", random.integers(0, 4, n), random.integers(0, 3, n)),
        case("ties on one side", random.integers(0, 3, n), x),
        case("zeros and ones", random.integers(0, 2, n), random.integers(0, 2, n)),
        case("one differs", [0] * 49 + [1], range(50)),
        case("ordered with ties", sorted(random.integers(0, 10, n)), sorted(random.integers(0, 10, n))),
        case("signed zeros tie", [0.0, -0.0, 1, 2], [1, 2, 3, 4]),
        case("huge range", 10.0 ** random.integers(-300, 300, n), 10.0 ** random.integers(-300, 300, n), False),
        case("huge values of both signs", [1.7e308, -1.7e308, 1.6e308, 0, -1e300], [5, -5, 3, 1, 0], False),
        case("tiny values", [5e-324, 1e-323, 1.5e-323, 0], [1, 3, 2, 0], False),
        case("nearly constant", [1 + k * 2.0 ** -52 for k in (0, 1, 3, 2, 1)], [1, 2, 3, 4, 5], False),
        case("a large offset, nearly constant", 1e9 + x, x + noise),
        case("missing and infinite values", [1, math.nan, 3, 4, math.inf, 6, 7, -math.inf, 9],
             [2, 1, math.nan, 5, 1, 4, 8, 1, 3]),
        case("all but one missing", [1, math.nan, 3], [math.nan, 1, 2]),
        case("constant after dropping", [1, 1, 1, math.nan], [1, 2, 3, 4]),
    ]
    path = pathlib.Path(__file__).with_suffix(".json")
    lines = ",\n".join(json.dumps(c) for c in cases)
    path.write_text(f'{{"scipy": "{scipy.__version__}", "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
