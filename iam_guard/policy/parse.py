"""Reads policies: JSON or YAML text, or plain mappings, into a PolicyDocument (language specification, section 1).

Two modes. ``STRICT`` is for documents that are about to be used for the first time: anything dubious is
refused. ``IMPORT`` is for documents that already live elsewhere: what AWS is known to have stored is
tolerated and noted, and nothing that could be a Deny is ever dropped. Either way a document is read whole
or not at all, and every fault is reported at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from sys import intern
from typing import Any

from iam_guard.errors import DocumentError, Fault, PolicyDocumentError
from iam_guard.policy.clauses import read_conditions
from iam_guard.policy.document import (
    Condition,
    Effect,
    Mode,
    PolicyDocument,
    PolicyKind,
    PrincipalElement,
    Statement,
)
from iam_guard.policy.elements import (
    PRINCIPAL_KEYS,
    check_action,
    check_principal,
    check_resource,
    check_sid,
    check_text,
    is_plain_action,
    is_plain_resource,
)
from iam_guard.policy.findings import Findings, Stage
from iam_guard.policy.source import Number, Pairs, SourceText, members, pointer

#: Longest text of a new document, in bytes of UTF-8 (promise S18); import takes up to source.MAX_TEXT.
MAX_STRICT_BYTES = 65_536

_DOCUMENT_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset({"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource",
                                 "NotResource", "Condition"})
_VERSIONS = ("2012-10-17", "2008-10-17")
_NEEDS_2012 = frozenset({PolicyKind.IDENTITY, PolicyKind.BOUNDARY, PolicyKind.SESSION, PolicyKind.SCP,
                         PolicyKind.RCP})
_HAS_PRINCIPAL = frozenset({PolicyKind.RESOURCE, PolicyKind.TRUST, PolicyKind.RCP, PolicyKind.ENDPOINT})
_UNIQUE_SIDS = _NEEDS_2012 | {PolicyKind.TRUST}


def parse_policy(source: str | bytes | SourceText | Mapping[str, Any], *, kind: PolicyKind = PolicyKind.IDENTITY,
                 mode: Mode = Mode.STRICT, file: str = "", within: SourceText | None = None, base: str = "",
                 resource_required: bool = True) -> PolicyDocument:
    """Read one policy.

    Args:
        source: JSON text (YAML when *file* ends in ``.yaml`` or ``.yml``), or what such a text holds.
        kind: What the document is attached as; it decides which elements are allowed.
        mode: Strict for new documents, import for existing ones.
        file: Name of the text, for faults and explanations.
        within: For a mapping that is part of a larger text: that text.
        base: JSON pointer to the mapping in that text.
        resource_required: Whether a resource policy has to have Resource elements. Types of resource
            whose policies never have them (container registries, for instance) say no.

    Raises:
        PolicyDocumentError: with every fault and its place; nothing was read.
    """
    found = Findings(strict=mode is Mode.STRICT)
    if isinstance(source, Mapping):
        value: Any = source
    else:
        within = source if isinstance(source, SourceText) else _text_of(source, file)
        value = _value_of(within, found)
    reader = _Reader(found, kind, resource_required)
    document = reader.document(value)
    if found.faults or document is None:
        raise PolicyDocumentError(found.located(found.faults, within, base), summary=found.summary)
    version, identifier, statements = document
    notes = tuple(found.located(found.notes, within, base)) if found.notes else ()
    return PolicyDocument(statements, version, identifier, within, base, notes)


def _text_of(source: str | bytes, file: str) -> SourceText:
    if isinstance(source, bytes):
        try:
            return _text_of(source.decode("utf-8"), file)
        except UnicodeDecodeError as problem:
            line = source.count(b"\n", 0, problem.start) + 1
            raise PolicyDocumentError(Fault("the text is not UTF-8", "save it as UTF-8", line=line, column=1,
                                            file=file, code="JSON_SYNTAX_ERROR")) from None
    return SourceText(source, file=file, is_yaml=file.endswith((".yaml", ".yml")))


def _value_of(text: SourceText, found: Findings) -> Any:
    if found.strict and len(text.text) > MAX_STRICT_BYTES // 4 and len(text.text.encode()) > MAX_STRICT_BYTES:
        # Said without looking for a place in the text: that would mean reading all of it.
        raise PolicyDocumentError(Fault(f"the document is longer than {MAX_STRICT_BYTES} bytes", "split it",
                                        line=1, column=1, file=text.file))
    if not text.text.isascii():
        check_text(text.text, found)
    try:
        return text.value()
    except DocumentError as problem:
        raise PolicyDocumentError(problem.faults) from None


class _Reader:
    """Reads one document, noting faults in *found* and going on as far as that makes sense."""

    def __init__(self, found: Findings, kind: PolicyKind, resource_required: bool) -> None:
        self.found = found
        self.kind = kind
        self.resource_required = resource_required

    # The document

    def document(self, value: Any) -> tuple[str | None, str, tuple[Statement, ...]] | None:
        if not isinstance(value, dict):
            self.found.refuse(Stage.SYNTAX, "", f"a policy is one object, not {_word(value)}",
                              code="DATA_TYPE_MISMATCH")
            return None
        self._check_names(value, "", _DOCUMENT_ELEMENTS)
        version = self._version(value)
        identifier = value.get("Id", "")
        if not _is_text(identifier):
            self.found.refuse(Stage.SYNTAX, "/Id", f"Id is text, not {_word(identifier)}", code="DATA_TYPE_MISMATCH")
            identifier = ""
        statements = self._statements(value, version == "2012-10-17")
        return version, identifier, statements

    def _version(self, value: dict[str, Any]) -> str | None:
        version = value.get("Version")
        if version is None and "Version" not in value:
            if self.kind in _NEEDS_2012:
                self.found.object_to(Stage.VERSION, "", "the document has no Version",
                                     'add "Version": "2012-10-17"', code="MISSING_VERSION")
        elif version not in _VERSIONS:
            self.found.refuse(Stage.SYNTAX, "/Version", f"there is no policy version '{version}'",
                              'write "2012-10-17"', code="INVALID_VERSION")
        elif version == "2008-10-17" and self.kind in _NEEDS_2012:
            self.found.object_to(Stage.VERSION, "/Version", "the version 2008-10-17 knows no variables",
                                 'write "2012-10-17"', code="INVALID_VERSION")
        return version if isinstance(version, str) else None

    def _statements(self, value: dict[str, Any], variables: bool) -> tuple[Statement, ...]:
        body = value.get("Statement")
        if isinstance(body, dict):
            statement = self._statement(body, "/Statement", 0, variables)
            return (statement,) if statement else ()
        if not isinstance(body, list):
            self.found.refuse(Stage.SYNTAX, "/Statement" if "Statement" in value else "",
                              "Statement is missing" if body is None else
                              f"Statement is an object or a list of objects, not {_word(body)}",
                              code="MISSING_STATEMENT")
            return ()
        if not body:
            self.found.object_to(Stage.SYNTAX, "/Statement", "Statement is empty", code="MISSING_STATEMENT")
        read = [self._statement(one, f"/Statement/{place}", place, variables)
                for place, one in enumerate(body)]
        statements = tuple(one for one in read if one)
        self._check_unique_sids(statements)
        return statements

    def _check_unique_sids(self, statements: tuple[Statement, ...]) -> None:
        seen: set[str] = set()
        for statement in statements:
            if statement.sid and statement.sid in seen and self.kind in _UNIQUE_SIDS:
                self.found.object_to(Stage.SID, f"/Statement/{statement.index}/Sid",
                                     f"two statements have the Sid '{statement.sid}'", "rename one",
                                     code="UNIQUE_SIDS_REQUIRED")
            seen.add(statement.sid)

    def _check_names(self, value: dict[str, Any], at: str, known: frozenset[str]) -> None:
        if isinstance(value, Pairs):
            for name in value.repeated():
                self.found.object_to(Stage.SYNTAX, pointer(at, name), f"'{name}' is given twice", "keep one",
                                     code="DUPLICATE_KEYS")
        if value.keys() <= known:
            return
        for name in value:
            if name not in known:
                close = difflib.get_close_matches(name.title(), sorted(known), 1, 0.7)
                self.found.refuse(Stage.SYNTAX, pointer(at, name), f"there is no element '{name}'",
                                  f"did you mean '{close[0]}'?" if close else "remove it",
                                  code="INVALID_POLICY_ELEMENT")

    # The statement

    def _statement(self, value: Any, at: str, index: int, variables: bool) -> Statement | None:
        if not isinstance(value, dict):
            self.found.refuse(Stage.SYNTAX, at, f"a statement is an object, not {_word(value)}",
                              code="DATA_TYPE_MISMATCH")
            return None
        self._check_names(value, at, _STATEMENT_ELEMENTS)
        effect = self._effect(value, at)
        actions, not_action = self._actions(value, at)
        resources, not_resource = self._resources(value, at, variables)
        principals = self._principals(value, at)
        conditions, broken = self._conditions(value, at, variables)
        sid = self._sid(value, at)
        if effect is None:
            return None
        self._check_kind(effect, actions, not_action, principals, at)
        return Statement(effect, actions, not_action, resources, not_resource, principals, conditions, sid, index,
                         variables, broken)

    def _effect(self, value: dict[str, Any], at: str) -> Effect | None:
        effect = value.get("Effect")
        if effect == "Allow":
            return Effect.ALLOW
        if effect == "Deny":
            return Effect.DENY
        if effect is None and "Effect" not in value:
            self.found.refuse(Stage.SYNTAX, at, "Effect is missing", "write \"Allow\" or \"Deny\"",
                              code="MISSING_EFFECT")
        else:
            right = isinstance(effect, str) and effect.lower() in ("allow", "deny")
            self.found.refuse(Stage.LEGACY if right else Stage.SYNTAX, at + "/Effect",
                              f"Effect is \"Allow\" or \"Deny\", not {_quoted(effect)}",
                              f"write \"{str(effect).title()}\"" if right else "", code="INVALID_EFFECT")
        return None

    def _sid(self, value: dict[str, Any], at: str) -> str:
        sid = value.get("Sid", "")
        if not _is_text(sid):
            self.found.refuse(Stage.SYNTAX, at + "/Sid", f"Sid is text, not {_word(sid)}", code="DATA_TYPE_MISMATCH")
            return ""
        if (sid and not sid.isalnum()) or not sid.isascii() or len(sid) > 64:
            check_sid(sid, at + "/Sid", self.found, self.kind)
        return str(sid)

    def _actions(self, value: dict[str, Any], at: str) -> tuple[tuple[str, ...], bool]:
        name = self._one_of(value, at, "Action")
        if name is None:
            self.found.refuse(Stage.ACTIONS, at, "the statement has no Action", "add Action or NotAction",
                              code="MISSING_ACTION")
            return (), False
        texts = self._texts(value, name, at, Stage.ACTIONS)
        for place, text in enumerate(texts):
            if not is_plain_action(text):
                check_action(text, _entry(value, name, at, place), self.found)
        return tuple(map(intern, texts)), name == "NotAction"

    def _resources(self, value: dict[str, Any], at: str, variables: bool) -> tuple[tuple[str, ...] | None, bool]:
        name = self._one_of(value, at, "Resource")
        if self.kind is PolicyKind.TRUST:
            if name:
                self.found.refuse(Stage.SYNTAX, pointer(at, name), f"a trust policy has no {name}", "remove it",
                                  code="ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE",
                                  summary="Has prohibited field Resource")
            return None, False
        if name is None:
            if self.kind is not PolicyKind.RESOURCE or self.resource_required:
                self.found.refuse(Stage.RESOURCES, at, "the statement has no Resource",
                                  "add Resource or NotResource", code="MISSING_RESOURCE")
            return None, False
        texts = self._texts(value, name, at, Stage.RESOURCES)
        for place, text in enumerate(texts):
            if not is_plain_resource(text):
                check_resource(text, _entry(value, name, at, place), self.found, variables=variables)
        return texts, name == "NotResource"

    def _one_of(self, value: dict[str, Any], at: str, name: str) -> str | None:
        positive, negative = name in value, f"Not{name}" in value
        if positive and negative:
            self.found.refuse(Stage.SYNTAX, pointer(at, f"Not{name}"), f"{name} and Not{name} exclude each other",
                              "keep one", code="UNSUPPORTED_ELEMENT_COMBINATION")
        return name if positive else f"Not{name}" if negative else None

    def _texts(self, value: dict[str, Any], name: str, at: str, stage: Stage) -> tuple[str, ...]:
        raw = _merged(value, name)
        texts = raw if isinstance(raw, list) else [raw]
        if not texts:
            self.found.object_to(stage, pointer(at, name), f"{name} is empty", "name at least one",
                                 code=f"EMPTY_ARRAY_{name.removeprefix('Not').upper()}")
        if all(map(_is_text, texts)):
            return tuple(texts)
        for place, text in enumerate(texts):
            if not _is_text(text):
                self.found.refuse(Stage.SYNTAX, _entry(value, name, at, place),
                                  f"{name} holds texts, not {_word(text)}", code="DATA_TYPE_MISMATCH")
        return tuple(filter(_is_text, texts))

    # Principals

    def _principals(self, value: dict[str, Any], at: str) -> PrincipalElement | None:
        name = self._one_of(value, at, "Principal")
        if name is None:
            if self.kind in _HAS_PRINCIPAL:
                self.found.object_to(Stage.SYNTAX, at, "the statement has no Principal",
                                     'add "Principal"; {"AWS": ...} or "*"', code="MISSING_PRINCIPAL")
            return None
        if self.kind not in _HAS_PRINCIPAL:
            self.found.refuse(Stage.SYNTAX, pointer(at, name), f"this kind of policy ({self.kind}) has no {name}",
                              "remove it", code="UNSUPPORTED_PRINCIPAL",
                              summary="Policy document should not specify a principal.")
            return None
        return PrincipalElement(self._principal_entries(value[name], pointer(at, name)), name == "NotPrincipal")

    def _principal_entries(self, body: Any, at: str) -> tuple[tuple[str, str], ...]:
        if body == "*":
            check_principal("*", "*", at, self.found, self.kind)
            return (("*", "*"),)
        if _is_text(body):
            # Published by others in this form; as a literal it can only ever match that one principal.
            self.found.object_to(Stage.SYNTAX, at, f"Principal is \"*\" or an object, not \"{body}\"",
                                 f'write {{"AWS": "{body}"}}', code="INVALID_PRINCIPAL_FORMAT")
            return (("AWS", body),)
        if not isinstance(body, dict):
            self.found.refuse(Stage.SYNTAX, at, f"Principal is \"*\" or an object, not {_quoted(body)}",
                              'write {"AWS": ...}', code="INVALID_PRINCIPAL_FORMAT")
            return ()
        if not body:
            self.found.object_to(Stage.SYNTAX, at, "Principal is empty", code="EMPTY_OBJECT_PRINCIPAL")
        self._check_names(body, at, frozenset(PRINCIPAL_KEYS))
        return tuple((key, text) for key, values in members(body) for text in self._principal_texts(key, values, at))

    def _principal_texts(self, key: str, values: Any, at: str) -> list[str]:
        texts = values if isinstance(values, list) else [values]
        if not texts:
            self.found.object_to(Stage.SYNTAX, pointer(at, key), f"{key} is empty", code="EMPTY_ARRAY_PRINCIPAL")
        for place, text in enumerate(texts):
            where = pointer(at, key, place) if isinstance(values, list) else pointer(at, key)
            if not isinstance(text, str):
                self.found.refuse(Stage.SYNTAX, where, f"a principal is text, not {_word(text)}",
                                  code="INVALID_PRINCIPAL_FORMAT")
            else:
                check_principal(key, text, where, self.found, self.kind)
        return [str(text) for text in texts if isinstance(text, str)]

    # Conditions

    def _conditions(self, value: dict[str, Any], at: str,
                    variables: bool) -> tuple[tuple[Condition, ...], tuple[int, ...]]:
        if "Condition" not in value:
            return (), ()
        bodies = [body for name, body in members(value) if name == "Condition"]
        return read_conditions(bodies, at + "/Condition", self.found, variables=variables)

    # What the kind of policy demands (section 1.4)

    def _check_kind(self, effect: Effect, actions: tuple[str, ...], not_action: bool,
                    principals: PrincipalElement | None, at: str) -> None:
        if principals and principals.negated:
            self._check_not_principal(effect, at)
        if self.kind is PolicyKind.RCP:
            self._check_rcp(effect, actions, not_action, principals, at)

    def _check_not_principal(self, effect: Effect, at: str) -> None:
        if self.kind is PolicyKind.TRUST:
            self.found.object_to(Stage.SYNTAX, at + "/NotPrincipal", "a trust policy has no NotPrincipal",
                                 "name who may assume the role",
                                 code="ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL")
        elif effect is Effect.ALLOW:
            self.found.object_to(Stage.SYNTAX, at + "/NotPrincipal",
                                 "NotPrincipal with Allow grants to everybody else, strangers included",
                                 "use Principal with a condition", code="ALLOW_WITH_NOT_PRINCIPAL")

    def _check_rcp(self, effect: Effect, actions: tuple[str, ...], not_action: bool,
                   principals: PrincipalElement | None, at: str) -> None:
        if effect is Effect.ALLOW:
            self.found.object_to(Stage.SYNTAX, at + "/Effect", "a resource control policy can only deny",
                                 'write "Deny"', code="RCP_SYNTAX_ERROR_ALLOW")
        if not_action:
            self.found.object_to(Stage.SYNTAX, at + "/NotAction", "a resource control policy has no NotAction",
                                 "name the actions", code="RCP_SYNTAX_ERROR_NOTACTION")
        if "*" in actions:
            self.found.object_to(Stage.SYNTAX, at + "/Action", "a resource control policy names its services",
                                 "write 'service:*'", code="RCP_SYNTAX_ERROR_ACTION")
        if principals and principals != (((("*", "*"),), False)):
            self.found.object_to(Stage.SYNTAX, at, "a resource control policy speaks of everybody",
                                 'write "Principal": "*" and narrow it with a condition',
                                 code="RCP_SYNTAX_ERROR_PRINCIPAL")


def _merged(value: dict[str, Any], name: str) -> Any:
    """The value of an element; of one given twice, both together (import mode, section 1.1)."""
    if not isinstance(value, Pairs) or name not in value.repeated():
        return value[name]
    bodies = [body for key, body in value.pairs if key == name]
    return [one for body in bodies for one in (body if isinstance(body, list) else [body])]


def _entry(value: dict[str, Any], name: str, at: str, place: int) -> str:
    return pointer(at, name, place) if isinstance(value[name], list) else pointer(at, name)


def _is_text(value: Any) -> bool:
    return type(value) is str


def _word(value: Any) -> str:
    if isinstance(value, Number):
        return "a number"
    return {dict: "an object", Pairs: "an object", list: "a list", str: "text", bool: "a boolean",
            type(None): "null"}.get(type(value), type(value).__name__)


def _quoted(value: Any) -> str:
    return f"\"{value}\"" if _is_text(value) else _word(value)
