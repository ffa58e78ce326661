"""What a signed request says of itself: read strictly, and nothing of it believed yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iam_guard.identity.sigv4.dates import stamp_of_request
from iam_guard.identity.sigv4.refusals import ALGORITHM, malformed, twice
from iam_guard.model import ascii_lower

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest

#: The parameter that the signature of a presigned URL cannot cover: itself.
SIGNATURE_PARAMETER = "X-Amz-Signature"

_SESSION_HEADER = "x-amz-security-token"
_CREDENTIAL = r"([A-Za-z0-9]{1,128})/([0-9]{8})/([a-z0-9-]{1,64})/([a-z0-9-]{1,64})/aws4_request"
_NAMES = r"([a-z0-9!#$%&'*+.^_`|~;-]{1,4096})"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential={_CREDENTIAL}, ?SignedHeaders={_NAMES}, ?Signature=([0-9a-f]{{64}})")
_SCOPE = re.compile(_CREDENTIAL)
_SIGNED_NAMES = re.compile(_NAMES)
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_SECONDS = re.compile(r"[1-9][0-9]{0,5}")
_QUERY_MARKS = frozenset({"x-amz-signature", "x-amz-credential", "x-amz-algorithm"})


@dataclass(frozen=True, slots=True)
class Claim:
    """A signature as it was sent.

    Attributes:
        access_key_id: Whose it is said to be.
        date: Day in the scope.
        region: Region in the scope.
        service: Service in the scope.
        signed_headers: Names of the headers that it covers, sorted.
        signature: In hexadecimal.
        stamp: When it was made: ``20150830T123600Z``.
        session_token: Of temporary credentials; empty for others.
        expires: Seconds for which a presigned URL is good; ``None`` for a signature in the header.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    stamp: str
    session_token: str = ""
    expires: int | None = None

    @property
    def scope(self) -> str:
        """What the signing key is good for."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def in_header(request: HTTPRequest) -> bool:
    """Whether the ``Authorization`` header is meant for us, however badly it is written."""
    value = request.field(b"authorization")
    return value is not None and ascii_lower(value.lstrip()[:4]) == "aws4"


def in_query(request: HTTPRequest) -> bool:
    """Whether the query holds parameters of a presigned URL, however badly they are written."""
    query = request.query_string
    if not query or b"x-amz-" not in query.lower():
        return False
    return any(ascii_lower(name) in _QUERY_MARKS for name in request.query)


def read_claim(request: HTTPRequest) -> Claim:
    """Read the one signature of a request that has some.

    Raises:
        AuthenticationError: there are two, or it cannot be read in exactly one way.
    """
    if in_query(request):
        if request.header_values("authorization"):
            raise twice("there is a signature in the query and an Authorization header")
        return _of_query(request)
    return _of_header(request)


def _of_header(request: HTTPRequest) -> Claim:
    value = request.only(b"authorization")
    if value is None:
        raise twice("there is more than one Authorization header")
    found = _AUTHORIZATION.fullmatch(value.decode("latin-1"))
    if found is None:
        raise malformed("the Authorization header is not written like a signature")
    key_id, date, region, service, names, signature = found.groups()
    return Claim(key_id, date, region, service, _header_names(names), signature, stamp_of_request(request),
                 _single(request, _SESSION_HEADER))


def _of_query(request: HTTPRequest) -> Claim:
    query = request.query
    if _once(query, "X-Amz-Algorithm") != ALGORITHM:
        raise malformed("the algorithm of a presigned URL is another")
    scope = _SCOPE.fullmatch(_once(query, "X-Amz-Credential"))
    names = _SIGNED_NAMES.fullmatch(_once(query, "X-Amz-SignedHeaders"))
    signature, expires = _once(query, SIGNATURE_PARAMETER), _once(query, "X-Amz-Expires")
    if scope is None or names is None or not _SIGNATURE.fullmatch(signature) or not _SECONDS.fullmatch(expires):
        raise malformed("a parameter of a presigned URL is not written like one")
    if request.header_values(_SESSION_HEADER):
        raise malformed("a presigned URL has its session token in the query")
    token = _once(query, "X-Amz-Security-Token") if "X-Amz-Security-Token" in query else ""
    return Claim(scope[1], scope[2], scope[3], scope[4], _header_names(names[0]), signature,
                 _once(query, "X-Amz-Date"), token, int(expires))


def _once(query: Mapping[str, tuple[str, ...]], name: str) -> str:
    values = query.get(name, ())
    if len(values) != 1:
        raise malformed(f"a presigned URL does not have one '{name}'")
    return values[0]


def _single(request: HTTPRequest, name: str) -> str:
    values = request.header_values(name)
    if len(values) > 1:
        raise malformed(f"there is more than one '{name}' header")
    return values[0].strip() if values else ""


def _header_names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(";"))
    if "" in names or list(names) != sorted(set(names)):
        raise malformed("the names of the signed headers are not in order, or one is there twice")
    return names
