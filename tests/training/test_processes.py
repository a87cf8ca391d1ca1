"""Two processes that share the batch do what one does."""

import pytest

from tests.program import run
from triptych.training.logging import read_metrics

MODELS = {
    "vae": ["vae", "--latent", 4, "--hidden", 32],
    "gan": ["gan", "--latent", 8, "--generator", "conv", "--critic", "conv", "--channels", 8, "--critic-steps", 2],
}


@pytest.mark.parametrize("name", MODELS)
def test_two_processes_have_the_losses_of_one(tmp_path, name):
    records = []
    for devices in (1, 2):
        directory = tmp_path / str(devices)
        code, _, err = run(
            "train", *MODELS[name], "--data", "digits", "--steps", 50, "--batch-size", 64, "--log-every", 1,
            "--accelerator", "cpu", "--devices", devices, "--quiet", "--out", directory,
        )  # fmt: skip
        assert code == 0, err
        records.append(read_metrics(directory / "metrics.jsonl"))
    one, two = records
    assert [r["step"] for r in one] == [r["step"] for r in two] == list(range(1, 51))
    for a, b in zip(one, two, strict=True):
        for figure in (f for f in a if "/" in f and "gradient" not in f):
            assert b[figure] == pytest.approx(a[figure], rel=1e-5, abs=1e-5), f"step {a['step']}, {figure}"
