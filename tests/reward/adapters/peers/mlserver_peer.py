"""MLServer with a few models, on a loopback port that it writes to the file named as its argument.

MLServer comes from .deps/peers (scripts/setup --peers), which must stand in PYTHONPATH.
"""

import asyncio
import os
import socket
import sys

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.types import InferenceResponse, MetadataTensor, ResponseOutput


class Sequences(MLModel):
    """Length and GC content of sequences; some words say how to misbehave."""

    async def predict(self, payload):
        objects = [item if isinstance(item, bytes) else item.encode() for item in payload.inputs[0].data.root]
        if b"fail" in objects:
            raise ValueError("this batch is too much")
        if b"sleep" in objects:
            await asyncio.sleep(3600)
        n = len(objects)
        counted = objects[1:] if b"short" in objects else objects
        lengths = [len(item) for item in counted]
        gc = [float("nan") if item == b"nan" else sum(item.count(c) for c in b"GC") / max(len(item), 1) for item in objects]
        return InferenceResponse(
            model_name=self.name,
            model_version="v2" if b"newer" in objects else self.version,
            outputs=[
                ResponseOutput(name="long", shape=[n], datatype="BOOL", data=[len(item) > 3 for item in objects]),
                ResponseOutput(name="length", shape=[len(lengths), 1], datatype="INT64", data=lengths),
                ResponseOutput(name="gc", shape=[n], datatype="FP64", data=gc),
                ResponseOutput(name="gc32", shape=[n], datatype="FP32", data=gc),
                ResponseOutput(name="upper", shape=[n], datatype="BYTES", data=[item.upper() for item in objects]),
                ResponseOutput(name="pairs", shape=[n, 2], datatype="FP64", data=gc + gc),
            ],
        )


def tensor(name, datatype, shape):
    return MetadataTensor(name=name, datatype=datatype, shape=shape)


SEQUENCE = tensor("sequence", "BYTES", [-1, 1])
OUTPUTS = [
    tensor("long", "BOOL", [-1]),
    tensor("length", "INT64", [-1, 1]),
    tensor("gc", "FP64", [-1]),
    tensor("gc32", "FP32", [-1]),
    tensor("upper", "BYTES", [-1]),
    tensor("pairs", "FP64", [-1, 2]),
]


def model(name, inputs, outputs):
    return ModelSettings(
        name=name,
        implementation=Sequences,
        platform="test",
        versions=["v1"],
        inputs=inputs,
        outputs=outputs,
        parameters={"version": "v1"},
    )


MODELS = [
    model("sequences", [SEQUENCE], OUTPUTS),
    model("two-inputs", [tensor("weights", "FP32", [-1]), SEQUENCE], OUTPUTS),
    model("numbers", [tensor("weights", "FP32", [-1])], OUTPUTS),
    model("silent", [], []),
]


async def main(port_file):
    # Held, so that nobody else gets the port; gRPC listens on it too.
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(("127.0.0.1", 0))
    port = reserved.getsockname()[1]
    settings = Settings(
        host="127.0.0.1", http_port=0, grpc_port=port, metrics_endpoint=None, parallel_workers=0, debug=False
    )
    with open(port_file + ".new", "w") as file:
        file.write(str(port))
    os.rename(port_file + ".new", port_file)
    await MLServer(settings).start(MODELS)


asyncio.run(main(sys.argv[1]))
