"""Becomes another program, which is told to end when the process that started it has ended.

It is run as a script, before anything else of the new program: what does this between fork and exec must not be Python
of a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_TELL_WHEN_PARENT_ENDS = 1  # PR_SET_PDEATHSIG of prctl(2), which only Linux has


def become(parent: int, program: list[str]) -> None:
    """Run *program* in the place of this process, and no longer than *parent* lives."""
    tell = getattr(ctypes.CDLL(None), "prctl", None)
    if tell is not None:
        tell(_TELL_WHEN_PARENT_ENDS, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == parent:  # or it ended before that
        os.execv(program[0], program)  # noqa: S606 - it is the program that the wheel of Envoy brought


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
