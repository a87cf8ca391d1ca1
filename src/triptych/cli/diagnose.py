"""`triptych diagnose`: what went wrong in a training, since when, and what to try."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.options import Debug, Quiet
from triptych.cli.output import check_free, write_file
from triptych.cli.shared_options import AsJson, Overwrite, Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from triptych.training.diagnosis import Detector, Finding
    from triptych.training.logging import Record


def diagnose(
    run: Run,
    as_json: AsJson = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A .png file: the figures over the run, findings marked.")
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what went wrong in a training: what was seen, since when, and what to try.

    It reads the figures that the run wrote while it trained, also those of a run that still goes on.
    """
    import json
    from dataclasses import asdict

    from triptych.reports.health import health_png
    from triptych.training.diagnosis import DETECTORS, diagnosed

    if out is not None:
        check_free(out, overwrite, (".png",))
    records = _records(run)
    findings = diagnosed(records)
    looked = [one for one in DETECTORS.values() if one.looks(records)]
    if out is not None:
        write_file(out, health_png(records, findings))
    if as_json:
        told = {"run": str(run), "rounds": int(records[-1]["step"]), "findings": [asdict(one) for one in findings]}
        typer.echo(json.dumps({**told, "looked_for": [one.name for one in looked]}, indent=2, ensure_ascii=False))
        return
    _print(records, findings, looked)
    if out is not None and not quiet:
        typer.echo(f"figures over {int(records[-1]['step']):,} rounds of {run}: {out}")


def _records(run: Path) -> Sequence[Record]:
    """Return the records of a run.

    Raises:
        DataError: for a place without any.
    """
    from triptych.errors import DataError
    from triptych.training.logging import read_metrics

    path = run / "metrics.jsonl"
    records = read_metrics(path) if path.exists() else []
    if not records:
        what = f"{path} holds no figures" if path.exists() else f"{path} is not there"
        raise DataError(f"{what}: expected the directory of a run that was trained for at least --log-every rounds")
    return records


def _print(records: Sequence[Record], findings: Sequence[Finding], looked: Sequence[Detector]) -> None:
    """Print the findings, and what else was looked for."""
    rounds = int(records[-1]["step"])
    if not findings:
        typer.echo(f"nothing was found in {rounds:,} rounds. Looked for:")
        width = max((len(one.name) for one in looked), default=0)
        for one in looked:
            typer.echo(f"  {one.name:<{width}}  {one.summary}")
        return
    for finding in findings:
        typer.echo(f"{finding.name}, since round {finding.since:,}")
        for what, said in (("seen", finding.seen), ("told if", finding.threshold), ("try", finding.advice)):
            typer.echo(f"  {what:<7}  {said}")
    others = [one.name for one in looked if one.name not in {finding.name for finding in findings}]
    if others:
        typer.echo(f"looked for in {rounds:,} rounds and not found: {', '.join(others)}")
