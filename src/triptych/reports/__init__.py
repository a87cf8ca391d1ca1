"""Pictures and reports: what was measured, so that a person sees it."""

from triptych.pictures import grid, pairs, picture, save_grid, save_images
from triptych.reports.panel import Panel
from triptych.reports.report import check_place, write_report
from triptych.reports.table import terminal_table
from triptych.reports.verdict import Verdict, verdicts

__all__ = [
    "Panel",
    "Verdict",
    "check_place",
    "grid",
    "pairs",
    "picture",
    "save_grid",
    "save_images",
    "terminal_table",
    "verdicts",
    "write_report",
]
