"""Run the numeric tests as other processors would: with other instructions, libraries and threads.

    python tests/portable.py                 # every run
    python tests/portable.py --only 2 -x     # one of them; what follows goes to pytest

Each run sets what PyTorch (ATEN_CPU_CAPABILITY), its convolutions (ONEDNN_MAX_CPU_ISA), its matrix products (MKL_CBWR,
MKL_ENABLE_INSTRUCTIONS) and NumPy's and SciPy's (OPENBLAS_CORETYPE) may use. Results then differ by rounding, as they
do between machines; a test that fails in one of the runs compares floats too closely.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
NOT_NUMERIC = (
    "tests/cli",
    "tests/test_extending.py",
    "tests/test_imports.py",
    "tests/training/test_interruption.py",
    "tests/training/test_processes.py",
)
LIMITS = {
    "default": {"MKL_CBWR": "COMPATIBLE", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "avx2": {"MKL_CBWR": "AUTO", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}
"""What else is limited along with PyTorch's own loops."""
PROBE = """
import hashlib, scipy.linalg, threadpoolctl, torch
x = torch.rand(64, 65, generator=torch.Generator().manual_seed(0))
torch.conv2d(x.expand(8, 1, 64, 65), x[None, None, :3, :3])
blas = {pool["architecture"] for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"}
print("torch", torch.backends.cpu.get_cpu_capability(), "| OpenBLAS", *sorted(blas), end=" | ")
print("digest of a product", hashlib.md5((x @ x.T).numpy().tobytes()).hexdigest()[:6], end=" | ")
print("threads", torch.get_num_threads())
"""


class Run(NamedTuple):
    capability: str
    coretype: str
    threads: int
    seed: int

    def __str__(self) -> str:
        return f"{self.capability}, {self.coretype}, {self.threads} thread(s), seed {self.seed} of hypothesis"

    @property
    def environment(self) -> dict[str, str]:
        threads = {f"{name}_NUM_THREADS": str(self.threads) for name in ("OMP", "MKL", "OPENBLAS")}
        limits = {"ATEN_CPU_CAPABILITY": self.capability, "OPENBLAS_CORETYPE": self.coretype}
        return {**os.environ, **threads, **limits, **LIMITS[self.capability]}


def runs() -> Iterator[Run]:
    """Yield every pair of capability and core type, and between them every number of threads and every seed."""
    cores = ["Prescott", "Haswell"]
    processors = Path("/proc/cpuinfo")
    if processors.exists() and "avx512f" in processors.read_text():
        cores.append("SkylakeX")
    for i, coretype in enumerate(cores):
        for j, capability in enumerate(LIMITS):
            yield Run(capability, coretype, 1 + (i + j) % 2, (2 * i + j) % 3)


def effect(run: Run) -> str:
    """Return what the settings come to: a library may ignore one."""
    environment = {**run.environment, "ONEDNN_VERBOSE": "1"}
    probe = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True)
    lines = probe.stdout.splitlines()
    isa = next((line.rpartition(":")[2] for line in lines if ",cpu,isa:" in line), "unknown")
    return f"{lines[-1]} | oneDNN {isa}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, help="number of the one run to make")
    only, more = parser.parse_known_args()
    results = {}
    for number, run in enumerate(runs(), 1):
        if only.only not in (None, number):
            continue
        print(f"\n== run {number}: {run}\n   {effect(run)}", flush=True)
        workers = max(1, (os.cpu_count() or 1) // run.threads)
        command = [sys.executable, "-m", "pytest", "-q", f"-n{workers}", f"--hypothesis-seed={run.seed}"]
        command += [f"--ignore={path}" for path in NOT_NUMERIC]
        with tempfile.TemporaryDirectory() as cache:  # torch would take code that it compiled for other instructions
            environment = {**run.environment, "TORCHINDUCTOR_CACHE_DIR": cache}
            ended = subprocess.run([*command, *more], cwd=ROOT, env=environment)
        results[f"run {number}: {run}"] = ended.returncode
    print("\n== summary")
    for run, code in results.items():
        print(f"{'passed' if code == 0 else f'FAILED ({code})'}  {run}")
    return int(any(results.values()))


if __name__ == "__main__":
    sys.exit(main())
