"""What the settings file may say, as types. Unknown, misplaced and wrongly typed settings stop the start."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from iam_guard.asgi.cors import CORSSettings
from iam_guard.asgi.listening import check_address
from iam_guard.asgi.tls import TLSSettings
from iam_guard.config.credential_settings import CredentialSettings
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.gateway.settings import GatewaySettings
from iam_guard.http.caller_headers import CallerHeaders
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.openapi import OperationNaming
from iam_guard.http.resource_metadata import ResourceMetadata
from iam_guard.http.response import DenialStyle
from iam_guard.identity.sigv4.rules import SignatureRules
from iam_guard.model import DEFAULT_ACCOUNT
from iam_guard.sidecar.settings import SidecarSettings

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class PolicySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where policies are.

    Attributes:
        folder: The policy folder (laid out as :mod:`iam_guard.store.layout` says).
        poll_seconds: How often it is looked at when no change is reported.
        max_unsynced: Seconds without a look at it after which nobody is let in.
    """

    folder: str
    poll_seconds: Seconds = 3.0
    max_unsynced: Seconds = 300.0


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A directory that policies come from.

    Attributes:
        url: ``sqlite:///FILE``, ``postgresql://...``, ``file:FOLDER``; or, where it holds a password, a reference to
            it: ``{env: NAME}`` or ``{file: PATH}``.
        poll_seconds: How often it is asked when no change is reported.
        max_unsynced: Seconds without an answer after which nobody is let in.
        known_only: Deny users and roles that are not in it everything, whatever their token says.
    """

    url: Any
    poll_seconds: Seconds = 3.0
    max_unsynced: Seconds = 300.0
    known_only: bool = False


class RouteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where routes are mapped to actions; all that are given count together.

    Attributes:
        file: A YAML route map.
        openapi: An OpenAPI document whose operations say what they need.
        naming: How to name the action of an operation that does not say (see :mod:`iam_guard.http.openapi`).
        unmapped: Refuse to start because of such an operation, or leave it denied.
        app: Take what the decorators of the application's own handlers say.
    """

    file: str = ""
    openapi: str = ""
    naming: OperationNaming | None = None
    unmapped: Literal["refuse", "deny"] = "refuse"
    app: bool = False


class NameSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How short resource names are completed to ARNs.

    Attributes:
        partition: Second field; by default what the policy folder says, else ``app``.
        region: Fourth field.
        account: Fifth field; by default what the policy folder says.
    """

    partition: str = ""
    region: str = ""
    account: str = ""


class ContextSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which parts of a request policies may read beyond the usual ones.

    Attributes:
        headers: Header names, as ``http:header/NAME``.
        query: Query parameters, as ``http:query/NAME``.
    """

    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where decisions are recorded.

    Attributes:
        logger: Name of a Python logger; empty for none.
        jsonl: A file to which each decision is added as a line of JSON; empty for none.
        only_denied: Leave decisions that allow out of the file.
    """

    logger: str = "iam_guard.decisions"
    jsonl: str = ""
    only_denied: bool = False


class StreamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When WebSockets and streamed responses end.

    Attributes:
        end: End them when the session expires or the policies no longer allow them.
        recheck_seconds: How often the policies are asked again.
    """

    end: bool = True
    recheck_seconds: Seconds = 5.0


class RevocationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which tokens are over before they expire.

    Attributes:
        file: The list (see :mod:`iam_guard.identity.revocation`).
        poll_seconds: How often it is looked at.
        max_unsynced: Seconds without a good look at it after which nobody with a token is let in.
    """

    file: str
    poll_seconds: Seconds = 3.0
    max_unsynced: Seconds = 300.0


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An issuer whose tokens open roles of the directory.

    Attributes:
        issuer: As under ``issuers``; its audiences are the client ids.
        accounts: Accounts whose roles may trust it.
    """

    issuer: dict[str, Any]
    accounts: tuple[str, ...] = (DEFAULT_ACCOUNT,)


class TokenServiceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token service of the directory in ``store``, served as a door of the sidecar.

    Attributes:
        issuer: The URL that clients reach it at.
        audience: What its tokens are for.
        keys: The file with the signing keys (``iam-guard token keys``).
        providers: Other issuers whose tokens open roles.
        listen: A listener of its own; without it, the one that the doors of the sidecar share.
        tls: TLS on the listener of its own.
    """

    issuer: str
    audience: str | tuple[str, ...]
    keys: str
    providers: tuple[ProviderSettings, ...] = ()
    listen: str = ""
    tls: TLSSettings | None = None

    def __post_init__(self) -> None:
        """Check the address."""
        check_address(self.listen, "/listen")


class SettingsFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``iam-guard.yaml``.

    Attributes:
        policies: Where policies are; a text is the folder.
        store: Which directory they come from instead; a text is its URL.
        routes: Where routes are mapped; a text is the file of the route map.
        issuers: Whose tokens are accepted (see :mod:`iam_guard.identity.settings`).
        revocations: Which tokens are over before they expire; a text is the file that lists them.
        signed_requests: Accept requests signed with access keys of the directory, under these rules.
        credentials: Other ways to say who; without them, ``issuers`` has to name some.
        metadata: What clients need to know to get a token (RFC 9728), served to everybody.
        realm: What challenges call this service.
        resources: How short resource names are completed.
        edge: How requests arrive, and whom to believe about them.
        caller_headers: How an application behind a proxy learns who was let in.
        gateway: What stands behind ``iam-guard gateway``, and where that listens.
        context: What else of a request policies may read.
        log: Where decisions are recorded.
        denials: How denials look.
        cors: Which other origins may call from a browser; without it, a preflight is like any request.
        streams: When long connections end.
        docs_public: Open the application's documentation pages and their schema.
        allow_anonymous: Ask the policies about callers without credentials instead of answering 401.
        strict: Refuse to start with a route of the application that is not mapped.
        sidecar: Doors for proxies and programs that ask for decisions.
        tokens: The token service, as a door of the sidecar.
        development: Let samples pass that must never reach production.
    """

    policies: str | PolicySettings = ""
    store: str | StoreSettings = ""
    routes: str | RouteSettings
    issuers: tuple[dict[str, Any], ...]
    revocations: str | RevocationSettings = ""
    credentials: CredentialSettings = CredentialSettings()
    metadata: ResourceMetadata | None = None
    signed_requests: SignatureRules | None = None
    realm: str = "api"
    resources: NameSettings = NameSettings()
    edge: EdgeSettings = EdgeSettings()
    caller_headers: CallerHeaders = CallerHeaders()
    gateway: GatewaySettings | None = None
    context: ContextSettings = ContextSettings()
    log: LogSettings = LogSettings()
    denials: DenialStyle = DenialStyle()
    cors: CORSSettings | None = None
    streams: StreamSettings = StreamSettings()
    docs_public: bool = False
    allow_anonymous: bool = False
    strict: bool = True
    sidecar: SidecarSettings | None = None
    tokens: TokenServiceSettings | None = None
    development: bool = False

    def __post_init__(self) -> None:
        """Check that there is one source of policies.

        Raises:
            ConfigurationError: there is none, or there are two.
        """
        if self.policies and self.store:
            raise ConfigurationError(Fault("policies come from one place", "keep 'policies' or 'store'", "/store"))
        if not self.policies and not self.store:
            raise ConfigurationError(Fault("'policies' is missing", "add 'policies: FOLDER' or 'store: URL'"))
