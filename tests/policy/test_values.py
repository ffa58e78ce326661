"""Typed values by exact grammars (language specification, 1.9 and 3.6; threats E14-E17)."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.policy.values import read_address, read_boolean, read_bytes, read_instant, read_network, read_number

DAY = 86_400_000_000_000
NEW_YEAR_2026 = 1_767_225_600_000_000_000


@pytest.mark.parametrize(("text", "number"), [
    ("10", 10), ("+1", 1), ("-0.50", "-0.5"), ("9007199254740993", 9007199254740993),
    ("1_0", None), (" 1", None), ("1e3", None), ("nan", None), ("inf", None), ("0x10", None), (".5", None),
    ("1.", None), ("", None), ("١", None), ("1\n", None),
])
def test_numbers(text: str, number: object) -> None:
    assert read_number(text) == (None if number is None else Decimal(str(number)))


@pytest.mark.parametrize(("text", "instant"), [
    ("2026-01-01T00:00:00Z", NEW_YEAR_2026),
    ("2026-01-01", NEW_YEAR_2026),
    ("2026-01", NEW_YEAR_2026),
    ("2026-01-01T01:00:00+01:00", NEW_YEAR_2026),
    ("2026-01-01t02:00z", NEW_YEAR_2026 + DAY // 12),
    ("2026-01-01T2:00:00", NEW_YEAR_2026 + DAY // 12),
    ("2026-01-01T00:00:00.000000001Z", NEW_YEAR_2026 + 1),
    ("1767225600", NEW_YEAR_2026),
    ("1970-01-01T00:00:00-05", DAY // 24 * 5),
    ("2026-02-30", None), ("2026-13-01", None), ("2026-01-01T24:00:00Z", None), ("2026-01-01T00:60:00Z", None),
    ("2026-W01-1", None), ("2026-01-01T00:00:00+1", None), ("20260101T000000Z", None), ("yesterday", None),
    ("0000-01-01", None), ("9223372036854775808", None), ("-1", None), ("", None), ("2026-01-01\n", None),
    ("2026-01-01T00:00:00.0000000001Z", None),
])
def test_instants(text: str, instant: int | None) -> None:
    assert read_instant(text) == instant


@given(st.datetimes(timezones=st.just(datetime.UTC)))
def test_instants_agree_with_the_calendar(moment: datetime.datetime) -> None:
    seconds = (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)
    assert read_instant(moment.isoformat()) == seconds * 1000


@pytest.mark.parametrize(("text", "value"), [("true", True), ("FALSE", False), ("1", None), ("yes", None), ("", None)])
def test_booleans(text: str, value: bool | None) -> None:
    assert read_boolean(text) is value


@pytest.mark.parametrize(("text", "value"), [("QQ==", b"A"), ("QQ", None), ("Q_==", None), ("é", None), ("", b"")])
def test_binary(text: str, value: bytes | None) -> None:
    assert read_bytes(text) == value


@pytest.mark.parametrize(("network", "address", "inside"), [
    ("203.0.113.0/24", "203.0.113.200", True),
    ("203.0.113.9/24", "203.0.113.1", True),
    ("203.0.113.9", "203.0.113.9", True),
    ("203.0.113.9", "203.0.113.8", False),
    ("2001:db8::/32", "2001:DB8:1::5", True),
    ("2001:db8::1", "2001:DB8:0:0:0:0:0:1", True),
    ("2001:db8::1", "2001:db8::2", False),
    ("0.0.0.0/0", "10.1.1.1", True),
    ("::ffff:10.1.2.3", "::FFFF:10.1.2.3", True),
    ("::/0", "::ffff:10.1.2.3", True),
    ("0.0.0.0/0", "::1", False),
    ("fe80::/10", "fe80::1%eth0", True),
])
def test_networks(network: str, address: str, inside: bool) -> None:
    found, where = read_network(network), read_address(address)
    assert found is not None
    assert where is not None
    assert found.holds(where) is inside


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0/8", "300.1.1.1", "010.0.0.1", "10.0.0.0/", "::/129",
                                  "10.0.0.0/+8", "fe80::1%eth0", "10.0.0.0/255.0.0.0", ""])
def test_no_networks(text: str) -> None:
    assert read_network(text) is None


@given(st.ip_addresses())
def test_addresses_agree_with_the_general_parser(address: object) -> None:
    assert read_address(str(address)) == (address.version, int(address))  # type: ignore[attr-defined, call-overload]
