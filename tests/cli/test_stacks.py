"""`--stack 3`: kept with the run, and measured by its 1,000 modes."""

from __future__ import annotations

import json

from tests.program import refused, well


def test_a_run_on_stacks_is_measured_on_stacks(tmp_path):
    run, few = tmp_path / "gan", ["--hidden", 16, "--generator", "mlp", "--critic", "mlp", "--quiet"]
    train = ["train", "gan", "--data", "digits", "--stack", 3, "--count", 1500, *few, "--out", run]
    well(*train, "--steps", 2)
    well(*train, "--steps", 4, "--resume")
    asked = ["--metrics", "modes-200,modes-kl-200", "--features", "pixels"]
    found = json.loads(well("evaluate", run, *asked, "--json", "--quiet"))["figures"]
    of_data, of_gan = found["modes-200"]["training data"], found["modes-200"]["gan"]
    assert of_data["unit"] == "of 1,000" and of_data["protocol"] == "modes-200@stacked-digits-net"
    assert 160 < of_data["value"] < 200 and of_gan["value"] < of_data["value"]
    assert found["modes-kl-200"]["gan"]["value"] > found["modes-kl-200"]["training data"]["value"]
    said = refused("evaluate", run, "--metrics", "modes-25600", "--quiet")
    assert "25,600 samples" in said and "expected 2 to 253 samples" in said
    assert "choose runs on the same data" in refused("evaluate", run, "--data", "digits", "--quiet")


def test_what_cannot_be_stacked_is_refused(tmp_path):
    train = ["train", "gan", "--steps", 1, "--quiet", "--out", tmp_path / "gan", "--data"]
    assert "ring holds vectors" in refused(*train, "ring", "--stack", 3)
    assert "expected 3, one for each colour" in refused(*train, "digits", "--stack", 2)
    assert "for toys only" in refused(*train, "digits", "--count", 50)
    assert not (tmp_path / "gan").exists()
