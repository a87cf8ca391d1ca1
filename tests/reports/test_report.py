"""The report: whole in one file, the same numbers on the page, in the JSON and in the terminal."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from rich.console import Console

import triptych as tp
from triptych.data import Examples
from triptych.errors import ConfigurationError
from triptych.evaluation import METRICS, Protocol, measure, reference
from triptych.event import Event
from triptych.reports import Panel, terminal_table, write_report
from triptych.reports.curves import curves_svg

pytestmark = pytest.mark.xdist_group("report")  # so that the models are measured once


def digits() -> tuple[Examples, Examples]:
    from sklearn.datasets import load_digits

    images = torch.tensor(load_digits().images).to(torch.uint8)[:, None]
    examples = Examples(images, Event((1, 8, 8), 17))
    return examples[:1400], examples[1400:1600]


FEW = ("nats", "bits-per-dim", "fid", "near-copies", "speed", "lost-progress", "reconstruction")


@pytest.fixture
def few_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure little where the figures are not what is looked at."""
    for key, metric in METRICS.items():
        monkeypatch.setitem(METRICS, key, replace(metric, compared=key in FEW))


RECORDS = [
    {
        "step": s,
        "seconds": s / 9,
        "critic/adversarial": 2.0 / s,
        "generator/adversarial": 0.1 * s,
        "critic/gradient_norm": 1.0,
    }
    for s in range(1, 60, 5)
]


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return Protocol.prepare(*digits(), data="<digits>", seed=3, extractor="pixels")


@pytest.fixture(scope="module")
def panels(protocol: Protocol) -> list[Panel]:
    options: dict[str, dict[str, int]] = {
        "pixelcnn": {"channels": 4, "layers": 2},
        "vae": {"latent": 4, "hidden": 16},
        "gan": {"hidden": 16},
    }
    made = []
    for name, given in options.items():
        model = tp.build(name, protocol.event, **given)
        found = measure(name, model, protocol, training_seconds=61.5)
        made.append(Panel(found, RECORDS, [f"runs/{name}"], ["it <stopped> early"] if name == "gan" else []))
    return made


@pytest.fixture(scope="module")
def written(panels: list[Panel], protocol: Protocol, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict]:
    out = tmp_path_factory.mktemp("report") / "new" / "folder"
    page, stored, _, _ = write_report(
        out,
        panels,
        protocol,
        commands=["triptych compare --data digits vae"],
        settings={"budget": "1 minute each"},
    )
    assert sorted(path.name for path in out.iterdir()) == ["report.csv", "report.html", "report.json", "report.md"]
    return page.read_text(), json.loads(stored.read_text())


class Page(HTMLParser):
    """Reads addresses, and the text of each figure's cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.cells: dict[tuple[str, str], str] = {}
        self._cell: tuple[str, str] | None = None
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href", "srcset", "data", "action")]
        if tag == "td" and "data-measure" in given:
            self._cell = (str(given["data-model"]), str(given["data-measure"]))
        self._inside = tag == "span" and self._cell is not None

    def handle_endtag(self, tag: str) -> None:
        self._inside = False
        if tag == "td":
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._inside and self._cell:
            self.cells[self._cell] = data


def test_needs_nothing_from_outside(written: tuple[str, dict]) -> None:
    page = Page(written[0])
    assert len(written[0]) < 3_000_000
    assert "script" not in page.tags and "link" not in page.tags and "iframe" not in page.tags
    assert page.tags.count("img") == 4 + 4  # three models and real data: samples, and pairs
    assert page.tags.count("svg") == 3 + 1  # curves, and the parallel axes
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in page.addresses)
    assert not re.search(r"https?://|@import|url\((?!#)", written[0])
    assert 'name="viewport"' in written[0] and "prefers-color-scheme: dark" in written[0]


def test_names_are_escaped(written: tuple[str, dict]) -> None:
    assert "<digits>" not in written[0] and "&lt;digits&gt;" in written[0]
    assert "it &lt;stopped&gt; early" in written[0]


def test_page_json_and_terminal_have_the_same_numbers(
    written: tuple[str, dict], panels: list[Panel], protocol: Protocol
) -> None:
    text, stored = written
    cells = Page(text).cells
    console = Console(file=io.StringIO(), width=200)
    console.print(terminal_table([panel.measures for panel in panels], reference(protocol), protocol))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert len(cells) == 4 * sum(metric.compared for metric in METRICS.values())
    for m in stored["models"]:
        for key, figure in m["figures"].items():
            assert figure.pop("command").startswith(f"triptych evaluate runs/{m['name']} --metrics {key}")
            assert cells[m["name"], key] == figure["text"]
            assert figure["text"] in shown
            assert figure["value"] is not None or figure["note"] in text.replace("&#39;", "'").replace("&#34;", '"')
    for key, figure in stored["reference"]["figures"].items():
        assert cells["training data", key] == (figure["text"] if figure["value"] is not None else "–")
    assert stored["reference"]["held_out_near_copies"]["text"] + " %" in text
    assert protocol.held_out_copies.text in shown


def test_says_how_to_make_it_again(written: tuple[str, dict]) -> None:
    text, stored = written
    assert stored["commands"] == ["triptych compare --data digits vae"] and stored["commands"][0] in text
    assert stored["protocol"]["seed"] == 3 and stored["protocol"]["budget"] == "1 minute each"
    assert stored["protocol"]["extractor"] == "pixels" and "fid-200@pixels" in text
    assert stored["environment"]["torch"] == torch.__version__ and torch.__version__ in text
    assert {v["purpose"] for v in stored["verdicts"]} > {"Likelihood", "Speed"}
    for v in stored["verdicts"]:
        assert v["headline"] in text


def test_order_of_the_page(written: tuple[str, dict]) -> None:
    titles = re.findall(r"<h2>(.*?)</h2>", written[0])
    assert titles == [
        "Which model to take",
        "What to know before",
        "Pros and cons, measured",
        "At a glance",
        "Samples",
        "Does it copy?",
        "Learning curves",
        "How to read the measures",
        "How it was measured",
        "Make it again",
    ]


def test_vectors(tmp_path: Path, few_measures: None) -> None:
    for dims in (2, 5):
        x = Examples(torch.randn(150, dims, generator=torch.Generator().manual_seed(0)), Event((dims,)))
        protocol = Protocol.prepare(x[:100], x[100:], data="toy")
        models = {"vae": {"hidden": 8, "latent": 2}, "gan": {"hidden": 8}}
        panels = [Panel(measure(n, tp.build(n, x.event, **given), protocol)) for n, given in models.items()]
        page, *_ = write_report(tmp_path, panels, protocol)
        found = Page(page.read_text())
        assert ("vae", "bits-per-dim") not in found.cells
        more = 1 if dims == 2 else 3  # the density of the VAE; correlations of all
        assert found.tags.count("img") == 3 + more and found.tags.count("svg") == 1
        assert "log-density" in page.read_text()


def test_large_pictures_keep_the_page_small(tmp_path: Path, few_measures: None) -> None:
    noise = torch.randint(256, (60, 3, 80, 80), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    x = Examples(noise, Event((3, 80, 80), 256))
    protocol = Protocol.prepare(x[:30], x[30:], extractor="pixels")
    gan = tp.build("gan", x.event, channels=2)
    panels = [Panel(measure(f"gan {i}", gan, protocol)) for i in range(3)]
    page, *_ = write_report(tmp_path, panels, protocol)
    assert page.stat().st_size < 3_000_000


def test_models_need_names_of_their_own(panels: list[Panel], protocol: Protocol, tmp_path: Path) -> None:
    for given in ([], [panels[0], panels[0]]):
        with pytest.raises(ConfigurationError, match="each of another name"):
            write_report(tmp_path, given, protocol)
    assert not list(tmp_path.iterdir())


def test_curves_show_terms_in_the_pages_colour() -> None:
    svg = curves_svg(RECORDS, "gan")
    assert svg == curves_svg(RECORDS, "gan")
    assert svg.startswith("<svg") and svg.endswith("</svg>")
    assert "critic: adversarial" in svg and "generator: adversarial" in svg
    assert "gradient" not in svg
    assert "currentColor" in svg and "xmlns" not in svg and "#000000" not in svg
    assert curves_svg(RECORDS[:1], "gan") == "" and curves_svg([], "gan") == ""
