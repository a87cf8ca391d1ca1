"""Two processes that share the batch do what one does."""

import socket

import pytest
import torch

import triptych as tp
from tests.forked import Forked
from tests.program import ENVIRONMENT, call, forked, run
from triptych.training.logging import read_metrics

pytestmark = pytest.mark.xdist_group("forked")  # so that one server forks

REMEMBERING = (
    "feature-matching:keep=true+minibatch-discrimination:kernels=4+minibatch-stddev+historical-averaging"
    "+instance-noise+path-length+replay:size=200"
)
MODELS = {
    "vae": ["vae", "--latent", 4, "--hidden", 32],
    "gan": ["gan", "--latent", 8, "--generator", "dcgan", "--critic", "dcgan", "--channels", 8, "--critic-steps", 2],
    "tricks": ["gan", "--latent", 8, "--generator", "mlp", "--critic", "mlp", "--hidden", 16, "--critic-steps", 2,
               "--shared-fakes", "--tricks", REMEMBERING],
    "gan of perceptrons": [
        "gan", "--latent", 8, "--generator", "mlp", "--critic", "mlp", "--hidden", 16, "--generator-norm", "batch",
        "--critic-norm", "virtual:reference=96", "--critic-steps", 2,
    ],
}  # fmt: skip


def launched(*arguments):
    """Run the program in two processes, as `torchrun` starts them; return exit code and errors of the first."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        known = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "NODE_RANK": "0"}
    both = [
        forked(*arguments, env={**ENVIRONMENT, **known, "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert both[0].returncode == both[1].returncode, errors
    return both[0].returncode, errors[0]


@pytest.mark.parametrize("name", MODELS)
def test_two_processes_have_the_losses_of_one(tmp_path, name):
    records = []
    for devices in (1, 2):
        directory = tmp_path / str(devices)
        program = call if devices == 1 else launched
        code, *_, err = program(
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


def test_one_process_of_two_examines_and_does_not_wait_for_the_other(tmp_path):
    code, err = launched(
        "train", "gan", "--loss", "relativistic-average", "--tricks", "minibatch-stddev", "--critic-norm", "virtual",
        "--generator", "mlp", "--critic", "mlp", "--hidden", 8, "--data", "digits", "--steps", 100, "--batch-size", 64,
        "--accelerator", "cpu", "--devices", 2, "--log-every", 100, "--quiet", "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 0, err
    assert 0 <= read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]["verdicts/auc"] <= 1


def test_two_processes_stop_together_at_a_budget_of_time_and_in_bf16(tmp_path):
    """Started by the program itself, as a user starts them."""
    code, _, err = run(
        "train", *MODELS["gan"], "--data", "digits", "--minutes", 0.02, "--batch-size", 64, "--precision", "bf16-mixed",
        "--accelerator", "cpu", "--devices", 2, "--log-every", 1000, "--quiet", "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 0, err
    assert 1.2 <= read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]["seconds"] < 6


SHARED = """
import sys, torch, torch.distributed as dist
from triptych.distributions import DiagonalNormal
from triptych.noise import Noise
from triptych.objectives.adversarial import LOSSES
from triptych.objectives.penalties import dragan
from triptych.objectives.variational import RateWeight, split_rate

rank, world, store = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if world > 1:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
share = slice(rank * 4 // world, (rank + 1) * 4 // world)
leaf = (0.5 * Noise.of(0).normal((4, 6)))[share].requires_grad_()
q = DiagonalNormal(leaf[:, :3], leaf[:, 3:])
z = q.mean + q.log_scale.exp() * Noise.of(1).normal((4, 3))[share]
rate = q.kl_by_dimension()
level = 0.1 + float(sys.argv[4])

def show(loss, gradient):
    for row in torch.cat([loss.unsqueeze(1), gradient], 1).tolist():
        print(*row)
    print("-")

for weight in (RateWeight(free_bits=level), RateWeight(capacity=3 * level), RateWeight(total_correlation=3.0)):
    dependence = split_rate(z, q, z.sum(1)).total_correlation if weight.splits else None
    loss = weight.excess(rate, None, dependence)
    (gradient,) = torch.autograd.grad(loss.mean() / world, leaf, retain_graph=True)
    show(loss if weight.splits else gradient[:, 0], gradient)
for loss in LOSSES["relativistic-average"](leaf[:, 0], leaf[:, 1]):
    show(loss, *torch.autograd.grad(loss.mean() / world, leaf, retain_graph=True))
noise = Noise(torch.Generator().manual_seed(3), rank, world)
show(dragan(lambda x: (x**2).sum(1), leaf, leaf, noise).detach(), leaf)
"""


def test_objectives_of_the_whole_minibatch_are_those_of_one_process(tmp_path):
    """Free bits and capacity look at its mean, total correlation at all its posteriors, a relativistic game at both
    means, DRAGAN at the deviation."""

    def rows(world):
        programs = [
            Forked(["-c", SHARED, str(rank), str(world), str(tmp_path / "store"), "0.05"], ENVIRONMENT)
            for rank in range(world)
        ]
        parts = [program.communicate(timeout=120)[0].split("-\n") for program in programs]
        return torch.tensor([[float(n) for n in row.split()] for part in zip(*parts, strict=True)
                             for row in "".join(part).splitlines()])  # fmt: skip

    one, two = rows(1), rows(2)
    assert one.shape == (24, 7) and one.abs().max() > 0.01
    assert torch.allclose(one, two, atol=1e-5)
