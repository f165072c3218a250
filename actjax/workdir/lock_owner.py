"""Names the process that owns a lock, and tells whether it still runs."""

import contextlib
import getpass
import os
import secrets
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

FIELDS = dict.fromkeys(("lock", "host", "machine", "started", "user", "command", "since"), str)
FIELDS |= {"pid": int}


def this_process() -> dict[str, Any]:
    """FIELDS of the process that calls it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return {
        "lock": secrets.token_hex(8),
        "host": socket.gethostname(),
        "machine": machine(),
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "user": user,
        "command": " ".join(sys.argv)[:160],
        "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def is_alive(owner: dict[str, Any]) -> bool:
    """Whether a process of this machine runs, and is the one that wrote the lock."""
    try:
        os.kill(owner["pid"], 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it runs, under another user
    since = started(owner["pid"])
    # Process ids are given out again, so the same number may be another process by now.
    return since in ("", owner["started"])


def machine() -> str:
    """Names the machine, its boot and the container; process ids can be compared within one alone."""
    named = [socket.gethostname(), str(uuid.getnode())]
    with contextlib.suppress(OSError):
        named.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        named.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(named)


def started(pid: int) -> str:
    """When a process began, as its system says: "" if it does not say, "ended" if it awaits its parent."""
    if Path("/proc/self/stat").exists():
        try:
            # The name, in brackets, may hold anything; state and start time are the 3rd and the 22nd field.
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return ""
        return "ended" if fields[0] in "ZX" else fields[19]
    try:
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
