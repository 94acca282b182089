"""The messages of the reward contract, made when the program starts.

contract.binpb holds the compiled descriptions of anabranch/v1/reward.proto and of what goes with it. Making
the classes from them needs no code generator, and works with every protobuf from 3.20 to 6: code generated
by one version refuses to run with older ones. A pool of its own keeps them apart from other packages that
bring the same files.
"""

import pathlib
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

CONTRACT_FILE = pathlib.Path(__file__).with_name("contract.binpb")


def _load() -> descriptor_pool.DescriptorPool:
    files = descriptor_pb2.FileDescriptorSet.FromString(CONTRACT_FILE.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:  # Each after those that it imports.
        pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = _load()
if hasattr(message_factory, "GetMessageClass"):
    _class_of = message_factory.GetMessageClass
else:  # Before 4.22.
    _class_of = message_factory.MessageFactory(POOL).GetPrototype


def message_class(name: str) -> Any:
    """The class of a message by its full name."""
    return _class_of(POOL.FindMessageTypeByName(name))


DescribeRequest = message_class("anabranch.v1.DescribeRequest")
DescribeResponse = message_class("anabranch.v1.DescribeResponse")
EvaluateRequest = message_class("anabranch.v1.EvaluateRequest")
EvaluateResponse = message_class("anabranch.v1.EvaluateResponse")
ErrorInfo = message_class("google.rpc.ErrorInfo")
RpcStatus = message_class("google.rpc.Status")
HealthCheckRequest = message_class("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = message_class("grpc.health.v1.HealthCheckResponse")
ReflectionRequest = message_class("grpc.reflection.v1alpha.ServerReflectionRequest")
ReflectionResponse = message_class("grpc.reflection.v1alpha.ServerReflectionResponse")

# Status of an object by its short name: "OK", "INVALID", ...
STATUS = {
    value.name[len("OBJECT_STATUS_") :]: value.number
    for value in POOL.FindEnumTypeByName("anabranch.v1.ObjectStatus").values
}
MAXIMIZE = POOL.FindEnumTypeByName("anabranch.v1.ObjectiveDirection").values_by_name[
    "OBJECTIVE_DIRECTION_MAXIMIZE"
].number
MINIMIZE = POOL.FindEnumTypeByName("anabranch.v1.ObjectiveDirection").values_by_name[
    "OBJECTIVE_DIRECTION_MINIMIZE"
].number
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3  # HealthCheckResponse.ServingStatus
