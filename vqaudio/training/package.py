"""From a model to a release: the same weights, and a card that says what only a person knows.

    python -m vqaudio.training.package MODEL OUT [--about JSON] [--scorecard JSON [--group NAME]]

`--about` holds entries for the card (name, licences, languages); those of its "data" are added to what
the run itself recorded. `--scorecard` is a report of vqaudio-evaluate on this model; where it has
groups, `--group` names the one that counts.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from vqaudio.codec import Codec
from vqaudio.errors import VqaudioError
from vqaudio.training.initial import CRITICS


def package(
    codec: Codec,
    about: dict[str, Any],
    scorecard: dict[str, Any] | None,
    group: str | None = None,
) -> None:
    """Complete the card of `codec`, in place. Raises ValueError if the scorecard is of another model,
    or has no such group."""
    measured_as = codec.card.get("name")
    data = codec.card.get("data", {}) | about.get("data", {})
    codec.card |= about | {"data": data}
    if scorecard is not None:
        if group is not None and group not in scorecard["groups"]:
            raise ValueError(f"the scorecard has no group {group}")
        codecs = scorecard["codecs"] if group is None else scorecard["groups"][group]
        if measured_as not in codecs:
            raise ValueError(f"the scorecard has no figures of {measured_as}")
        wanted = ("bitrate", "scores", "codebook")
        codec.card["held_out"] = {
            "files": scorecard["files"],
            **({} if group is None else {"group": group}),
            "codecs": {
                codec.card["name"] if name == measured_as else name: {key: c[key] for key in wanted}
                for name, c in codecs.items()
            },
        }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, help="a folder with a model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--about", type=Path)
    parser.add_argument("--scorecard", type=Path)
    parser.add_argument("--group", help="a first folder of the scorecard's clips")
    options = parser.parse_args(arguments)
    try:
        codec = Codec.load(options.model)
        about, scorecard = (
            json.loads(path.read_text()) if path else None
            for path in (options.about, options.scorecard)
        )
        package(codec, about or {}, scorecard, options.group)
        codec.save(options.out)
        if (critics := options.model / CRITICS).exists():
            shutil.copy(critics, options.out)
    except (VqaudioError, OSError, ValueError) as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
