"""What the doctor finds in trainings that are sabotaged, and in healthy ones: precision and recall of each finding.

    python benchmarks/doctor.py --seeds 12 13 --jobs 2 --docs docs/adversarial.md

Each sabotage names what must be found (one of them at least) and what else is true of such a run; a finding that is
neither is a false one, as is any in a healthy run. That of a mode collapse is right wherever fresh samples lack modes
or classes: those are told by the true modes, or by another classifier. So is that a run meant to be healthy is so.
Thresholds were chosen on seeds 0 to 5, and by what was wrong on 10 and 11. Finished runs in `--runs` are not trained
again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
from doctor_cases import HEALTHY, SABOTAGED, SMALL, Case
from frame import hardware
from panel import write_between

import triptych as tp
from triptych.data.embedded import toy_modes
from triptych.data.examples import Examples
from triptych.errors import NonFiniteError
from triptych.metrics.sets import effective, energy
from triptych.models.questions import Sampler
from triptych.training.diagnosis import DETECTORS, diagnosed
from triptych.training.diagnosis.examination import ACTIVE, AUC
from triptych.training.logging import read_metrics

RESULTS = Path(__file__).parent / "results"
ROUNDS, FEWER = 1500, 1000
Row = dict[str, Any]


def train(case: Case, seed: int, run: Path) -> Row:
    """Train a case, unless it is there; return what was found, and whether it is healthy by fresh samples."""
    torch.set_num_threads(1)
    examples, test = tp.data.load(case.data, **({} if case.data == "digits" else {"seed": seed}))
    if case.data_of:
        examples = case.data_of(examples)
    stored = run / "row.json"
    if not stored.exists():
        torch.manual_seed(seed)
        arguments = {**(SMALL if case.model == "gan" else {}), **case.arguments}
        make = case.make or (lambda event, **given: tp.build(case.model, event, seed=seed, **given))
        model = make(examples.event, **arguments)
        options = {
            "steps": FEWER if case.must else ROUNDS,
            "batch_size": 64,
            "lr": 1e-3,
            "seed": seed,
            **case.options,
        }
        failed = ""
        try:
            tp.fit(model, examples, run=run, overwrite=run.exists(), progress=False, **options)
        except NonFiniteError as error:
            failed = str(error)
        truth = {} if failed or not isinstance(model, Sampler) else judged(model, test, case.data)
        run.mkdir(parents=True, exist_ok=True)
        stored.write_text(json.dumps({"truth": truth, "stopped": failed}))
    row: Row = json.loads(stored.read_text())
    records = read_metrics(run / "metrics.jsonl") if (run / "metrics.jsonl").exists() else []
    found = {finding.name: str(finding) for finding in diagnosed(records)}
    seen = [i + 1 for i, record in enumerate(records) if AUC in record or ACTIVE in record]
    during = sorted({finding.name for end in seen for finding in diagnosed(records[:end])})
    seconds = records[-1]["seconds"] if records else 0.0
    return {"case": case.name, "seed": seed, "seconds": seconds, **row, "found": found, "while_training": during}


def judged(model: Sampler, test: Examples, data: str) -> dict[str, float]:
    """Return what fresh samples are like beside held-out data, by the true modes where there are any."""
    n = 2500 if data in ("ring", "grid") else min(1000, len(test))
    label = test.labels[torch.arange(n) % len(test)] if model.conditional and test.labels is not None else None
    made = model.sample(n, label=label, seed=1)
    real, points = (x.event.scaled(x.data).flatten(1) for x in (test[:1000], made[:1000]))
    truth = {"energy": energy(real, points)}
    if data in ("ring", "grid"):
        centres, spread = toy_modes(data)
        distance, mode = torch.cdist(made.data, centres).min(1)
        good = distance <= 3 * spread
        truth |= {"modes": len(mode[good].unique()), "of": len(centres), "good": float(good.float().mean())}
    elif data == "digits":
        found = torch.from_numpy(recogniser().predict(points.numpy()))
        truth["classes"] = effective(torch.bincount(found, minlength=10) / len(found)) / 10
    return truth


@cache
def recogniser() -> Any:
    """Return a linear classifier of digits, which the doctor does not use."""
    from sklearn.linear_model import LogisticRegression

    train, _ = tp.data.load("digits")
    return LogisticRegression(max_iter=1000).fit(train.event.scaled(train.data).flatten(1).numpy(), train.labels)


def is_healthy(truth: Mapping[str, float]) -> bool:
    """Return whether fresh samples are near to held-out data, with nine tenths of its modes, or 0.7 of its classes."""
    near = truth.get("energy", 0.0) < 0.1 and truth.get("classes", 1.0) >= 0.7
    return near and ("of" not in truth or truth["modes"] >= 0.9 * truth["of"])


def is_narrow(truth: Mapping[str, float]) -> bool:
    """Return whether fresh samples lack modes or classes, so that whoever says so is right."""
    return truth.get("classes", 1.0) < 0.7 or truth.get("modes", 1.0) < 0.9 * truth.get("of", 0.0)


def judge(case: Case, row: Row) -> Row:
    """Add what of the findings is right."""
    found = set(row["found"])
    right = found & {*case.must, *case.may, *(["mode collapse"] if is_narrow(row["truth"]) else [])}
    row |= {
        "sabotaged": bool(case.must),
        "must": list(case.must),
        "named": bool(found & set(case.must)),
        "false": sorted(found - right),
        "counted": bool(case.must) or is_healthy(row["truth"]),
    }
    return row


def tables(rows: Sequence[Row]) -> dict[str, Any]:
    """Return precision of each finding, recall of each sabotage, and totals, with counts."""
    counted = [row for row in rows if row["counted"]]
    sick, well = ([r for r in counted if r["sabotaged"] is kind] for kind in (True, False))
    right, wrong = Counter(), Counter()
    for row in counted:
        wrong.update(row["false"])
        right.update(set(row["found"]) - set(row["false"]))
    return {
        "sabotaged": len(sick),
        "named_right": sum(row["named"] for row in sick),
        "healthy": len(well),
        "not_accused": sum(not row["found"] for row in well),
        "accused_while_training": sum(bool(row["while_training"]) for row in well),
        "not_healthy_after_all": len(rows) - len(counted),
        "findings": {name: {"right": right[name], "false": wrong[name]} for name in DETECTORS},
        "recall": {
            name: [sum(r["named"] for r in sick if r["case"] == name), sum(r["case"] == name for r in sick)]
            for name in dict.fromkeys(row["case"] for row in sick)
        },
    }


def markdown(result: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    lines = ["| sabotage | named right | what was found (runs) |", "|---|---|---|"]
    for name, (named, count) in result["recall"].items():
        found = Counter(key for row in result["rows"] if row["case"] == name for key in row["found"])
        told = ", ".join(f"{key} ({times})" for key, times in found.most_common()) or "nothing"
        lines.append(f"| {name} | {named} of {count} | {told} |")
    lines += ["", "| finding | right | false | precision |", "|---|---|---|---|"]
    for name, counts in result["findings"].items():
        total = counts["right"] + counts["false"]
        lines.append(
            f"| {name} | {counts['right']} | {counts['false']} | "
            + (f"{counts['right'] / total:.0%} |" if total else "– |")
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[12, 13])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[], help="parts of the names of cases")
    parser.add_argument("--runs", type=Path, default=Path("runs/doctor"))
    parser.add_argument("--out", type=Path, default=RESULTS / "doctor.json")
    parser.add_argument("--docs", type=Path, help="put the tables between the marks of this page, too")
    given = parser.parse_args()
    cases = [c for c in (*SABOTAGED, *HEALTHY) if not given.only or any(part in c.name for part in given.only)]
    numbers = {case.name: i for i, case in enumerate((*SABOTAGED, *HEALTHY))}
    asked = [(case, seed) for seed in given.seeds for case in cases]
    with ProcessPoolExecutor(given.jobs) as pool:
        waiting = [
            pool.submit(run_number, numbers[case.name], seed, given.runs / slug(case, seed)) for case, seed in asked
        ]
        rows = []
        for (case, _), one in zip(asked, waiting, strict=True):
            row = judge(case, one.result())
            rows.append(row)
            mark = "ok " if (row["named"] if case.must else not row["found"]) and not row["false"] else "-- "
            print(mark, case.name, row["seed"], row["truth"], *row["found"].values(), sep=" | ", flush=True)
    result = {
        "command": "python " + " ".join([Path(sys.argv[0]).as_posix(), *sys.argv[1:]]),
        "hardware": hardware(),
        "seeds": given.seeds,
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        **tables(rows),
        "rows": rows,
    }
    given.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(markdown(result))
    if given.docs:
        write_between(given.docs, "doctor", markdown(result))


def slug(case: Case, seed: int) -> str:
    """Return the name of a case's directory."""
    return "-".join([*re.findall(r"[a-z0-9.]+", case.name.lower()), str(seed)])


def run_number(number: int, seed: int, run: Path) -> Row:
    """Train a case by its number: cases hold functions, which do not travel between processes."""
    return train((*SABOTAGED, *HEALTHY)[number], seed, run)


if __name__ == "__main__":
    main()
