"""Where policies come from, as the settings say: a folder of files, or a directory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from iam_guard.asgi.lifespan import Part
from iam_guard.config.place import Origin
from iam_guard.config.samples import check_samples
from iam_guard.config.schema import PolicySettings, SettingsFile, StoreSettings
from iam_guard.config.secrets import read_secret
from iam_guard.directory.port import DirectoryStore
from iam_guard.errors import ConfigurationError, DocumentError, UnavailableError
from iam_guard.http.naming import ResourceNames
from iam_guard.store.file import FilePolicyStore
from iam_guard.store.following import DirectoryPolicyStore

_WITH_PASSWORD = re.compile(r"[A-Za-z0-9+]+://[^/@]*:[^/@]+@")
#: Places on this machine that are named by a relative path.
_RELATIVE = re.compile(r"(sqlite:///|file:(?://)?)(?!/)([^:?].*)")


class Policies(NamedTuple):
    """A source of policies.

    Attributes:
        store: Holds them.
        names: How short resource names are completed, in the same partition and account.
        poll_seconds: How often it is asked when it reports no change.
        max_unsynced: Seconds of silence after which nothing is served.
        parts: What has to be closed.
    """

    store: FilePolicyStore | DirectoryPolicyStore
    names: ResourceNames
    poll_seconds: float
    max_unsynced: float
    parts: tuple[Part, ...]

    def release(self) -> None:
        """Let go of connections until they are needed again: a server may fork after its application was made."""
        _release(self.store)


def read_policies(settings: SettingsFile, origin: Origin) -> Policies:
    """Find the policies. A place that cannot be reached yet is no fault.

    Raises:
        ConfigurationError: with what is wrong with these settings.
    """
    place = _place(settings)
    with opened_policy_store(settings, origin) as store:
        names = _names(settings, origin, store.home)
    if isinstance(store, DirectoryPolicyStore):
        return Policies(store, names, place.poll_seconds, place.max_unsynced, (store,))
    fixed = FilePolicyStore(store.folder, partition=names.partition, account=names.account)
    return Policies(fixed, names, place.poll_seconds, place.max_unsynced, ())


def policy_store(settings: SettingsFile, origin: Origin) -> FilePolicyStore | DirectoryPolicyStore:
    """The store that the settings name; nothing is opened yet.

    Raises:
        ConfigurationError: its URL holds a password, or the secret it refers to is not there.
    """
    place, wanted = _place(settings), settings.resources
    if isinstance(place, PolicySettings):
        return FilePolicyStore(origin.path(place.folder), partition=wanted.partition, account=wanted.account)
    url = _url(settings, place, origin)
    return DirectoryPolicyStore(partial(_open, url), partition=wanted.partition, account=wanted.account,
                                known_only=place.known_only)


@contextmanager
def opened_policy_store(settings: SettingsFile, origin: Origin) -> Iterator[FilePolicyStore | DirectoryPolicyStore]:
    """The store that the settings name, let go of at the end, for those who only look.

    Raises:
        ConfigurationError: as :func:`policy_store` does.
    """
    store = policy_store(settings, origin)
    try:
        yield store
    finally:
        _release(store)


def check_policies(settings: SettingsFile, origin: Origin) -> None:
    """Read the policies that settings name, as a start would.

    Raises:
        ConfigurationError: there are none, or a start would not serve them.
    """
    at, mend = ("/store", "correct the URL") if settings.store else ("/policies", "correct the path")
    try:
        with opened_policy_store(settings, origin) as store:
            found = store.load()
    except UnavailableError as problem:
        raise ConfigurationError(origin.fault(at, str(problem), mend)) from None
    if not settings.development:
        check_samples(found.attachments)


def _release(store: FilePolicyStore | DirectoryPolicyStore) -> None:
    if isinstance(store, DirectoryPolicyStore):
        store.disconnect()


def directory_opener(settings: SettingsFile, origin: Origin) -> Callable[[], DirectoryStore]:
    """What opens the directory that the settings name, once more beside the policies.

    Raises:
        ConfigurationError: its URL holds a password, or the secret it refers to is not there.
    """
    return partial(_open, directory_url(settings, origin))


def directory_url(settings: SettingsFile, origin: Origin) -> str:
    """The URL of the directory that the settings name.

    Raises:
        ConfigurationError: it holds a password, or the secret it refers to is not there.
    """
    place = settings.store if isinstance(settings.store, StoreSettings) else StoreSettings(settings.store)
    return _url(settings, place, origin)


def _open(url: str) -> DirectoryStore:
    from iam_guard.store.urls import open_store  # brings libraries that a folder of files does without

    return open_store(url)


def _place(settings: SettingsFile) -> PolicySettings | StoreSettings:
    if settings.store:
        return settings.store if isinstance(settings.store, StoreSettings) else StoreSettings(settings.store)
    return settings.policies if isinstance(settings.policies, PolicySettings) else PolicySettings(settings.policies)


def _url(settings: SettingsFile, place: StoreSettings, origin: Origin) -> str:
    """The URL, with a relative path made to start from the settings' folder."""
    at = "/store/url" if isinstance(settings.store, StoreSettings) else "/store"
    if isinstance(place.url, Mapping):
        return read_secret(place.url, origin, at)
    if not isinstance(place.url, str):
        raise ConfigurationError(origin.fault(at, "expected the URL of a directory", "write 'sqlite:///iam.db'"))
    if _WITH_PASSWORD.match(place.url):
        raise ConfigurationError(origin.fault(at, "a password stands in the settings", "write 'url: {env: NAME}' or "
                                              "'url: {file: PATH}', and change the password"))
    relative = _RELATIVE.fullmatch(place.url)
    return f"{relative[1]}{origin.path(relative[2])}" if relative else place.url


def _names(settings: SettingsFile, origin: Origin, home: Callable[[], tuple[str, str]]) -> ResourceNames:
    """Policies and resource names have one partition and one account between them."""
    try:
        partition, account = home()
    except DocumentError as refused:
        raise ConfigurationError(origin.placed(refused.faults, "/store")) from None
    try:
        return ResourceNames(partition, settings.resources.region, account)
    except ConfigurationError as refused:
        raise ConfigurationError(origin.placed(refused.faults, "/resources")) from None
