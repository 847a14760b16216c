"""A real browser for tests: headless Chromium through chromedriver's WebDriver protocol."""

import base64
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""What the protocol calls the key of a reference to an element."""
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic "
    "--no-first-run --disable-background-networking --disable-component-update --disable-sync"
)


def missing() -> str | None:
    """Which of the two programs is not there."""
    for names in (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",)):
        if not any(map(shutil.which, names)):
            return f"{names[0]} is not installed"
    return None


class Browser:
    """One window. Use as a context manager: the programs end with it."""

    def __init__(self, profile: Path, width: int = 1280, height: int = 900):
        self._opener = build_opener(ProxyHandler({}))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}"
        self._driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self._wait_for_driver()
            flags = [
                *FLAGS.split(),
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
            ]
            wanted = {
                "goog:chromeOptions": {"args": flags},
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            session = self._call("POST", "/session", capabilities={"alwaysMatch": wanted})
            self._url += f"/session/{session['sessionId']}"
        except BaseException:
            self._driver.kill()
            raise

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        try:
            self._call("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait(10)

    def open(self, page: Path) -> None:
        self._call("POST", "/url", url=page.resolve().as_uri())

    def run(self, script: str, *arguments: object) -> object:
        """The value that a piece of JavaScript returns; a promise is waited for."""
        return self._call("POST", "/execute/sync", script=script, args=list(arguments))

    def click(self, selector: str) -> None:
        """As a person does: the element is scrolled to, and must not be covered."""
        self._call("POST", f"/element/{self._find(selector)}/click")

    def type(self, keys: str) -> None:
        """Press keys, wherever the focus is."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": strokes}])

    def wait(self, script: str, seconds: float = 5) -> object:
        """The first true value that a script returns; TimeoutError when there is none in time."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise TimeoutError(script)
            time.sleep(0.02)
        return value

    def console(self) -> list[str]:
        """What went to the console since the last call: errors, refusals and the like."""
        return [entry["message"] for entry in self._call("POST", "/se/log", type="browser")]

    def devtools(self, command: str, **parameters: object) -> object:
        return self._call("POST", "/goog/cdp/execute", cmd=command, params=parameters)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def _find(self, selector: str) -> str:
        found = self._call("POST", "/element", using="css selector", value=selector)
        return found[ELEMENT]

    def _call(self, method: str, path: str, **body: object) -> object:
        data = json.dumps(body).encode() if method == "POST" else None
        request = Request(
            self._url + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with self._opener.open(request, timeout=30) as answer:
                return json.load(answer)["value"]
        except HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def _wait_for_driver(self) -> None:
        for _ in range(500):
            try:
                self._call("GET", "/status")
                return
            except (URLError, ConnectionError):
                time.sleep(0.02)
        raise TimeoutError("chromedriver does not answer")
