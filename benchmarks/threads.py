"""What `--threads auto` costs on a quiet machine and gains on a busy one, in one run: `make bench-threads`.

Each setting trains for a few seconds, settings take turns, and each figure is a median of its tries. Run it on a
machine that does nothing else: the other processes are started here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hardware import hardware

import triptych as tp
from triptych.running import threads

RESULTS = Path(__file__).parent / "results" / "threads.json"
FAMILIES = ("pixelcnn", "vae", "gan")
SIZES = {8: (1, None), 28: (1, 28), 64: (3, 64)}
"""Side: colours, and the size that digits are brought to."""
PROGRAM = [sys.executable, "-m", "triptych"]
BUSY = [sys.executable, "-c", "while True: pass"]


def speed(name: str, side: int, number: str, seconds: float) -> tuple[float, float]:
    """Return the images/s of a training of one of our own, and the seconds that it took besides the training."""
    colours, size = SIZES[side]
    train, _ = tp.data.load("digits", image_size=size, colours=None if size is None else colours, progress=False)
    started = time.perf_counter()
    run = tp.fit(tp.build(name, train.event), train, minutes=seconds / 60, threads=number, progress=False)
    return run.steps * 64 / run.seconds, time.perf_counter() - started - run.seconds


def quiet(tries: int, seconds: float) -> dict[str, Any]:
    """Measure auto beside each fixed number, for the default of every family at three sizes."""
    numbers = [*map(str, threads.candidates(threads.available())), "auto"]
    found = {}
    for name in FAMILIES:
        for side in SIZES:
            tried = {number: [] for number in numbers}
            for _ in range(tries):
                for number in numbers:
                    tried[number].append(speed(name, side, number, seconds))
            medians = {number: statistics.median(rate for rate, _ in each) for number, each in tried.items()}
            best = max(rate for number, rate in medians.items() if number != "auto")
            choosing = statistics.median(b for _, b in tried["auto"]) - statistics.median(b for _, b in tried["1"])
            found[f"{name} {side}×{side}"] = {
                **{f"images/s, {number}": round(rate, 1) for number, rate in medians.items()},
                "auto / best": round(medians["auto"] / best, 3),
                "choosing, s": round(choosing, 2),
            }
            print(f"{name} {side}×{side}: {found[f'{name} {side}×{side}']}", flush=True)
    return found


@contextmanager
def beside(*commands: list[str]) -> Iterator[None]:
    """Run other processes meanwhile."""
    others = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in commands]
    try:
        time.sleep(6 if commands and commands[0][:3] == PROGRAM else 0.5)  # until they train
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def start(place: Path, name: str, *options: str) -> subprocess.Popen[bytes]:
    """Start a training by the program itself."""
    shutil.rmtree(place, ignore_errors=True)
    typed = [*PROGRAM, "train", name, "--data", "digits", *options, "--quiet", "--out", str(place)]
    return subprocess.Popen(typed)


def last(place: Path) -> dict[str, float]:
    """Return the last record of a training."""
    return json.loads((place / "metrics.jsonl").read_text().splitlines()[-1])


def rate(place: Path) -> float:
    """Return the images/s of a finished training."""
    record = last(place)
    return record["step"] * 64 / record["seconds"]


def busy(tries: int, seconds: float) -> dict[str, Any]:
    """Measure auto beside busy processes on all cores but one, and two trainings at once, against one thread alone."""
    found = {}
    minutes = ["--minutes", str(seconds / 60)]
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / "a", Path(folder) / "b"]
        for name in FAMILIES:
            alone, beside_busy, pairs = [], [], []
            for _ in range(tries):
                start(places[0], name, *minutes, "--threads", "1").wait()
                alone.append(rate(places[0]))
                with beside(*[BUSY] * (threads.processors() - 1)):
                    start(places[0], name, *minutes).wait()
                beside_busy.append(rate(places[0]))
                for process in [start(place, name, *minutes) for place in places]:
                    process.wait()
                pairs += map(rate, places)
            one = statistics.median(alone)
            found[name] = {
                "images/s, 1 thread, quiet": round(one, 1),
                "beside busy processes / that": round(statistics.median(beside_busy) / one, 3),
                "each of two at once / that": round(statistics.median(pairs) / one, 3),
                "lowest of two at once / that": round(min(pairs) / one, 3),
            }
            print(f"{name}: {found[name]}", flush=True)
    return found


def short(tries: int) -> dict[str, Any]:
    """Measure `train vae --data digits --steps 1500` alone, and beside another training, again and again."""
    seconds, walls, alone = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(tries):
            start(Path(folder) / "vae", "vae", "--steps", "1500", "--threads", "1").wait()
            alone.append(round(last(Path(folder) / "vae")["seconds"], 2))
        other = [*PROGRAM, "train", "gan", "--data", "digits", "--minutes", "9", "--out", str(Path(folder) / "other")]
        with beside(other):
            for _ in range(tries):
                started = time.perf_counter()
                start(Path(folder) / "vae", "vae", "--steps", "1500").wait()
                walls.append(round(time.perf_counter() - started, 1))
                seconds.append(round(last(Path(folder) / "vae")["seconds"], 2))
    print(f"1,500 steps beside another training: {seconds} s, alone {alone} s; {walls} s in all", flush=True)
    return {"seconds alone, 1 thread": alone, "seconds beside it": seconds, "seconds beside it, start included": walls}


def comparisons() -> dict[str, Any]:
    """Run two comparisons at once; return the steps that each makes of each model, against one on a quiet machine."""
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / name for name in ("alone", "a", "b")]
        typed = [*PROGRAM, "compare", "--data", "digits", *FAMILIES, "--minutes", "1", "--quiet", "--out"]
        subprocess.run([*typed, str(places[0])], check=True)
        for process in [subprocess.Popen([*typed, str(place)]) for place in places[1:]]:
            process.wait()
        steps = {
            name: [
                json.loads((place / name / "metrics.jsonl").read_text().splitlines()[-1])["step"] for place in places
            ]
            for name in FAMILIES
        }
    found = {
        name: {"steps alone": one, "steps of two at once": two, "least share": round(min(two) / one, 3)}
        for name, (one, *two) in steps.items()
    }
    print(f"two comparisons at once: {found}", flush=True)
    return found


def table(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    about = found["hardware"]
    lines = ["| quiet machine | 1 thread, images/s | 2 threads | auto | auto / best |", "|---|---:|---:|---:|---:|"]
    for name, row in found.get("quiet", {}).items():
        rates = [f"{row.get(f'images/s, {number}', float('nan')):,.0f}" for number in ("1", "2", "auto")]
        lines.append(f"| {name} | {' | '.join(rates)} | {row['auto / best']:.2f} |")
    lines += ["", "| on digits, against one thread on a quiet machine | beside busy processes | two at once | lowest |"]
    lines.append("|---|---:|---:|---:|")
    for name, row in found.get("busy", {}).items():
        shares = [f"{share:.2f}" for key, share in row.items() if key.endswith("/ that")]
        lines.append(f"| {name} | {' | '.join(shares)} |")
    lines += ["", "| two comparisons of a minute a model at once | steps alone | steps of each | least share |"]
    lines.append("|---|---:|---:|---:|")
    for name, row in found.get("comparisons", {}).items():
        each = " and ".join(f"{steps:,}" for steps in row["steps of two at once"])
        lines.append(f"| {name} | {row['steps alone']:,} | {each} | {row['least share']:.2f} |")
    if "short" in found:
        alone, beside = (found["short"][key] for key in ("seconds alone, 1 thread", "seconds beside it"))
        lines += ["", f"1,500 steps of a VAE on digits take {statistics.median(alone):.1f} s alone, and"]
        lines[-1] += f" {min(beside):.1f} to {max(beside):.1f} s beside another training (five tries)."
    machine = f"{about['processor']}, {about['cores']} cores, torch {about['torch']}, commit {about['commit']}"
    lines += ["", f"(Figures of trainings of 3 and 6 seconds, medians of two or three; {machine}.)"]
    return "\n".join(lines)


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=["quiet", "busy", "short", "comparisons"])
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each training")
    parser.add_argument("--docs", type=Path, help="a page whose table of these figures is written anew")
    options = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found["hardware"] = hardware()
    benches = {
        "quiet": lambda: quiet(options.tries, options.seconds),
        "busy": lambda: busy(options.tries, options.seconds),
        "short": lambda: short(5),
        "comparisons": comparisons,
    }
    for name in options.only:
        found[name] = benches[name]()
    RESULTS.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    if options.docs:
        before, _, rest = options.docs.read_text().partition("<!-- threads -->\n")
        after = rest.partition("<!-- /threads -->")[2]
        options.docs.write_text(f"{before}<!-- threads -->\n{table(found)}\n<!-- /threads -->{after}")


if __name__ == "__main__":
    main()
