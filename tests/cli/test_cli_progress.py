"""The progress bar: for people who wait, never in the results."""

from __future__ import annotations

import io
import itertools
import sys

import pytest

from iam_guard.cli.progress import PATIENCE, watched


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stdout", "stderr", "step", "drawn"), [
    (io.StringIO, _Terminal, PATIENCE, True),
    (io.StringIO, _Terminal, 0.0, False),
    (_Terminal, _Terminal, PATIENCE, False),
    (io.StringIO, io.StringIO, PATIENCE, False),
])
def test_it_is_drawn_for_people_who_wait(monkeypatch: pytest.MonkeyPatch, stdout: type[io.StringIO],
                                         stderr: type[io.StringIO], step: float, drawn: bool) -> None:
    out, err = stdout(), stderr()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", "xterm")
    times = itertools.count(0.0, step or 0.000001)
    assert list(watched(range(9), 9, int, clock=lambda: next(times))) == list(range(9))
    assert ("answering" in err.getvalue()) is drawn
    assert out.getvalue() == ""
