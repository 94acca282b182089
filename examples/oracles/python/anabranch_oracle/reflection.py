"""Server reflection (v1alpha): what grpcurl and its kin ask, so that they need no .proto files."""

from typing import Any

import grpc

from anabranch_oracle import contract

SERVICE = "anabranch.v1.RewardService"
HEALTH = "grpc.health.v1.Health"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection"


def _with_imports(file: Any, into: "dict[str, bytes]") -> None:
    for needed in file.dependencies:
        _with_imports(needed, into)
    into[file.name] = file.serialized_pb


def reflection_answer(request: Any) -> Any:
    """The answer to one question."""
    out = contract.ReflectionResponse(valid_host=request.host, original_request=request)
    question = request.WhichOneof("message_request")
    try:
        if question == "list_services":
            for name in (SERVICE, HEALTH, REFLECTION):
                out.list_services_response.service.add(name=name)
            return out
        if question == "file_by_filename":
            file = contract.POOL.FindFileByName(request.file_by_filename)
        elif question == "file_containing_symbol":
            file = contract.POOL.FindFileContainingSymbol(request.file_containing_symbol)
        else:
            raise KeyError("this question is not answered here")
        files: "dict[str, bytes]" = {}
        _with_imports(file, files)
        # The file that was asked for comes first; readers fetch or find the others.
        out.file_descriptor_response.file_descriptor_proto.extend(reversed(list(files.values())))
    except KeyError as error:
        out.error_response.error_code = grpc.StatusCode.NOT_FOUND.value[0]
        out.error_response.error_message = str(error)
    return out
