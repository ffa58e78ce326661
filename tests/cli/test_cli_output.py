"""Tables: nothing that they say gets lost where there is little room."""

from __future__ import annotations

import pytest

from iam_guard.cli.output import print_table

WORDS = ["allowed", "arn:app:iam::000000000000:user/administrator", "arn:app:iam::000000000000:policy/All", "team"]


@pytest.mark.parametrize("width", [60, 90, 200])
def test_every_column_is_there_whole(width: int, capsys: pytest.CaptureFixture[str],
                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    print_table(("access", "who", "by", "way"), [WORDS])
    head, *lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [name for name in ("access", "who", "by", "way") if name not in head] == []
    starts = [head.index(name) for name in ("access", "who", "by", "way")]
    cells = ["".join(line[begin:end].strip() for line in lines if "─" not in line)
             for begin, end in zip(starts, [*starts[1:], None], strict=True)]
    assert cells == WORDS


def test_columns_are_not_broken_where_there_is_room(capsys: pytest.CaptureFixture[str],
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    print_table(("access", "who", "by", "why"), [[*WORDS[:3], "word " * 20]])
    said = capsys.readouterr().out
    assert [word for word in WORDS[:3] if word not in said] == []
