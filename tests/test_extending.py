"""docs/extending.md, followed literally in a copy of the package."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import Forked

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"<!-- (\w+)(?:: (.*?))? -->\n```\w+\n(.*?)```", re.DOTALL)


def steps():
    found = BLOCK.findall((ROOT / "docs" / "extending.md").read_text())
    assert [kind for kind, _, _ in found] == [
        "append",
        "run",
        "create",
        "run",
        "append",
        "run",
        "create",
        "insert",
        "run",
        "create",
        "run",
        "create",
        "insert",
        "run",
        "append",
        "run",
    ]
    return found


def apply(kind, where, text, root):
    if kind == "create":
        assert not (root / where).exists()
        (root / where).write_text(text)
    elif kind == "append":
        with open(root / where, "a") as file:
            file.write(f"\n\n{text}")
    else:
        where, line = where.split(", after: ")
        source = (root / where).read_text()
        assert source.count(line) == 1
        (root / where).write_text(source.replace(line, f"{line}\n{text.rstrip()}"))


pytestmark = pytest.mark.xdist_group("forked")  # so that the guide is followed once, and one server forks


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Return the copy, and what each command printed."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    printed = {}
    for kind, where, text in steps():
        if kind != "run":
            apply(kind, where, text, root)
            continue
        for command in text.strip().splitlines():
            name, *arguments = shlex.split(command)
            process = Forked(["-m", name, *arguments] if name == "triptych" else arguments, environment, root)
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, f"{command}\n{err}"
            printed[command] = out
    return root, environment, printed


def test_every_command_of_the_guide_works(followed):
    root, _, printed = followed
    assert (root / "runs" / "independent.png").stat().st_size > 100
    assert any("independent" in out for command, out in printed.items() if command == "triptych models")
    assert '"ink"' in printed["triptych evaluate runs/independent --json"]
    laws = next(out for command, out in printed.items() if "check_model" in command)
    assert "probabilities sum to one" in laws and "samples follow the density" in laws


@pytest.mark.parametrize(
    "checked",
    [["mypy"], ["ruff", "check", "--config", str(ROOT / "pyproject.toml")]],
)
def test_what_the_guide_adds_passes_the_checks(followed, checked):
    root, environment, _ = followed
    changed = sorted({root / where.split(",")[0] for kind, where, _ in steps() if kind != "run"})
    options = ["--strict", "--python-version", "3.10"] if checked == ["mypy"] else []
    if checked == ["mypy"] and (ROOT / ".mypy_cache").exists():  # what `make check` has found of all other files
        shutil.copytree(ROOT / ".mypy_cache", root / ".mypy_cache")
    done = subprocess.run(
        [sys.executable, "-m", *checked, *options, *map(str, changed)],
        cwd=root,
        env={**environment, "MYPYPATH": "src"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_new_loss_and_law_pass_the_tests_of_all(followed):
    root, environment, _ = followed
    shutil.copytree(ROOT / "tests", root / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/oracles/test_objectives.py"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
