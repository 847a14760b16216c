"""python -m vqaudio.cli.report REPORT: the tables of a report that vqaudio-evaluate wrote, less speeds.

The same models and clips give the same lines again, which speeds would not.
"""

import argparse
import json
import sys
from pathlib import Path

from vqaudio.cli.common import complain, guarded
from vqaudio.evaluation.priors.table import prior_table
from vqaudio.evaluation.table import table

PROG = "report"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__.split("\n")[0])
    parser.add_argument("report", type=Path, help="as vqaudio-evaluate -o wrote it")
    options = parser.parse_args(arguments)

    def work() -> int:
        try:
            report = json.loads(options.report.read_text())
            print((prior_table if "bits_per_code" in report else table)(report, speeds=False))
        except (ValueError, KeyError, TypeError, AttributeError):
            complain(PROG, str(options.report), "is not a report of vqaudio-evaluate")
            return 1
        return 0

    return guarded(PROG, work)


if __name__ == "__main__":
    sys.exit(main())
