"""The page of a scorecard, opened in a real browser."""

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.evaluation import browser
from vqaudio.evaluation.page import page

RATE = 16000
HARM = "<img src=x onerror=harmed=1>"
EVIL = f"</script>{HARM}"
NAMES = ["plain", "64", HARM]
PATHS = ["read/one.flac", "read/two.flac", f"{EVIL}/three.flac"]
PESQ = {"plain": [3.1, 2.5, 2.9], "64": [1.2, 1.3, None], HARM: [1.9, 1.8, 1.7]}
WER = {"plain": [0.0, 2.0, 1.0], "64": [40.0, 20.0, 30.0], HARM: [9.0, 8.0, 12.0]}
RATES = {"plain": 24000, "64": 640, HARM: 3200}


@pytest.fixture(scope="module")
def report() -> dict:
    def statistics(values: list[float | None]) -> dict:
        there = [value for value in values if value is not None]
        mean = float(np.mean(there)) if there else None
        return {"mean": mean, "low": min(there), "high": max(there), "clips": len(there)}

    def figures(name: str, clips: slice) -> dict:
        scores = {"pesq_wb": statistics(PESQ[name][clips]), "wer": statistics(WER[name][clips])}
        return {
            **{"nominal": RATES[name], "bitrate": 1.1 * RATES[name], "clips_scored": 3},
            **{"counted": "the whole file", "seconds": 9.0, "scores": scores},
            **{"codebook": None, "encode_rtf": 0.1, "decode_rtf": 0.2},
        }

    def clip(name: str, number: int) -> dict:
        path = PATHS[number]
        scores = {"pesq_wb": PESQ[name][number], "wer": WER[name][number]}
        recording = path.replace(".flac", ".wav")
        return {"path": path, "recording": recording, "seconds": 3.0, "bytes": 999, **scores}

    def gap(mean: float, verdict: str) -> dict:
        return {"mean": mean, "low": mean - 1, "high": mean + 1, "clips": 3, "verdict": verdict}

    return {
        "files": {"count": 4, "sha256": "0" * 64},
        "machine": {"processor": HARM, "cores": 2},
        "versions": {"python": "3"},
        "metrics": {
            "pesq_wb": {"label": "PESQ-WB", "higher_is_better": True, "digits": 2},
            "wer": {"label": "WER %", "higher_is_better": False, "digits": 1},
        },
        "metrics_missing": {"speaker": "Resemblyzer is not installed"},
        "codecs": {
            name: {**figures(name, slice(3)), "clips": [clip(name, n) for n in range(3)]}
            for name in NAMES
        },
        "groups": {"read": {name: figures(name, slice(2)) for name in NAMES}},
        "differences": {
            "first": "plain",
            "others": {
                "64": {"pesq_wb": gap(1.5, "better"), "wer": gap(-29.0, "better")},
                HARM: {"pesq_wb": gap(1.0, "worse"), "wer": gap(-8.7, "undecided")},
            },
            "groups": {"read": {"64": {"pesq_wb": gap(1.55, "undecided")}, HARM: {}}},
        },
        "missing": {"encodec": "not installed"},
        "failed": [{"codec": None, "path": "read/four.flac", "error": EVIL}],
    }


@pytest.fixture(scope="module")
def recordings(speech, tmp_path_factory) -> Path:
    """Each codec turns the loudness down to a half of the one before; one file is missing."""
    folder = tmp_path_factory.mktemp("recordings")
    wave = speech[0].numpy()
    for place, name in enumerate(["original", *NAMES]):
        for number, path in enumerate(PATHS):
            file = (folder / name / path).with_suffix(".wav")
            file.parent.mkdir(parents=True, exist_ok=True)
            part = wave[number * RATE : (number + 3) * RATE] * 0.5**place
            soundfile.write(file, part, RATE, subtype="FLOAT")
    (folder / "64" / "read" / "two.wav").unlink()
    return folder


@pytest.fixture(scope="module")
def html(report, recordings) -> str:
    return page(report, recordings)


@pytest.fixture(scope="module")
def chromium(html, tmp_path_factory) -> Iterator[browser.Browser]:
    if reason := browser.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("page")
    (folder / "page.html").write_text(html, encoding="utf-8")
    with browser.Browser(folder / "profile") as opened:
        yield opened


@pytest.fixture
def opened(chromium, tmp_path_factory) -> Iterator[browser.Browser]:
    """The page, freshly loaded; nothing may be said on the console while it is used."""
    chromium.open(next(tmp_path_factory.getbasetemp().glob("page*/page.html")))
    yield chromium
    assert chromium.console() == []


def sounds(html: str) -> list[str]:
    return re.findall(r'<script type="text/plain" id="sound-\d+">(.*?)</script>', html)


def texts(opened: browser.Browser, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map(node => node.textContent)"
    return opened.run(script, selector)


def test_nothing_is_fetched_and_names_are_data(html):
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)
    assert not re.search(r"\b(?:src|href)=(?!\"data:,\")", html.split('id="scorecard">')[0])
    assert HARM not in html
    assert "default-src 'none'" in html
    embedded = re.search(r'id="scorecard">(.*?)</script>', html)[1]
    assert json.loads(embedded)["codecs"] == NAMES


def test_sound_is_that_of_the_recordings(html, recordings):
    assert len(sounds(html)) == 3 * 4 - 1
    data = json.loads(re.search(r'id="scorecard">(.*?)</script>', html)[1])
    for clip in data["clips"][:3]:
        for name, number in zip(["original", *NAMES], clip["audio"], strict=True):
            file = (recordings / name / clip["path"]).with_suffix(".wav")
            assert (number is None) == (not file.exists())
            if number is None:
                continue
            wave, _ = soundfile.read(file)
            heard, rate = soundfile.read(io.BytesIO(base64.b64decode(sounds(html)[number])))
            assert (rate, len(heard)) == (RATE, len(wave))
            assert np.square(heard - wave).mean() < 0.02 * np.square(wave).mean()


def test_what_is_too_much_goes_to_the_worst_clips(report, recordings):
    html = page(report, recordings, limit=150_000)
    data = json.loads(re.search(r'id="scorecard">(.*?)</script>', html)[1])
    heard = [clip["path"] for clip in data["clips"] if any(n is not None for n in clip["audio"])]
    # Worst of "64": the first; of "plain": the second; of the third codec: the third. One fits.
    assert heard == PATHS[:1]
    assert len(sounds(html)) == 4
    assert not sounds(page(report, recordings, limit=0))


def test_a_recording_of_what_failed_is_left_out(report, recordings):
    """It may be of an earlier run."""
    failed = json.loads(json.dumps(report))
    failed["codecs"]["plain"]["clips"].pop(0)
    failed["failed"] = [{"codec": "plain", "path": PATHS[0], "error": "refused"}]
    html = page(failed, recordings)
    clips = json.loads(re.search(r'id="scorecard">(.*?)</script>', html)[1])["clips"]
    one = next(clip for clip in clips if clip["path"] == PATHS[0])
    assert one["audio"][1] is None
    assert None not in [*one["audio"][:1], *one["audio"][2:]]
    assert one["codecs"][0] == {"error": "refused"}


def test_the_table_and_the_plot_have_every_codec(opened):
    assert sorted(texts(opened, "#table tbody th")) == sorted(NAMES)
    assert opened.run("return document.querySelectorAll('#plot .mark').length") == len(NAMES)
    places = opened.run(
        "return [...document.querySelectorAll('#plot .glyph')].map(c => [+c.attributes.cx.value, "
        "+c.attributes.cy.value])"
    )
    # Rates are 640, 3200 and 24000, in the order of NAMES third, first, second; PESQ as given.
    (fast_x, fast_y), (slow_x, slow_y), (middle_x, middle_y) = places
    assert slow_x < middle_x < fast_x
    assert slow_y > middle_y > fast_y
    share = np.log(3200 / 640) / np.log(24000 / 640)
    assert (middle_x - slow_x) / (fast_x - slow_x) == pytest.approx(share, abs=0.01)
    assert "higher is better" in texts(opened, "#plot .title")[0]
    opened.click("#plot-metrics button:nth-child(2)")
    assert "lower is better" in texts(opened, "#plot .title")[0]


def test_the_table_sorts(opened):
    opened.click("#table thead th:nth-child(3) button")
    assert texts(opened, "#table tbody th") == ["plain", HARM, "64"]
    opened.click("#table thead th:nth-child(3) button")
    assert texts(opened, "#table tbody th") == ["64", HARM, "plain"]


def test_the_table_compares_with_the_first_codec(opened):
    opened.click("#table thead th:nth-child(1) button")  # by name: HARM, 64, plain
    cells = "#table tbody tr:nth-child({}) .verdict"
    assert [texts(opened, cells.format(row)) for row in (1, 2, 3)] == [["▲", "≈"], ["▼", "▼"], []]
    titles = "return [...document.querySelectorAll('.verdict')].map(mark => mark.title)"
    assert opened.run(titles) == [
        "better: −1.00 (−2.00 to 0.00) beside plain, 3 clips",
        "undecided: +8.7 (+7.7 to +9.7) beside plain, 3 clips",
        "worse: −1.50 (−2.50 to −0.50) beside plain, 3 clips",
        "worse: +29.0 (+28.0 to +30.0) beside plain, 3 clips",
    ]
    assert "compares with plain" in texts(opened, "#verdicts")[0]
    opened.click("#groups button:nth-child(2)")
    assert texts(opened, "#table tbody .verdict") == ["≈"]


def test_groups_and_codecs_can_be_chosen(opened):
    opened.click("#groups button:nth-child(2)")
    assert texts(opened, ".clip-path") == ["read/two.flac", "read/one.flac", "read/four.flac"]
    opened.click("#codecs button:nth-child(2)")
    assert opened.run("return document.querySelectorAll('#plot .mark').length") == 2
    assert texts(opened, ".card .listen") == ["original", "plain", HARM]


@pytest.mark.parametrize(
    ("codec", "metric", "order"),
    [(0, 0, [1, 2, 0]), (1, 0, [0, 1, 2]), (2, 0, [2, 1, 0]), (1, 1, [0, 2, 1]), (2, 1, [2, 0, 1])],
)
def test_clips_come_worst_first(codec, metric, order, opened):
    choose = (
        "const select = byId(arguments[0]); select.value = arguments[1];"
        "select.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    opened.run(choose, "sort-codec", codec)
    opened.run(choose, "sort-metric", metric)
    # What failed, or is not defined, is last.
    assert texts(opened, ".clip-path") == [*(PATHS[n] for n in order), "read/four.flac"]
    assert texts(opened, "#clip-name") == [PATHS[order[0]]]


def test_a_clip_plays_and_goes_on_through_another_codec(opened, recordings):
    assert texts(opened, "#clip-name") == ["read/two.flac"]  # the worst of the first codec
    opened.click("#play")
    position = "return clipView.player.position()"
    opened.wait("return clipView.player.position() > 0.3")
    # What comes out, and not only that time passes:
    level = opened.run(
        "const {context, output} = clipView.player; const meter = context.createAnalyser();"
        "output.connect(meter); const wave = new Float32Array(meter.fftSize);"
        "return new Promise(done => setTimeout(() => { meter.getFloatTimeDomainData(wave);"
        "done(Math.max(...wave)) }, 300))"
    )
    assert level > 0.001
    before = opened.run(position)
    opened.type("1")
    opened.wait("return byId('playing').textContent === 'plain' && clipView.player.playing")
    assert before < opened.run(position) < before + 1.5
    assert texts(opened, ".listen[aria-pressed=true]") == ["plain"]
    heard = opened.run("return loudness(clipView.player.buffer)")
    wave, _ = soundfile.read(recordings / "plain" / "read" / "two.wav")
    assert heard == pytest.approx(np.sqrt(np.square(wave).mean()), rel=0.03)
    opened.click("#play")
    paused = opened.run(position)
    assert opened.run("return byId('transport').dataset.state") == "paused"
    opened.click(".card .listen[data-place='3']")
    opened.wait(f"return clipView.player.position() > {paused + 0.1}")
    assert opened.run("return document.querySelector(\"[data-place='2']\").disabled")
    # The next clip starts at its beginning, with the same codec.
    paused = opened.run(position)
    opened.type("n")
    opened.wait("return clipView.player.playing && clipView.player.position() > 0.05")
    assert opened.run(position) < paused
    assert texts(opened, "#clip-name") == [PATHS[2]]
    assert texts(opened, "#playing") == [HARM]


def test_equal_loudness(opened):
    opened.wait("return document.readyState === 'complete'")
    opened.run("clipView.player.current = 1")
    assert opened.run("return clipView.gain()") == 1
    opened.click("#loudness")
    assert opened.run("return clipView.gain()") == pytest.approx(2, rel=0.02)


def test_spectrograms_are_drawn(opened):
    opened.run("byId('cards').scrollIntoView()")
    opened.wait("return document.querySelectorAll('canvas[data-drawn]').length === 3")
    # Mean brightness: a codec that halves the loudness, and again, is darker.
    levels = opened.run(
        "return [...document.querySelectorAll('canvas')].map(canvas => sum([...canvas.getContext("
        "'2d').getImageData(0, 0, canvas.width, canvas.height).data]) / canvas.width)"
    )
    assert levels[0] > 1.02 * levels[1] > 1.02**2 * levels[2]


def test_a_scorecard_where_everything_failed(report, chromium, tmp_path):
    nothing = json.loads(json.dumps(report))
    for codec in nothing["codecs"].values():
        codec |= {"clips": [], "clips_scored": 0, "bitrate": None}
    nothing["groups"] = {}
    nothing["differences"] |= {"others": {}, "groups": {}}
    (tmp_path / "page.html").write_text(page(nothing, tmp_path), encoding="utf-8")
    chromium.open(tmp_path / "page.html")
    assert sorted(texts(chromium, "#table tbody th")) == sorted(NAMES)
    assert texts(chromium, ".clip-path") == ["read/four.flac"]
    assert "No codec" in texts(chromium, "#plot")[0]
    assert chromium.console() == []


def test_one_clip_has_no_interval(report, chromium, tmp_path):
    one = json.loads(json.dumps(report))
    for codec in one["codecs"].values():
        for scores in codec["scores"].values():
            scores |= {"low": None, "high": None, "clips": 1}
    (tmp_path / "page.html").write_text(page(one, tmp_path), encoding="utf-8")
    chromium.open(tmp_path / "page.html")
    assert not chromium.run("return document.querySelectorAll('.whisker').length")
    heights = chromium.run(
        "return [...document.querySelectorAll('#plot .glyph')].map(c => +c.attributes.cy.value)"
    )
    assert all(0 < height < 460 for height in heights)
    assert len(set(heights)) == len(NAMES)
    assert texts(chromium, "#plot title")[0] == "plain: 26\u202f400 bit/s, PESQ-WB 2.83, 1 clip"
    below = texts(chromium, "#table tbody td:nth-child(3) small")
    assert below == [""] * len(NAMES)
    assert chromium.console() == []


def test_names_do_no_harm(opened):
    opened.click("#plot-metrics button:nth-child(2)")
    opened.click(".clip-list li:nth-child(3) button")
    assert EVIL in texts(opened, "#notes")[0]
    assert opened.run("return typeof harmed") == "undefined"
    assert opened.run("return document.images.length") == 0
