"""Policies of resources: the files under ``resources/`` and the trust policies of roles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from iam_guard.engine.attachments import Holder, Policy
from iam_guard.policy.document import PolicyKind
from iam_guard.store.accounts import Accounts
from iam_guard.store.entities import ResourceFile
from iam_guard.store.holders import Trust
from iam_guard.store.parts import UNREAD, Part, PartReader
from iam_guard.store.typed import nearest

_ARN = re.compile(r"arn:[^:*?${}]+:[^:*?${}]+:[^:*?${}]*:[^:*?${}]*:[^*?${}]+\Z")
_LOCAL = re.compile(r"arn:[^:]*:iam::([^:]+):(user|role)/.+\Z")


class ResourceReader:
    """Reads resource policies, one resource a file.

    Args:
        reader: Reads texts.
        accounts: The accounts of the folder.
    """

    def __init__(self, reader: PartReader, accounts: Accounts) -> None:
        self._reader, self._report, self._accounts = reader, reader.report, accounts

    def resources(self, parts: Iterable[Part]) -> dict[str, Policy]:
        """The policies by the resource's ARN."""
        found: dict[str, Policy] = {}
        for part in parts:
            if (file := self._file(part)) and self._is_own_arn(part, file.resource):
                if file.resource in found:
                    self._report.fault(part, "/resource", f"'{file.resource}' has a policy already",
                                       f"merge it with '{found[file.resource].document.file}'")
                document = self._reader.embedded_document(part, file.policy, "/policy", PolicyKind.RESOURCE)
                if document:
                    found[file.resource] = Policy(f"resources/{part.place.label}", document)
        return found

    def _file(self, part: Part) -> ResourceFile | None:
        value = self._reader.value(part)
        if value is UNREAD:
            return None
        if isinstance(value, dict) and "Statement" in value:
            self._report.fault(part, "", "the file does not say whose policy it is",
                               "write 'resource: ARN' and move the document under 'policy:'")
            return None
        file = self._reader.typed(part, value, ResourceFile)
        return None if file and self._reader.refuses_said(part, file) else file

    def _is_own_arn(self, part: Part, arn: str) -> bool:
        if not _ARN.match(arn):
            self._report.fault(part, "/resource", f"'{arn}' is not the ARN of one resource",
                               "write arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME, without wildcards or variables")
            return False
        _, _, service, _, account, name = arn.split(":", 5)
        if service == "iam" and name.startswith("role/"):
            self._report.fault(part, "/resource", "the policy of a role is its trust policy",
                               "write it as 'trust:' in the role's file")
            return False
        if account and account != part.account:
            self._report.fault(part, "/resource", f"the resource belongs to the account '{account}'",
                               f"move the file to that account's folder, or write '{part.account}'")
            return False
        return True

    def trusts(self, trusts: Iterable[Trust], holders: Mapping[str, Holder]) -> dict[str, Policy]:
        """The trust policies by the role's ARN; the users and roles they name have to exist.

        A principal of another account is taken as it stands (language specification, section 2.5 rule 5).
        """
        found = {}
        for trust in trusts:
            found[trust.role] = trust.policy
            for statement in trust.policy.document.statements:
                named = statement.principals.entries if statement.principals else ()
                for kind, arn in named:
                    if kind == "AWS":
                        self._check_exists(trust.part, f"/trust/Statement/{statement.index}", arn, holders)
        return found

    def _check_exists(self, part: Part, at: str, arn: str, holders: Mapping[str, Holder]) -> None:
        local = _LOCAL.match(arn)
        own = {self._accounts.home, *self._accounts.others.values()}
        if local and local[1] in own and arn not in holders:
            kind, name = local[2], arn.rsplit("/", 1)[-1]
            others = [one.rsplit("/", 1)[-1] for one in holders if f":{kind}/" in one]
            mend = nearest(name, others) or f"create '{kind}s/{name}.yaml' ('{{}}' will do), or correct the name"
            self._report.fault(part, at, f"invalid principal in policy: there is no {kind} '{arn}'", mend)
