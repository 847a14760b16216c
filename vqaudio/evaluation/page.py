"""A scorecard's report as one web page: the plot, the table, and every clip to listen to.

The page is a single file that asks nothing of any network: style, scripts, figures and sound are
inside. Its parts lie in `html/`; `page` fills them in.
"""

import base64
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path, PurePosixPath

import soundfile

SCRIPTS = ("dom", "plot", "table", "spectrogram", "player", "cliplist", "clipview", "main")
"""The files of the page's script, in the order in which they are read."""
BITRATE = 64000
"""bit/s of the sound inside a page (Ogg Opus), at which wide-band speech is not changed audibly."""
LIMIT = 100_000_000
"""Bytes of sound that a page may hold; 29 clips of 11 s by ten codecs are 39 million."""
_BLOCK = 1 << 16


def page(report: dict, recordings: str | os.PathLike, limit: int = LIMIT) -> str:
    """The HTML of a page on `report`, with the sound of `recordings`.

    report: as `scorecard` returns it; recordings: the folder it filled; limit: bytes that the sound
    may take in the page. Where that is not enough, it goes to the clips that any codec does worst
    on, and the page says so. Recordings that are not there are left out.

    soundfile.LibsndfileError when a recording cannot be read.
    """
    view = _view(report)
    paths = _place_audio(report, view, Path(recordings), limit)
    with ThreadPoolExecutor() as pool:  # libsndfile works outside the interpreter's lock
        sounds = list(pool.map(_opus, paths))
    style, script = _style(), _script()
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_source(style)}; script-src {_source(script)}"
    )
    parts = {
        "policy": policy,
        "style": style,
        "data": _embed(view),
        "script": script,
        "audio": "\n".join(
            f'<script type="text/plain" id="sound-{number}">{sound}</script>'
            for number, sound in enumerate(sounds)
        ),
    }
    # In one pass: what is put in is not searched for marks, whatever a clip is called.
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], _template("page.html"))


def _template(name: str) -> str:
    return files("vqaudio.evaluation").joinpath("html", name).read_text(encoding="utf-8")


def _style() -> str:
    return "\n" + _template("page.css")


def _script() -> str:
    return "\n" + "\n".join(_template(f"{name}.js") for name in SCRIPTS)


def _source(text: str) -> str:
    """How a content security policy names an inline script or style: only this one may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embed(value: dict) -> str:
    """JSON that can stand inside a script element, whatever its strings hold."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _view(report: dict) -> dict:
    """The report as the page's script reads it: lists in the order of codecs and metrics.

    Not objects with the names as keys: JavaScript puts a key such as "64" first, and finds a
    "constructor" in any object.
    """
    names, metrics = list(report["codecs"]), list(report["metrics"])
    differences = report["differences"]
    groups = [
        ("all clips", report["codecs"], differences["others"]),
        *((name, codecs, differences["groups"][name]) for name, codecs in report["groups"].items()),
    ]
    return {
        "codecs": names,
        "metrics": [{"key": key, **metric} for key, metric in report["metrics"].items()],
        "groups": [
            {
                "name": group,
                "codecs": [
                    _figures(codecs.get(name), gaps.get(name, {}), metrics) for name in names
                ],
            }
            for group, codecs, gaps in groups
        ],
        "first": differences["first"],
        "clips": _clips(report, names, metrics),
        "counted": [(name, codec.get("counted")) for name, codec in report["codecs"].items()],
        "audio_bitrate": BITRATE,
        "missing": list(report["missing"].items()),
        "metrics_missing": list(report.get("metrics_missing", {}).items()),
        "failed": report["failed"],
        "files": report["files"],
        "machine": list(report["machine"].items()),
        "versions": list(report["versions"].items()),
    }


def _figures(codec: dict | None, gaps: dict, metrics: Iterable[str]) -> dict | None:
    """A codec's figures over some clips, without the clips, and what the first codec's are above
    them, `gaps`; None when it has none."""
    if codec is None or not codec["clips_scored"]:
        return None
    keys = ("nominal", "bitrate", "clips_scored", "codebook", "encode_rtf", "decode_rtf")
    figures = {key: codec.get(key) for key in keys}
    figures["scores"] = [codec["scores"].get(metric) for metric in metrics]
    return figures | {"gaps": [gaps.get(metric) for metric in metrics]}


def _clips(report: dict, names: list[str], metrics: list[str]) -> list[dict]:
    clips: dict[str, dict] = {}

    def clip(path: str) -> dict:
        folders = PurePosixPath(path).parts[:-1]
        blank = {"path": path, "group": folders[0] if folders else ".", "seconds": None}
        blank |= {"codecs": [None] * len(names), "audio": [None] * (len(names) + 1)}
        return clips.setdefault(path, blank)

    for number, name in enumerate(names):
        for coded in report["codecs"][name]["clips"]:
            entry = clip(coded["path"])
            entry["seconds"] = coded["seconds"]
            entry["codecs"][number] = {
                "bytes": coded["bytes"],
                "scores": [coded.get(metric) for metric in metrics],
            }
    for failure in report["failed"]:  # of a codec (None: of all), or of a metric: scored then
        coded = clip(failure["path"])["codecs"]
        for number, name in enumerate(names):
            if failure["codec"] in (name, None) and coded[number] is None:
                coded[number] = {"error": failure["error"]}
    return list(clips.values())


def _place_audio(report: dict, view: dict, recordings: Path, limit: int) -> list[Path]:
    """Number the recordings that go into the page: in each clip, that of the original, then those
    of the codecs. Returns their files, in the order of these numbers."""
    paths: list[Path] = []
    names: dict[str, str] = {}
    folders: dict[str, dict[int, str]] = {}  # only of what was coded this time
    for place, (name, codec) in enumerate(report["codecs"].items(), 1):
        for coded in codec["clips"]:
            names[coded["path"]] = coded["recording"]
            folders.setdefault(coded["path"], {0: "original"})[place] = name
    for clip in _worst_first(view):
        of_clip = folders.get(clip["path"], {}).items()
        found = {place: recordings / folder / names[clip["path"]] for place, folder in of_clip}
        found = {place: path for place, path in found.items() if path.is_file()}
        limit -= sum(map(_size, found.values()))
        if limit < 0:
            break
        for place, path in found.items():
            clip["audio"][place] = len(paths)
            paths.append(path)
    return paths


def _size(path: Path) -> float:
    """About how many characters of a page a recording takes."""
    return soundfile.info(path).duration * BITRATE / 8 * 1.05 * 4 / 3 + 400


def _worst_first(view: dict) -> list[dict]:
    """The worst clip of every codec by the first metric, then the second worst of every codec..."""
    clips = view["clips"]
    sign = 1 if view["metrics"][0]["higher_is_better"] else -1
    ranks = dict.fromkeys(range(len(clips)), len(clips))
    for codec in range(len(view["codecs"])):
        coded = [(number, clip["codecs"][codec]) for number, clip in enumerate(clips)]
        scores = [(number, c["scores"][0]) for number, c in coded if c and "scores" in c]
        scores = [(sign * score, number) for number, score in scores if score is not None]
        for rank, (_, number) in enumerate(sorted(scores)):
            ranks[number] = min(ranks[number], rank)
    return [clips[number] for number in sorted(ranks, key=ranks.__getitem__)]


def _opus(path: Path) -> str:
    """A recording as Ogg Opus, in base 64."""
    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    stream = io.BytesIO()
    # libsndfile's scale of compression: 0 is 256 kbit/s and 1 is 6, for one channel.
    level = (256000 - BITRATE) / (256000 - 6000)
    with soundfile.SoundFile(
        stream, "w", rate, 1, "OPUS", format="OGG", compression_level=level
    ) as file:
        # In blocks: one write of a long clip overflows the stack of some versions of libsndfile.
        for start in range(0, len(wave), _BLOCK):
            file.write(wave[start : start + _BLOCK, :1])
    return base64.b64encode(stream.getvalue()).decode()
