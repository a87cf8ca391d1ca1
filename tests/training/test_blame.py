"""Where a number was lost: the term, the layer and the round are named."""

import pytest
import torch

import triptych as tp
from tests.program import well
from triptych.errors import NonFiniteError
from triptych.training.diagnosis import diagnosed
from triptych.training.logging import read_metrics


@pytest.fixture(scope="module")
def digits():
    return tp.data.load("digits")[0][:256]


class Poison(torch.nn.Module):
    """Passes on what it is given; from one call on NaN, or a gradient that is NaN."""

    def __init__(self, inner, calls, how):
        super().__init__()
        self.inner, self.calls, self.how = inner, calls, how

    def forward(self, x):
        y = self.inner(x)
        self.calls -= self.training
        if self.calls > 0:
            return y
        return y * float("nan") if self.how == "output" else y + torch.sqrt((y - y.detach()).abs())


def poisoned(model, name, calls, how):
    owner, _, last = name.rpartition(".")
    parent = model.get_submodule(owner)
    parent.register_module(last, Poison(getattr(parent, last), calls, how))
    return model


@pytest.mark.parametrize("how", ["output", "gradient"])
@pytest.mark.parametrize(
    ("name", "options"), [("vae", {"encoder": "mlp", "decoder": "mlp"}), ("pixelcnn", {}), ("gan", {})]
)
def test_the_layer_that_a_number_was_lost_in_is_named(digits, tmp_path, name, options, how):
    sizes = {"channels": 4, "layers": 2} if name == "pixelcnn" else {"hidden": 8}
    model = tp.build(name, digits.event, **sizes, **options)
    layers = [n for n, m in model.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
    own = [n for n in layers if n.startswith("critic")] or layers
    layer = own[len(own) // 2]
    calls = 7 if name == "gan" else 3  # a critic judges thrice a round: real, made, and made for the generator
    with pytest.raises(NonFiniteError, match="at step 3") as stopped:
        sick = poisoned(model, layer, calls, how)
        tp.fit(sick, digits, steps=9, threads=1, run=tmp_path / name, progress=False)  # timing threads is calls as well
    said = f"first in the output of {layer})" if how == "output" else "first in the gradient of "
    assert said in str(stopped.value)
    (found,) = diagnosed(read_metrics(tmp_path / name / "metrics.jsonl"))
    assert found.name == "non-finite figures" and found.since == 3
    if how == "output":
        assert layer in found.seen
    else:  # nearest to where it came from: this layer, not one before it
        assert f"gradient of {layer}.inner." in found.seen
    out = well("diagnose", tmp_path / name)
    assert "non-finite figures, since round 3" in out


def test_weights_that_are_lost_are_named(digits, tmp_path):
    model = tp.build("vae", digits.event, latent=2, hidden=8, encoder="mlp", decoder="mlp")
    with pytest.raises(NonFiniteError) as stopped:
        tp.fit(model, digits, steps=50, lr=1e38, progress=False)
    assert "step 2" in str(stopped.value) and ("output of" in str(stopped.value) or "weights of" in str(stopped.value))


def test_a_term_that_is_lost_behind_the_layers_is_named_also_after_a_resumption(tmp_path):
    train, turns, sick = tp.data.load("ring", count=200)[0], [], range(6, 99)

    def fails(judge, real, fake, noise):
        turns.append(judge)
        return torch.full((len(real),), float("nan") if len(turns) - 1 in sick else 0.0)

    def fit(**options):
        model = tp.build("gan", train.event, hidden=8, penalty=fails)
        tp.fit(model, train, run=tmp_path, log_every=2, sample_every=100, threads=1, progress=False, **options)
        return diagnosed(read_metrics(tmp_path / "metrics.jsonl"))

    assert fit(steps=4) == []
    with pytest.raises(NonFiniteError, match=r"term 'fails_penalty' became nan at step 7 \(behind the layers"):
        fit(steps=8, resume=True)
    (found,) = diagnosed(read_metrics(tmp_path / "metrics.jsonl"))
    assert found.since == 7 and "fails_penalty" in found.seen
    sick = ()
    assert fit(steps=8, resume=True) == [], "what was gone back behind is no longer told"
