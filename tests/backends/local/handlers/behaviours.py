"""A handler that does what the event says: `{"do": NAME, ...}`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    """Run the behaviour named by `do`."""
    return BEHAVIOURS[event["do"]](event, context)


def describe(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "left_ms": context.get_remaining_time_in_millis(),
        "memory_mb": context.memory_limit_in_mb,
        "event": event,
    }


def wait(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """Say that it has begun, then wait for a file (for ever when there is none to come)."""
    Path(event["begun"]).write_text(str(os.getpid()))
    while not Path(event["until"]).exists():
        time.sleep(0.005)
    return {"pid": os.getpid()}


def meet(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """Stay until `company` calls have come; return how many were here then.

    No call leaves before that, so the first call that counts finds them all.
    """
    folder, name = Path(event["folder"]), event["name"]
    (folder / f"here-{name}").touch()
    (folder / f"came-{name}").touch()
    while len(list(folder.glob("came-*"))) < event["company"]:
        time.sleep(0.005)
    most = len(list(folder.glob("here-*")))
    time.sleep(0.05)  # for one call too many, if there is one
    most = max(most, len(list(folder.glob("here-*"))))
    (folder / f"here-{name}").unlink()
    return {"most": most, "pid": os.getpid()}


def fail(event: dict[str, Any], _: Any) -> None:
    raise LookupError(event["message"])


def take_memory(event: dict[str, Any], _: Any) -> dict[str, Any]:
    taken = b"x" * (event["mb"] << 20)
    if event.get("give_back"):
        del taken
        return {"kept": False}
    threading.Event().wait()
    return {"kept": len(taken)}


def leave(event: dict[str, Any], _: Any) -> None:
    print("last words", flush=True)
    sys.exit(event["status"])


def die(_: dict[str, Any], __: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def answer(event: dict[str, Any], _: Any) -> dict[str, str]:
    return {"text": "x" * event["length"]}


def answer_list(_: dict[str, Any], __: Any) -> list[int]:
    return [1, 2]


def chatter(event: dict[str, Any], _: Any) -> dict[str, int]:
    for line in range(event["lines"]):
        print(f"line {line} " + "." * 200)
    sys.stdout.write("no end of line" * 1000)
    return {"lines": event["lines"]}


def father(event: dict[str, Any], _: Any) -> None:
    """Start a process that outlives this one if nobody kills it, then hang."""
    child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
    Path(event["begun"]).write_text(str(child.pid))
    threading.Event().wait()


BEHAVIOURS = {
    function.__name__: function
    for function in (
        describe,
        wait,
        meet,
        fail,
        take_memory,
        leave,
        die,
        answer,
        answer_list,
        chatter,
        father,
    )
}
