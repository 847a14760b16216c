"""From a model to a release: the same weights, and a card that says what only a person knows.

    python -m vqaudio.training.package MODEL OUT [--name NAME] [--about JSON]
                                       [--scorecard JSON [--group NAME]]

MODEL is a folder with a codec or a prior. `--about` holds entries for the card (name, licences,
languages); those of its "data" are added to what the run itself recorded. `--scorecard` is a report of
vqaudio-evaluate on this model (for a prior, of vqaudio-evaluate --prior); where that of a codec has
groups, `--group` names the one that counts.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from vqaudio import modelfiles
from vqaudio.codec import Codec
from vqaudio.errors import VqaudioError
from vqaudio.prior import Prior
from vqaudio.training.initial import CRITICS


def package(
    model: Codec | Prior,
    about: dict[str, Any],
    scorecard: dict[str, Any] | None,
    group: str | None = None,
) -> None:
    """Complete the card of `model`, in place. Raises ValueError if the scorecard is of another model,
    or has no such group."""
    held_out = {}
    if scorecard is not None:
        select = _prior_figures if isinstance(model, Prior) else _codec_figures
        held_out = {"held_out": select(model, about, scorecard, group)}
    data = model.card.get("data", {}) | about.get("data", {})
    model.card |= about | {"data": data} | held_out


def _codec_figures(codec: Codec, about: dict, scorecard: dict, group: str | None) -> dict[str, Any]:
    measured_as = codec.card.get("name")
    if group is not None and group not in scorecard["groups"]:
        raise ValueError(f"the scorecard has no group {group}")
    codecs = scorecard["codecs"] if group is None else scorecard["groups"][group]
    if measured_as not in codecs:
        raise ValueError(f"the scorecard has no figures of {measured_as}")
    wanted = ("bitrate", "scores", "codebook")
    released = about.get("name", measured_as)
    return {
        "files": scorecard["files"],
        **({} if group is None else {"group": group}),
        "codecs": {
            released if name == measured_as else name: {key: c[key] for key in wanted}
            for name, c in codecs.items()
        },
    }


def _prior_figures(prior: Prior, about: dict, scorecard: dict, group: str | None) -> dict[str, Any]:
    if group is not None:
        raise ValueError("a prior's figures are not chosen by group")
    names = {told["name"]: name for name, told in scorecard.get("priors", {}).items()}
    if prior.name not in names:
        raise ValueError(f"the scorecard has no figures of {prior.name}")
    released = {names[prior.name]: about.get("name", names[prior.name])}

    def figures(of: str, *wanted: str) -> dict[str, Any]:
        return {
            released.get(name, name): {key: told[key] for key in wanted if key in told}
            for name, told in scorecard[of].items()
        }

    return {
        "files": scorecard["files"],
        "train": scorecard["train"],
        "bits_per_code": figures("bits_per_code", "mean", "low", "high", "beside_trigram"),
        "coded": figures("coded", "bitrate", "bits_per_code", "saving", "overhead"),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, help="a folder with a codec or a prior")
    parser.add_argument("out", type=Path)
    parser.add_argument("--name", help="of the release, before that in --about")
    parser.add_argument("--about", type=Path)
    parser.add_argument("--scorecard", type=Path)
    parser.add_argument("--group", help="a first folder of the scorecard's clips")
    options = parser.parse_args(arguments)
    try:
        kind = Prior if "codec" in modelfiles.read_card(options.model) else Codec
        model = kind.load(options.model)
        about, scorecard = (
            json.loads(path.read_text()) if path else None
            for path in (options.about, options.scorecard)
        )
        name = {"name": options.name} if options.name else {}
        package(model, (about or {}) | name, scorecard, options.group)
        model.save(options.out)
        if (critics := options.model / CRITICS).exists():
            shutil.copy(critics, options.out)
    except (VqaudioError, OSError, ValueError) as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
