"""Two processes that share the batch do what one does."""

import pytest
import torch

import triptych as tp
from tests.program import call, run
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
        program = call if devices == 1 else run
        code, _, err = program(
            "train", *MODELS[name], "--data", "digits", "--steps", 50, "--batch-size", 64, "--log-every", 1,
            "--accelerator", "cpu", "--devices", devices, "--quiet", "--out", directory,
        )  # fmt: skip
        assert code == 0, err
        records.append(read_metrics(directory / "metrics.jsonl"))
    one, two = records
    assert [r["step"] for r in one] == [r["step"] for r in two] == list(range(1, 51))
    for a, b in zip(one, two, strict=True):
        for figure in (f for f in a if "/" in f):
            near = 1e-3 if "gradient" in figure else 1e-5
            assert b[figure] == pytest.approx(a[figure], rel=near, abs=near), f"step {a['step']}, {figure}"
    first, second = (tp.load(tmp_path / str(devices)).state_dict() for devices in (1, 2))
    for tensor in first:  # running statistics included
        assert torch.allclose(first[tensor].float(), second[tensor].float(), rtol=1e-3, atol=1e-4), tensor


def test_two_processes_stop_together_at_a_budget_of_time_and_in_bf16(tmp_path):
    code, _, err = run(
        "train", *MODELS["gan"], "--data", "digits", "--minutes", 0.02, "--batch-size", 64, "--precision", "bf16-mixed",
        "--accelerator", "cpu", "--devices", 2, "--log-every", 1000, "--quiet", "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 0, err
    assert 1.2 <= read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]["seconds"] < 6
