"""What measures of samples cost beside the formulas that are usually taken, side by side in one run on one thread.

    python benchmarks/measures_speed.py

The yardstick is process CPU time, for the machines are shared; both sides alternate, and medians are given. Needs SciPy
and prdc. Peak memory is that of a process of its own for each number of examples, on Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch
from frame import hardware
from torch import Tensor

from triptych.metrics import (
    coverage,
    density,
    frechet_between,
    frechet_distance,
    frechet_error,
    moments,
    precision,
    recall,
)
from triptych.metrics.influence import frechet_between_summaries, summary

RESULTS = Path(__file__).parent / "results" / "measures-speed.json"
FEATURES, CHUNK = 2048, 500


def main() -> None:
    """Measure all and store it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one-pass", type=int, metavar="N", help="only one pass over N examples; stores nothing")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.one_pass is not None:
        print(json.dumps(one_pass(given.one_pass)))
        return
    found: dict[str, Any] = {"hardware": hardware(), "features": FEATURES}
    found["fréchet, 5,000 examples"] = frechet(5000, pairs=3)
    found["fréchet, 1,000 examples"] = frechet(1000, pairs=3)
    found["neighbourhoods, 4,000 examples of 64 features"] = neighbourhoods(4000, pairs=3)
    found["one pass"] = {f"{count:,}": apart(count) for count in (5_000, 50_000)}
    RESULTS.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    print(json.dumps(found, indent=2, ensure_ascii=False))


def correlated(count: int, features: int, seed: int) -> Tensor:
    """Draw correlated features, `(count, features)` float64, of a spectrum that falls as 1/k."""
    generator = torch.Generator().manual_seed(seed)
    turned = torch.linalg.qr(torch.randn(features, features, generator=generator, dtype=torch.float64)).Q
    spread = torch.arange(1, features + 1, dtype=torch.float64).rsqrt()
    return torch.randn(count, features, generator=generator, dtype=torch.float64) * spread @ turned


def by_scipy(a: Tensor, b: Tensor) -> complex:
    """The textbook's formula, covariances included, by SciPy's general matrix square root."""
    from scipy.linalg import sqrtm

    first, second = a.numpy(), b.numpy()
    c1, c2 = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    gap = first.mean(0) - second.mean(0)
    return complex(gap @ gap + np.trace(c1) + np.trace(c2) - 2 * np.trace(sqrtm(c1 @ c2)))


def frechet(count: int, pairs: int) -> dict[str, Any]:
    """The Fréchet distance from features, and from moments where there are more examples than features."""
    from scipy.linalg import sqrtm

    a, b = correlated(count, FEATURES, 1), 1.1 * correlated(count, FEATURES, 2) + 0.01
    found = alternate(lambda: frechet_distance(a, b), lambda: by_scipy(a, b), pairs)
    ours, theirs = frechet_distance(a, b), by_scipy(a, b)
    found |= {"ours": ours, "scipy": theirs.real, "scipy, imaginary part": theirs.imag}
    found["relative difference"] = abs(ours - theirs.real) / abs(theirs.real)
    found["error, CPU seconds"] = cpu(lambda: frechet_error(a, b))
    if count > FEATURES:
        one, two = moments(a), moments(b)
        c1, c2 = one.covariance.numpy(), two.covariance.numpy()
        found["given the moments"] = alternate(lambda: frechet_between(one, two), lambda: sqrtm(c1 @ c2), pairs)
    return found


def neighbourhoods(count: int, pairs: int) -> dict[str, Any]:
    """Precision, recall, density and coverage for one k, with errors, against prdc's, without."""
    import sklearn.metrics
    from prdc import compute_prdc

    plain = sklearn.metrics.pairwise_distances
    sklearn.metrics.pairwise_distances = lambda x, y, **_: plain(x, y)  # one thread, as ours
    real, samples = correlated(count, 64, 1), 1.1 * correlated(count, 64, 2)
    four = (precision, recall, density, coverage)

    def by_prdc() -> dict[str, float]:
        with redirect_stdout(StringIO()):
            found: dict[str, float] = compute_prdc(real.numpy(), samples.numpy(), 5)
        return found

    theirs = by_prdc()
    found = alternate(lambda: [formula(real, samples, 5) for formula in four], by_prdc, pairs)
    found["largest difference"] = max(abs(f(real, samples, 5).value - float(theirs[f.__name__])) for f in four)
    return found


def alternate(ours: Callable[[], Any], theirs: Callable[[], Any], pairs: int) -> dict[str, Any]:
    """Return the median CPU seconds of both, run in turn, and of the ratio of a pair."""
    times = [(cpu(ours), cpu(theirs)) for _ in range(pairs)]
    return {
        "ours, CPU seconds": statistics.median(t[0] for t in times),
        "theirs, CPU seconds": statistics.median(t[1] for t in times),
        "times as fast": statistics.median(t[1] / t[0] for t in times),
        "lowest of a pair": min(t[1] / t[0] for t in times),
    }


def cpu(run: Callable[[], Any]) -> float:
    """Return the CPU seconds that a call takes."""
    start = time.process_time()
    run()
    return time.process_time() - start


def apart(count: int) -> dict[str, float]:
    """Run `one_pass` in a process of its own."""
    command = [sys.executable, __file__, "--one-pass", str(count)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def one_pass(count: int) -> dict[str, float]:
    """The Fréchet distance and its error of two sets that are never in memory as a whole."""

    def chunks(seed: int) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        for start in range(0, count, CHUNK):
            yield torch.randn(min(CHUNK, count - start), FEATURES, generator=generator)

    before = peak()
    start = time.process_time()
    first, second = summary(chunks(1), count), summary(chunks(2), count)
    passed, of_pass = time.process_time() - start, peak() - before
    found = frechet_between_summaries(first, second)
    return {
        "CPU seconds of the pass": passed,
        "CPU seconds of distance and error": time.process_time() - start - passed,
        "MiB of the pass": of_pass,
        "MiB in all": peak() - before,
        "distance": found.value,
        "error": found.error or 0.0,
    }


def peak() -> float:
    """Return the most memory that this process has had, in MiB (`ru_maxrss` begins with its parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
