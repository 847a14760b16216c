"""Python imports this at its start: kill -9 of all processes of a recipe's run, in the midst of a stage.

From the inside, because whoever only looks from outside now and then finds some files never, and some
when the next stage has begun.
"""

import os
import signal
import sys

SIGNS = os.environ["KILLED_AT"].split(os.pathsep)


def look(event, _):
    """At whatever is about to be opened, made or renamed: is a sign there by now?"""
    if event in ("open", "os.mkdir", "os.rename") and any(map(os.path.exists, SIGNS)):
        os.killpg(0, signal.SIGKILL)


sys.addaudithook(look)
