"""`triptych quiz`, as one would use it: made, answered in a browser, counted."""

import json
import shutil

import pytest

from tests.program import call, refused, well

pytestmark = pytest.mark.xdist_group("quiz")

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two runs and a quiz of six pairs."""
    place = tmp_path_factory.mktemp("quiz")
    for name in ("gan", "vae"):
        arguments = ["--hidden", 8, "--latent", 2, "--steps", 2, "--quiet"]
        networks = (
            ["--generator", "mlp", "--critic", "mlp"] if name == "gan" else ["--encoder", "mlp", "--decoder", "mlp"]
        )
        well("train", name, "--data", "digits", *networks, *arguments, "--out", place / name)
    said = well("quiz", place / "gan", place / "vae", "-n", 3, "-o", place / "quiz.html")
    assert "6 pairs are in" in said and "quiz.key.json" in said
    return place


def test_users_errors_are_one_line(place, tmp_path):
    out = ["-o", tmp_path / "new.html"]
    assert "already there" in refused("quiz", place / "gan", "-o", place / "quiz.html")
    assert "expected a .html" in refused("quiz", place / "gan", "-o", tmp_path / "quiz.png")
    assert "at least 1 pair" in refused("quiz", place / "gan", "-n", 0, *out)
    assert "500 are needed and 449" in refused("quiz", place / "gan", "-n", 500, *out)
    assert "expected at least 1" in refused("quiz", place / "gan", "--exposure", 0, *out)
    assert "twice" in refused("quiz", place / "gan", place / "gan", *out)
    assert "nowhere" in refused("quiz", tmp_path / "nowhere", *out)
    assert "the model takes a" in refused("quiz", place / "gan", "--data", "ring", *out)
    assert "--json was given without --score" in refused("quiz", place / "gan", "--json", *out)
    assert "--exposure and --score" in refused("quiz", "--score", place / "quiz.key.json", "--exposure", 5)
    assert "cannot be read" in refused("quiz", "--score", tmp_path / "a.json", "--key", place / "quiz.key.json")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: the page is clicked through where there is one")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 375, "height": 700}, has_touch=True)
    page = context.new_page()
    page.failures = []
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else page.failures.append(r.url))
    yield page
    assert page.failures == []
    context.close()


def seen(page):
    """Wait for a pair, and return how many were answered before."""
    page.wait_for_selector("#pair[aria-busy=false]")
    return page.evaluate("state.answers.length")


def stored(page, path):
    with page.expect_download() as download:
        page.click("#store")
    assert download.value.suggested_filename.startswith("answers-")
    download.value.save_as(path)
    return path


def test_a_person_answers_by_keys_and_touch_reloads_and_stores(place, page, tmp_path):
    told = json.loads((place / "quiz.key.json").read_text())
    page.goto((place / "quiz.html").as_uri())
    page.click("#begin")
    chosen = {}
    for k in range(6):
        assert seen(page) == k
        pair, left, right = page.evaluate(f"quiz.pairs[{k}]")
        assert page.get_attribute("#left img", "src") == page.evaluate(f"quiz.pictures['{left}']")
        if k % 2:
            page.keyboard.press("ArrowLeft")
        else:
            page.tap("#right")
        chosen[pair] = right if k % 2 == 0 else left
        if k == 2:
            page.reload()
    assert page.inner_text("#thanks").startswith("Thank you")
    file = stored(page, tmp_path / "answers.json")
    answers = json.loads(file.read_text())["answers"]
    assert {one["pair"]: one["chosen"] for one in answers} == chosen
    assert all(one["milliseconds"] >= 0 for one in answers)
    found = json.loads(well("quiz", "--score", file, "--key", place / "quiz.key.json", "--json"))
    for name in ("gan", "vae"):
        of = [pair for pair, one in told["pairs"].items() if one["run"] == str(place / name)]
        fooled = sum(chosen[pair] == told["pairs"][pair]["made"] for pair in of)
        rate = found["runs"][str(place / name)]
        assert rate["fooling_rate"]["value"] == pytest.approx(100 * fooled / 3) and rate["answers"] == 3
        assert rate["fooling_rate"]["protocol"] == "2afc-3"
    out = well("quiz", "--score", file, "--key", place / "quiz.key.json")
    assert "2afc-3, 1 person" in out and "fooling rate, %" in out
    page.reload()
    assert page.inner_text("#thanks").startswith("Thank you")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#another")
    page.click("#begin")
    assert seen(page) == 0


def test_a_pair_is_seen_for_the_exposure_and_a_person_may_stop_early(place, page, tmp_path):
    well("quiz", place / "gan", "-n", 4, "--exposure", 150, "-o", tmp_path / "short.html")
    page.goto((tmp_path / "short.html").as_uri())
    assert "0.15 s" in page.inner_text("#start")
    page.click("#begin")
    page.evaluate("""new MutationObserver((changes) => {
        if (at("pair").classList.contains("gone")) window.seenFor ??= performance.now() - since;
    }).observe(at("pair"), { attributes: true })""")
    assert seen(page) == 0
    page.wait_for_selector("#pair.gone")
    assert 140 < page.evaluate("window.seenFor") < 400
    page.keyboard.press("ArrowRight")
    assert seen(page) == 1
    page.click("#stop")
    assert page.inner_text("#thanks") == "1 of 4 pairs are answered."
    file = stored(page, tmp_path / "answers.json")
    code, out, err = call("quiz", "--score", file, "--key", tmp_path / "short.key.json", "--json")
    assert code == 0 and "1 of 4 pairs are answered, and these are counted" in err
    (rate,) = json.loads(out)["runs"].values()
    assert rate["fooling_rate"]["protocol"] == "2afc-4@150ms" and rate["answers"] == 1
    page.click("#resume")
    assert seen(page) == 1
