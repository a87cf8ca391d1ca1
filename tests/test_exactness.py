"""No test compares floats with `==`: sums and products round differently on another processor."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def floats(node: ast.expr) -> Iterator[float]:
    """Yield the float literals of an operand: a number, arithmetic with one, or a collection that holds one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield node.value
    elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        for element in node.elts:
            yield from floats(element)
    elif isinstance(node, ast.UnaryOp):
        yield from floats(node.operand)
    elif isinstance(node, ast.BinOp):
        yield from floats(node.left)
        yield from floats(node.right)


def exact_comparisons(source: str) -> list[int]:
    """Return the lines that compare with a float literal by `==` or `!=`."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Eq, ast.NotEq)) for op in node.ops):
            lines += [node.lineno for side in (node.left, *node.comparators) if any(True for _ in floats(side))]
    return lines


@pytest.mark.parametrize("file", sorted(HERE.rglob("*.py")), ids=lambda file: str(file.relative_to(HERE)))
def test_no_float_is_compared_exactly(file: Path) -> None:
    """Use pytest.approx; of a value that is copied or counted, and so exact, compare with an integer."""
    assert exact_comparisons(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("line", "caught"),
    [
        ("assert mean == 0.1", True),
        ("assert 1.0 == total", True),
        ("assert x.tolist() == [-1.0, 1.0]", True),
        ("assert distance(a, a) == (0.0, None)", True),
        ("assert [[half]] == [[1 / 2.0]]", True),
        ("assert mean != 0.5 and n == 3", True),
        ("assert mean == pytest.approx(0.1)", False),
        ("assert (n, mean) == (3, pytest.approx(0.1))", False),
        ("assert 0.1 < mean <= 0.2", False),
        ("assert chosen(rate=0.5) == 'half' and seen == [1, 2]", False),
    ],
)
def test_the_check_catches_what_it_should(line: str, caught: bool) -> None:
    assert bool(exact_comparisons(line)) is caught
