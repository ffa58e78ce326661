"""The second factor: the port to whoever knows the devices, and time-based one-time passwords (RFC 6238)."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Protocol

#: Seconds that one code is good for, and steps around the present that are accepted (RFC 6238 section 5.2).
STEP, WINDOW = 30, 1
_DIGITS = 6
_FEWEST_BYTES = 16


class MFADevices(Protocol):
    """Knows devices for the second factor."""

    def proves(self, user: str, serial_number: str, token_code: str, now: float) -> bool:
        """Whether the device is this user's and shows this code now; no code counts twice.

        Args:
            user: ARN of the user.
            serial_number: Which device.
            token_code: Six digits.
            now: Seconds since the epoch.
        """
        ...


class NoDevices:
    """Nobody has a device, so no code is right."""

    def proves(self, user: str, serial_number: str, token_code: str, now: float) -> bool:
        """See :class:`MFADevices`."""
        return False


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a user.

    Attributes:
        user: ARN of the user.
        secret: Shared with the device; at least 16 bytes (RFC 4226 section 4).
    """

    user: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < _FEWEST_BYTES:
            raise ValueError(f"the secret of a device has at least {_FEWEST_BYTES} bytes")


class TimedCodes:
    """Devices that show a code made of a shared secret and the time.

    Args:
        devices: By serial number.
    """

    def __init__(self, devices: Mapping[str, Device]) -> None:
        self._devices = dict(devices)
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    def proves(self, user: str, serial_number: str, token_code: str, now: float) -> bool:
        """See :class:`MFADevices`."""
        device = self._devices.get(serial_number)
        if device is None or device.user != user:
            return False
        present = int(now) // STEP
        with self._lock:  # two requests with one code: one of them is too late
            for step in range(max(present - WINDOW, self._used.get(serial_number, -1) + 1), present + WINDOW + 1):
                if hmac.compare_digest(code_at(device.secret, step), token_code):
                    self._used[serial_number] = step
                    return True
        return False


def code_at(secret: bytes, step: int, digits: int = _DIGITS) -> str:
    """The code of a step (RFC 4226 section 5.3)."""
    digest = hmac.new(secret, step.to_bytes(8, "big"), sha1).digest()
    place = digest[-1] & 15
    number = int.from_bytes(digest[place:place + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)
