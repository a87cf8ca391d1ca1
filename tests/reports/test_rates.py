"""Rate-distortion curves as a table for a terminal."""

import io

from rich.console import Console

from triptych.evaluation.compression import Point
from triptych.metrics.figure import Figure
from triptych.reports.rates import rates_table


def test_runs_with_long_names_are_told_apart_in_80_columns():
    runs = ["runs/photographs-of-last-summer-1", "runs/photographs-of-last-summer-2"]
    at = Point("32 × 8 bits", 32, 0.01, 0.001, Figure(26.02, 0.04, "dB"))
    file = io.StringIO()
    curves = {name: [at] for name in (*runs, "PCA", "JPEG file", "JPEG data")}
    Console(file=file, width=80).print(rates_table(curves, runs))
    first = "".join(line[:14].strip() for line in file.getvalue().splitlines()[1:])
    assert "…" not in file.getvalue() and "summer-1" in first and "summer-2" in first, file.getvalue()
