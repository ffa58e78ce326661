"""DPoPTokens: tokens that are worth something only with a proof of their key (RFC 9449 section 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

from iam_guard.errors import AuthenticationError, ConfigurationError, Fault
from iam_guard.http.challenge import dpop as dpop_challenge
from iam_guard.identity.authorization import authorization_scheme, token_after_scheme
from iam_guard.identity.bearer_tokens import Readers
from iam_guard.identity.certificate_proof import NO_CERTIFICATES, CertificateProof
from iam_guard.identity.clock import SteadyClock
from iam_guard.identity.confirmation import KEY, check_confirmation, thumbprint
from iam_guard.identity.dpop_proof import SIGNED_WITH, Proof, bad_proof, read_proof
from iam_guard.identity.keys import ALGORITHMS, Family
from iam_guard.identity.nonces import Nonces
from iam_guard.identity.replay import MemoryReplayCache, ReplayCache
from iam_guard.identity.target_uri import normalised, target_uri

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest
    from iam_guard.identity.jwks import KeySource
    from iam_guard.model import Principal

MAX_AGE = 300


@dataclass(frozen=True, slots=True)
class DPoP:
    """What proofs have to be like.

    Attributes:
        algorithms: What they may be signed with.
        max_age: Seconds after ``iat`` in which a proof is good.
        leeway: Seconds that a client's clock may be ahead.
        nonces: Makes the nonces that proofs have to repeat; ``None`` asks for none.
        origin: Scheme and host that clients use, such as ``https://api.example``, where a proxy changes them.

    Raises:
        ConfigurationError: proofs would prove nothing.
    """

    algorithms: tuple[str, ...] = SIGNED_WITH
    max_age: float = 60
    leeway: float = 5
    nonces: Nonces | None = field(default=None, repr=False)
    origin: str = ""

    def __post_init__(self) -> None:
        unfit = [name for name in self.algorithms
                 if name not in ALGORITHMS or ALGORITHMS[name].family is not Family.ASYMMETRIC]
        if unfit or not self.algorithms:
            raise ConfigurationError(Fault("proofs are signed with key pairs", f"use {', '.join(SIGNED_WITH)}",
                                           "/algorithms"))
        if not 0 < self.max_age <= MAX_AGE or not 0 <= self.leeway <= MAX_AGE:
            raise ConfigurationError(Fault("proofs are made for one request and soon too old",
                                           f"write at most {MAX_AGE} s", "/max_age"))
        if self.origin and not _is_origin(self.origin):
            raise ConfigurationError(Fault(f"'{self.origin}' is not a scheme and a host", pointer="/origin"))


def _is_origin(text: str) -> bool:
    try:
        return normalised(text) == f"{text}/"
    except ValueError:
        return False


class DPoPTokens:
    """Turns ``Authorization: DPoP`` with its proof into a principal.

    Args:
        readers: Who reads the tokens, see :class:`BearerTokens`.
        dpop: What proofs have to be like.
        replay: Remembers the proofs that were used.
        certificates: Where the certificate is that a token may be bound to as well.
        clock: Seconds since the epoch.
    """

    schemes = ("dpop",)

    def __init__(self, readers: Readers, *, dpop: DPoP | None = None, replay: ReplayCache | None = None,
                 certificates: CertificateProof = NO_CERTIFICATES, clock: Callable[[], float] | None = None) -> None:
        self._readers, self._certificates = readers, certificates
        self._dpop = dpop or DPoP()
        self._replay = MemoryReplayCache() if replay is None else replay  # an empty one has no length
        self._clock = clock or SteadyClock()

    def carries(self, request: HTTPRequest) -> bool:
        """See :class:`Way`."""
        return authorization_scheme(request) == "dpop"

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        """Say who sent *request*; see :class:`Authenticator`."""
        if not self.carries(request):
            return None
        try:
            return await self._caller(request)
        except AuthenticationError as error:
            error.scheme = "DPoP"
            raise

    async def _caller(self, request: HTTPRequest) -> Principal:
        token = token_after_scheme(request)
        proof = self._proof(request)
        now = self._clock()
        self._check_target(proof, request)
        self._check_time(proof, now)
        if not compare_digest(proof.token_hash, thumbprint(sha256(token).digest())):
            raise bad_proof("'ath' is of another token")
        principal = await self._principal(token, proof, request)
        await self._use_up(proof, request, now)
        return principal

    def _proof(self, request: HTTPRequest) -> Proof:
        text = request.only(b"dpop")
        if text is None:
            raise bad_proof("there is not exactly one 'DPoP' header")
        return read_proof(text, self._dpop.algorithms)

    def _check_target(self, proof: Proof, request: HTTPRequest) -> None:
        if proof.method != request.method:
            raise bad_proof("'htm' is another method")
        try:
            same = normalised(proof.target) == target_uri(request, self._dpop.origin)
        except ValueError as error:
            raise bad_proof(f"'htu' cannot be compared: {error}") from None
        if not same:
            raise bad_proof("'htu' is another target")

    def _check_time(self, proof: Proof, now: float) -> None:
        dpop = self._dpop
        if dpop.nonces is not None and not dpop.nonces.accepts(proof.nonce, now):
            raise AuthenticationError("A DPoP proof needs the nonce of this answer", code="use_dpop_nonce",
                                      headers=(("DPoP-Nonce", dpop.nonces.current(now)),))
        if not -dpop.leeway <= now - proof.issued_at < dpop.max_age:
            raise bad_proof("'iat' is too long ago or in the future")

    async def _principal(self, token: bytes, proof: Proof, request: HTTPRequest) -> Principal:
        shown = {**self._certificates.shown(request), KEY: proof.thumbprint}
        found = await self._readers.read(token)
        if KEY not in found.confirmation or found.type not in ("", "dpop"):
            raise AuthenticationError("The access token is bound to no key", detail="it needs 'jkt' in 'cnf'")
        check_confirmation(found.confirmation, shown)
        self._certificates.check_alone(request, found.confirmation)
        return found.principal

    async def _use_up(self, proof: Proof, request: HTTPRequest, now: float) -> None:
        """Last of all, so that only proofs that were good otherwise are remembered."""
        name = sha256(f"{proof.id}\0{target_uri(request, self._dpop.origin)}".encode()).digest()
        if not await self._replay.use(name, until=proof.issued_at + self._dpop.max_age, now=now):
            raise bad_proof("it was used before")

    async def check_again(self, request: HTTPRequest) -> None:
        """See :class:`~iam_guard.identity.lasting.Lasting`; the proof was good for once, the token is read again."""
        if self.carries(request):
            await self._readers.read(token_after_scheme(request))

    @property
    def key_sources(self) -> Mapping[str, KeySource]:
        """The key sources of the readers, by issuer."""
        return self._readers.key_sources

    def challenges(self) -> tuple[str, ...]:
        """See :class:`Authenticator`."""
        return (dpop_challenge(self._dpop.algorithms),)

    async def start(self) -> None:
        """Start all readers."""
        await self._readers.start()

    async def close(self) -> None:
        """Close all readers."""
        await self._readers.close()
