"""Issuers of well-known identity providers: where their keys are and what their claims mean.

A preset is an ordinary :class:`Issuer`; change a part of one with ``dataclasses.replace(issuer, leeway=10)``.
Each pins the claim that tells the provider's access tokens from its other tokens, and names callers by an
identifier that the provider never gives to somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict, Unpack

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.identity.issuer import GroupsResolver, InlineKeys, Issuer
from iam_guard.identity.jwt_svid import SpiffeMapping
from iam_guard.identity.known_peers import TrustDomain
from iam_guard.identity.sessions import SessionMapping
from iam_guard.model import DEFAULT_ACCOUNT, DEFAULT_PARTITION, EMPTY


class NamingOptions(TypedDict, total=False):
    """Where in the account the callers of an issuer live; parts of :class:`ClaimMapping`."""

    account: str | Claim
    partition: str
    path: str
    name_prefix: str
    shares_names: bool


class MappingOptions(NamingOptions, total=False):
    """Parts of :class:`ClaimMapping` that a deployment chooses for itself."""

    role: str | Claim | None
    tags: Mapping[str, str | Claim]


Audience = str | tuple[str, ...]


def keycloak(
    base_url: str, realm: str, *, audience: Audience, clients: Iterable[str] = (), context: Iterable[str] = (),
    algorithms: tuple[str, ...] = ("RS256",), **mapping: Unpack[MappingOptions],
) -> Issuer:
    """A Keycloak realm: realm roles become groups ``realm:NAME``, roles of a client ``CLIENT:NAME``.

    Roles of clients that are not named never count. The realm needs an audience mapper for *audience*.

    Args:
        base_url: Such as ``https://sso.example`` (older servers: with ``/auth``).
        realm: Its name.
        audience: What its tokens call this service.
        clients: Clients whose roles count.
        context: Claims that become condition keys.
        algorithms: What the realm signs with.
        **mapping: Further parts of the claim mapping.

    Source: Keycloak Server Administration Guide, "OIDC token and SAML assertion mappings".
    """
    url = f"{base_url.rstrip('/')}/realms/{realm}"
    groups = [Claim(("realm_access", "roles"), prefix="realm:")]
    groups += [Claim(("resource_access", client, "roles"), prefix=f"{client}:") for client in clients]
    return Issuer(
        url, audience=audience, algorithms=algorithms, jwks_url=f"{url}/protocol/openid-connect/certs",
        required_claims={"typ": "Bearer"},
        claims=ClaimMapping(groups=tuple(groups), context=tuple(context), **mapping),
    )


def auth0(
    domain: str, *, audience: Audience, groups_claim: str = "",
    context: Iterable[str] = ("permissions", "gty", "org_id"), **mapping: Unpack[MappingOptions],
) -> Issuer:
    """An Auth0 tenant.

    Args:
        domain: Such as ``example.eu.auth0.com``.
        audience: Identifier of the API.
        groups_claim: The namespaced claim, a URL, in which an Action puts groups or roles; empty for none.
        context: Claims that become condition keys; by default ``jwt:permissions`` among them.
        **mapping: Further parts of the claim mapping.

    Source: Auth0 documentation, "Access Token Profiles".
    """
    groups = (Claim((groups_claim,)),) if groups_claim else ()
    return Issuer(
        f"https://{domain}/", audience=audience, algorithms=("RS256",),
        jwks_url=f"https://{domain}/.well-known/jwks.json",
        claims=ClaimMapping(groups=groups, context=tuple(context), **mapping),
    )


def cognito(
    region: str, user_pool: str, *, audience: Audience, context: Iterable[str] = ("username", "event_id"),
    **mapping: Unpack[MappingOptions],
) -> Issuer:
    """An Amazon Cognito user pool: ``cognito:groups`` become groups.

    Its access tokens carry the app client in ``client_id`` and usually no ``aud``; whichever is there has
    to be in *audience*.

    Args:
        region: Such as ``eu-central-1``.
        user_pool: Such as ``eu-central-1_AbCdEf``.
        audience: App client ids.
        context: Claims that become condition keys.
        **mapping: Further parts of the claim mapping.

    Source: Amazon Cognito Developer Guide, "Understanding the access token".
    """
    url = f"https://cognito-idp.{region}.amazonaws.com/{user_pool}"
    return Issuer(
        url, audience=audience, algorithms=("RS256",), jwks_url=f"{url}/.well-known/jwks.json",
        audience_claims=("aud", "client_id"), required_claims={"token_use": "access"},
        claims=ClaimMapping(groups=(Claim(("cognito:groups",)),), context=tuple(context), **mapping),
    )


def entra(
    tenant: str, *, audience: Audience, groups_resolver: GroupsResolver | None = None,
    context: Iterable[str] = ("roles", "tid", "oid", "idtyp"), **mapping: Unpack[MappingOptions],
) -> Issuer:
    """One Microsoft Entra tenant, version 2.0 access tokens; callers are named by ``oid``.

    All tenants share their signing keys, so the tenant is checked twice: in ``iss`` and in ``tid``. ID
    tokens can have the same issuer and audience; the client in ``azp`` is what only access tokens have.
    A caller in too many groups has unknown groups unless *groups_resolver* gets them.

    Args:
        tenant: The directory id, a UUID; ``common`` and the like are no tenants.
        audience: Application id (or ``api://`` URI) of this service.
        groups_resolver: Gets the ids of groups that the token leaves out.
        context: Claims that become condition keys; app roles are ``jwt:roles``.
        **mapping: Further parts of the claim mapping.

    Raises:
        ConfigurationError: *tenant* stands for several tenants.

    Source: Microsoft identity platform, "Access token claims reference" and "Secure applications and APIs
    by validating claims".
    """
    if tenant in ("common", "organizations", "consumers", ""):
        raise ConfigurationError(Fault(f"'{tenant}' is not one tenant", "write the directory id", "/tenant"))
    host = "https://login.microsoftonline.com"
    return Issuer(
        f"{host}/{tenant}/v2.0", audience=audience, algorithms=("RS256",),
        jwks_url=f"{host}/{tenant}/discovery/v2.0/keys",
        required_claims={"tid": tenant, "ver": "2.0", "azp": "*"}, groups_resolver=groups_resolver,
        claims=ClaimMapping(name=Claim("oid"), groups=(Claim("groups"),), context=tuple(context), **mapping),
    )


def okta(
    domain: str, *, audience: Audience, server: str = "default", context: Iterable[str] = ("cid", "uid"),
    **mapping: Unpack[MappingOptions],
) -> Issuer:
    """An Okta custom authorization server; callers are named by user id, services by client id.

    ``sub`` is the login there, which can change hands. ``groups`` needs a groups claim on the server.

    Args:
        domain: Such as ``example.okta.com``.
        audience: Audience of the authorization server, such as ``api://default``.
        server: Its id.
        context: Claims that become condition keys.
        **mapping: Further parts of the claim mapping.

    Source: Okta developer documentation, "OAuth 2.0 and OpenID Connect: access token".
    """
    url = f"https://{domain}/oauth2/{server}"
    return Issuer(
        url, audience=audience, algorithms=("RS256",), jwks_url=f"{url}/v1/keys", required_claims={"cid": "*"},
        claims=ClaimMapping(name=Claim("uid", otherwise="cid"), groups=(Claim("groups"),),
                            context=tuple(context), **mapping),
    )


def google(
    *, audience: Audience, hosted_domain: str = "", context: Iterable[str] = ("hd", "email"),
    **mapping: Unpack[MappingOptions],
) -> Issuer:
    """Google Accounts; its tokens for other services are ID tokens.

    Args:
        audience: OAuth client id, or the audience that a service account asks for.
        hosted_domain: Accept only accounts of this Workspace domain (claim ``hd``).
        context: Claims that become condition keys.
        **mapping: Further parts of the claim mapping.

    Source: Google Identity, "OpenID Connect: an ID token's payload".
    """
    return Issuer(
        "https://accounts.google.com", audience=audience, algorithms=("RS256",), id_tokens=True,
        jwks_url="https://www.googleapis.com/oauth2/v3/certs",
        required_claims={"hd": hosted_domain} if hosted_domain else {},
        claims=ClaimMapping(context=tuple(context), **mapping),
    )


def kubernetes(
    *, audience: Audience, issuer: str = "https://kubernetes.default.svc.cluster.local", jwks_url: str = "",
    jwks_file: str = "", keys: InlineKeys | None = None, namespaces: Iterable[str] = (),
    role: str | Claim | None = None, tags: Mapping[str, str | Claim] = EMPTY, **mapping: Unpack[NamingOptions],
) -> Issuer:
    """Service accounts of a Kubernetes cluster, named ``system:serviceaccount:NAMESPACE:NAME``.

    Namespace and account are principal tags ``namespace`` and ``serviceaccount`` and condition keys
    ``jwt:namespace``, ``jwt:serviceaccount``, ``jwt:pod`` and ``jwt:node``.

    Args:
        audience: What projected tokens are requested for; never the API server's own audience.
        issuer: The cluster's ``--service-account-issuer``.
        jwks_url: Where its keys are; the default is the issuer's ``/openid/v1/jwks``.
        jwks_file: Or a file with them.
        keys: Or the keys themselves.
        namespaces: Accept only these.
        role: The role that service accounts play; users without one.
        tags: Further principal tags.
        **mapping: Further parts of the claim mapping.

    Source: Kubernetes documentation, "Managing Service Accounts: bound service account tokens".
    """
    if not (jwks_url or jwks_file or keys):
        jwks_url = f"{issuer.rstrip('/')}/openid/v1/jwks"
    namespace = Claim(("kubernetes.io", "namespace"))
    account = Claim(("kubernetes.io", "serviceaccount", "name"))
    context = {"namespace": namespace, "serviceaccount": account, "pod": Claim(("kubernetes.io", "pod", "name")),
               "node": Claim(("kubernetes.io", "node", "name"))}
    return Issuer(
        issuer, audience=audience, algorithms=("RS256", "ES256"), jwks_url=jwks_url, jwks_file=jwks_file, keys=keys,
        required_claims={r"kubernetes\.io.namespace": tuple(namespaces) or "*"},
        claims=ClaimMapping(
            tags={"namespace": namespace, "serviceaccount": account, **tags}, context=context, role=role, **mapping
        ),
    )


def github_actions(
    *, audience: Audience, owners: Iterable[str], role: str | Claim = "github-actions",
    tags: Mapping[str, str | Claim] = EMPTY, **mapping: Unpack[NamingOptions],
) -> Issuer:
    """Workflows of GitHub Actions: sessions of *role* named by ``sub``, such as ``repo:org/app:environment:prod``.

    Everybody's workflows have this issuer and may ask for any audience, so the owners are part of the
    trust. Policies then look at ``jwt:repository``, ``jwt:ref``, ``jwt:environment`` and others.

    Args:
        audience: What workflows ask for with ``core.getIDToken(audience)``.
        owners: Accounts and organizations whose repositories are trusted.
        role: The role that workflows play.
        tags: Principal tags.
        **mapping: Further parts of the claim mapping.

    Raises:
        ConfigurationError: no owner is named.

    Source: GitHub documentation, "OpenID Connect reference".
    """
    trusted = (owners,) if isinstance(owners, str) else tuple(owners)
    if not trusted:
        raise ConfigurationError(Fault("no owner is trusted", "name your organization in 'owners'", "/owners"))
    url = "https://token.actions.githubusercontent.com"
    context = ("repository", "repository_id", "repository_owner", "repository_owner_id", "repository_visibility",
               "ref", "ref_type", "sha", "environment", "actor", "actor_id", "workflow", "job_workflow_ref",
               "event_name", "run_id", "runner_environment")
    return Issuer(
        url, audience=audience, algorithms=("RS256",), jwks_url=f"{url}/.well-known/jwks",
        required_claims={"repository_owner": trusted},
        claims=ClaimMapping(context=context, role=role, tags=tags, **mapping),
    )


def token_service(
    issuer: str, *, audience: Audience, jwks_url: str = "", jwks_file: str = "", keys: InlineKeys | None = None,
    allow_http: bool = False,
) -> Issuer:
    """Our own token service: its tokens are sessions, and say themselves whose.

    A session is refused when the role or user that it is of is not in the directory that the guard decides by.

    Args:
        issuer: The name of the token service, as in its tokens.
        audience: What its tokens are for.
        jwks_url: Where its keys are; the default is the issuer's ``/jwks.json``.
        jwks_file: Or a file with them.
        keys: Or the keys themselves.
        allow_http: As for :class:`Issuer`.
    """
    if not (jwks_url or jwks_file or keys):
        jwks_url = f"{issuer.rstrip('/')}/jwks.json"
    return Issuer(issuer, audience=audience, algorithms=("EdDSA",), jwks_url=jwks_url, jwks_file=jwks_file, keys=keys,
                  allow_http=allow_http, token_types=("at+jwt",), claims=SessionMapping())


def spiffe(
    trust_domain: str, *, audience: Audience, jwks_url: str = "", jwks_file: str = "", keys: InlineKeys | None = None,
    account: str = DEFAULT_ACCOUNT, role: str = "", partition: str = DEFAULT_PARTITION,
    algorithms: tuple[str, ...] = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"),
) -> Issuer:
    """Workloads of a SPIFFE trust domain by their tokens; the same callers as by their certificates.

    Args:
        trust_domain: Its name, such as ``prod.example``.
        audience: What workloads ask tokens for.
        jwks_url: Where its trust bundle is; only keys for ``jwt-svid`` count.
        jwks_file: Or a file with it.
        keys: Or the bundle itself.
        account: The account that the workloads belong to.
        role: The role that they play; empty makes them users.
        partition: First field of their ARNs.
        algorithms: What its tokens may be signed with; all that the specification knows by default.

    Source: SPIFFE specifications "JWT-SVID" and "SPIFFE Trust Domain and Bundle".
    """
    domain = TrustDomain(trust_domain, account, role, partition)
    return Issuer(domain.issuer, audience=audience, algorithms=algorithms, jwks_url=jwks_url, jwks_file=jwks_file,
                  keys=keys, token_types=("jwt", "jose", ""), key_use="jwt-svid", claims=SpiffeMapping.of(domain))
