"""What real images reach in a Parzen estimate of MNIST: by the exact sum, and by scikit-learn's trees.

    python benchmarks/parzen.py --data ../shared/data/mnist --store benchmarks/results/parzen-mnist.json

16,384 training images (`--images`) stand in the place of a model's samples, a thousand others choose the exact sum's
bandwidth.
Nowozin et al. 2016, f-GAN, §4.1, print 502 ± 6 nats for training images.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from sklearn.neighbors import KernelDensity  # type: ignore[import-untyped]

from triptych.data import load
from triptych.evaluation.protocol import KERNELS
from triptych.evaluation.studies.parzen import points_of
from triptych.metrics.figure import mean_and_error
from triptych.metrics.kernel_density import kernel_log_density, parzen_estimate


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="hub:ylecun/mnist")
    parser.add_argument("--images", type=int, default=KERNELS, help="training images with a kernel")
    parser.add_argument("--test", type=int, default=2000, help="test images of the exact sum")
    parser.add_argument("--tree-test", type=int, default=300, help="test images of the trees, which are slow")
    parser.add_argument("--bandwidths", type=float, nargs="+", default=[0.1, 0.12])
    parser.add_argument("--store", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    train, test = load(given.data)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    valid, centres = points_of(train[order[:1000]]), points_of(train[order[1000 : 1000 + given.images]])
    found = parzen_estimate(centres, valid, points_of(test[: given.test]))
    mean, error = mean_and_error(found.log_density)
    rows = {"exact": {"nats": mean, "error": error, "bandwidth": found.bandwidth, "test": given.test}}
    some = points_of(test[torch.randperm(len(test), generator=torch.Generator().manual_seed(1))[: given.tree_test]])
    for bandwidth in given.bandwidths:
        exact = mean_and_error(kernel_log_density(some, centres, [bandwidth])[:, 0])
        fitted = KernelDensity(bandwidth=bandwidth).fit(centres.double().numpy())
        trees = torch.from_numpy(fitted.score_samples(some.double().numpy()))
        rows[f"bandwidth {bandwidth:g}"] = {
            "exact": exact[0],
            "trees": float(trees.mean()),
            "error of trees on 10,000": float(trees.std()) / 100,
            "test": given.tree_test,
        }
    print(json.dumps(rows, indent=2))
    if given.store:
        given.store.write_text(
            json.dumps({"command": f"python {' '.join(_command(given))}", "rows": rows}, indent=2) + "\n"
        )


def _command(given: argparse.Namespace) -> list[str]:
    widths = " ".join(map(str, given.bandwidths))
    sizes = f"--images {given.images} --test {given.test} --tree-test {given.tree_test}"
    return ["benchmarks/parzen.py", f"{sizes} --bandwidths {widths}"]


if __name__ == "__main__":
    main()
