"""What is imported, and when: help must be quick, and torchvision is never touched."""

import subprocess
import sys

import pytest

HEAVY = ["torch", "numpy", "sklearn", "matplotlib", "scipy", "lightning_fabric", "PIL", "jinja2", "datasets"]


def imported(code):
    listed = subprocess.check_output([sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], text=True)
    return set(listed.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import triptych",
        "from triptych.cli.program import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from triptych.cli.program import main\ntry: main(['train', '--help'])\nexcept SystemExit: pass",
    ],
)
def test_help_and_import_load_nothing_heavy(code):
    assert not imported(code) & set(HEAVY)


def test_models_and_data_load_nothing_but_torch_and_numpy():
    loaded = imported("from triptych import GAN, VAE, PixelCNN, data, fit, load, queries")
    assert not loaded & (set(HEAVY) - {"torch", "numpy"})


def test_torchvision_is_never_imported():
    code = (
        "import triptych as tp; train, test = tp.data.load('digits'); m = tp.build('gan', train.event, hidden=8);"
        "tp.fit(m, train, steps=1, progress=False);"
        "tp.evaluation.measure('gan', m, tp.evaluation.Protocol.prepare(train[:50], test[:50], extractor='pixels'))"
    )
    assert "torchvision" not in imported(code)


def test_every_public_name_is_there():
    import triptych

    for name in triptych.__all__:
        assert getattr(triptych, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'vea'"):
        _ = triptych.vea
