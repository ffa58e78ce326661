"""The messages of the gRPC wire, with the fields that are used here; protobuf skips the others.

What Envoy repeats of its client is declared as bytes, which on this wire are text that nobody has looked at yet; and a
map as the list of entries that it is, so that nothing in it is dropped before it is seen.

They are described here and live in a pool of their own, so that they never meet the complete definitions that some
other package of the process may have registered under the same names.
"""

from __future__ import annotations

from typing import Any

try:
    from google.protobuf import struct_pb2 as _struct
    from google.protobuf import wrappers_pb2 as _wrappers
    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import DecodeError as DecodeError
    from google.protobuf.message_factory import GetMessageClass
except ModuleNotFoundError as missing:
    from iam_guard.errors import ConfigurationError, Fault

    raise ConfigurationError(Fault(f"'{missing.name}' is not installed", "pip install 'iam-guard[grpc]'")) from None

_AUTH = "envoy.service.auth.v3"
_HEALTH = "grpc.health.v1"
_KINDS = {"string": FieldDescriptorProto.TYPE_STRING, "bytes": FieldDescriptorProto.TYPE_BYTES,
          "int32": FieldDescriptorProto.TYPE_INT32, "bool": FieldDescriptorProto.TYPE_BOOL}

#: Message: field, its number, its type; ``*T`` repeats, ``T|name`` is one of several.
_MESSAGES: dict[str, tuple[tuple[str, int, str], ...]] = {
    "SocketAddress": (("address", 2, "string"),),
    "Address": (("socket_address", 1, "SocketAddress"),),
    "Peer": (("address", 1, "Address"), ("certificate", 5, "string")),
    "HeaderEntry": (("key", 1, "bytes"), ("value", 2, "bytes")),
    "HeaderValue": (("key", 1, "string"), ("value", 2, "string")),
    "RawHeader": (("key", 1, "bytes"), ("value", 2, "bytes"), ("raw_value", 3, "bytes")),
    "HeaderMap": (("headers", 1, "*RawHeader"),),
    "HttpRequest": (("method", 2, "bytes"), ("headers", 3, "*HeaderEntry"), ("path", 4, "bytes"), ("host", 5, "bytes"),
                    ("scheme", 6, "bytes"), ("protocol", 10, "bytes"), ("body", 11, "bytes"),
                    ("raw_body", 12, "bytes"), ("header_map", 13, "HeaderMap")),
    "Request": (("http", 2, "HttpRequest"),),
    "AttributeContext": (("source", 1, "Peer"), ("request", 4, "Request")),
    "CheckRequest": (("attributes", 1, "AttributeContext"),),
    "Status": (("code", 1, "int32"), ("message", 2, "string")),
    "HttpStatus": (("code", 1, "int32"),),
    "HeaderValueOption": (("header", 1, "HeaderValue"), ("append", 2, ".google.protobuf.BoolValue"),
                          ("append_action", 3, "int32"), ("keep_empty_value", 4, "bool")),
    "DeniedHttpResponse": (("status", 1, "HttpStatus"), ("headers", 2, "*HeaderValueOption"), ("body", 3, "string")),
    "OkHttpResponse": (("headers", 2, "*HeaderValueOption"), ("headers_to_remove", 5, "*string")),
    "CheckResponse": (("status", 1, "Status"), ("denied_response", 2, "DeniedHttpResponse|http_response"),
                      ("ok_response", 3, "OkHttpResponse|http_response"),
                      ("dynamic_metadata", 4, ".google.protobuf.Struct")),
}
_HEALTH_MESSAGES: dict[str, tuple[tuple[str, int, str], ...]] = {
    "HealthCheckRequest": (("service", 1, "string"),),
    "HealthCheckResponse": (("status", 1, "int32"),),
}


def _file(package: str, messages: dict[str, tuple[tuple[str, int, str], ...]]) -> FileDescriptorProto:
    made = FileDescriptorProto(name=f"iam_guard/{package}.proto", package=package, syntax="proto3",
                               dependency=[_struct.DESCRIPTOR.name, _wrappers.DESCRIPTOR.name])
    for name, fields in messages.items():
        message = made.message_type.add(name=name)
        for field, number, kind in fields:
            _add_field(package, message, field, number, kind)
    return made


def _add_field(package: str, message: DescriptorProto, name: str, number: int, kind: str) -> None:
    kind, _, choice = kind.partition("|")
    field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if kind.startswith("*"):
        kind, field.label = kind[1:], FieldDescriptorProto.LABEL_REPEATED
    if choice:
        if not message.oneof_decl:
            message.oneof_decl.add(name=choice)
        field.oneof_index = 0
    if kind in _KINDS:
        field.type = _KINDS[kind]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = kind if kind.startswith(".") else f".{package}.{kind}"


def _classes() -> dict[str, Any]:
    pool = DescriptorPool()
    for known in (_struct, _wrappers):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    found: dict[str, Any] = {}
    for package, messages in ((_AUTH, _MESSAGES), (_HEALTH, _HEALTH_MESSAGES)):
        pool.Add(_file(package, messages))
        found |= {name: GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}
    return found


_found = _classes()
#: Classes of messages; their attributes are those of the table above.
CheckRequest = _found["CheckRequest"]
CheckResponse = _found["CheckResponse"]
HealthCheckRequest = _found["HealthCheckRequest"]
HealthCheckResponse = _found["HealthCheckResponse"]

#: Methods, as they are called on the wire.
CHECK = f"/{_AUTH}.Authorization/Check"
HEALTH_CHECK = f"/{_HEALTH}.Health/Check"
#: Names of services whose health may be asked for; the empty one stands for the whole server.
SERVICES = frozenset({"", f"{_AUTH}.Authorization"})
#: ``HealthCheckResponse.status``.
SERVING, NOT_SERVING = 1, 2
