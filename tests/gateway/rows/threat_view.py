"""What an application behind any door must have seen of a row."""

from __future__ import annotations

from threat_origin import Everything
from threat_rows import Row


def check_view(app: Everything, row: Row, brand: str, *, passed: bool, proxied: bool = False) -> None:
    """Check that the application got exactly what the row says, in nobody's name but the caller's.

    Args:
        app: It.
        row: What was sent.
        brand: What the headers of the guard are called.
        passed: Whether the client was told so.
        proxied: A proxy had the first word.
    """
    assert app.strange == []
    whole = [one for one in app.got if one.whole]
    meant = {row.served, *(row.proxied if proxied else ())}
    assert {one.target for one in whole} <= (meant if passed else set())
    assert len(whole) == (1 if passed and None not in row.proxied else 0)
    for got in whole:
        assert got.method == row.line.split(b" ")[0]
        check_names(got, row.who, brand)
        assert not (got.values("content-length") and got.values("transfer-encoding"))


def check_names(got: object, who: str, brand: str) -> None:
    """Check that the guard alone says who called, once and nowhere else."""
    values, names = got.values, got.names  # type: ignore[attr-defined]
    expected = "" if who == "anon" else f"arn:iamg:iam::t1:user/{who}"
    told = values(f"X-{brand}-Principal")
    assert told in ([expected], [] if not expected else [expected])
    assert values(f"X-{brand}-Account") in ([expected and "t1"], [] if not expected else ["t1"])
    assert names.count(f"x-{brand}-principal") == len(told)
