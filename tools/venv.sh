# Sourced by the other tools: sets up .venv on first use, or again after pyproject.toml changed.
# Leaves the repository root as working directory and .venv's programs first in PATH.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stamp=.venv/installed
if ! cmp -s pyproject.toml "$stamp"; then
    python=${PYTHON:-python3}
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
        echo "vqaudio needs Python 3.10 or newer; name one with PYTHON=..." >&2
        exit 1
    }
    echo "Setting up .venv (about 5 GB, a few minutes) ..." >&2
    "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' >&2
    # The speaker judge asks for a package that has to be compiled; webrtcvad-wheels takes its place.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps Resemblyzer >&2
    cp pyproject.toml "$stamp"
fi
PATH="$PWD/.venv/bin:$PATH"
