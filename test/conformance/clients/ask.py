"""Asks a peer over gRPC with grpcio and Google's protobuf; prints what came as JSON.

Arguments: a descriptor set of inference.proto, HOST:PORT.
"""

import json
import struct
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

descriptors, address = sys.argv[1:]
pool = descriptor_pool.DescriptorPool()
with open(descriptors, "rb") as file:
    for described in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
        pool.Add(described)
factory = message_factory.MessageFactory(pool)
service = pool.FindServiceByName("inference.GRPCInferenceService")


def kind(descriptor):
    get = getattr(message_factory, "GetMessageClass", None)
    return get(descriptor) if get else factory.GetPrototype(descriptor)


def method(channel, name):
    found = service.methods_by_name[name]
    return channel.unary_unary(
        f"/{service.full_name}/{name}",
        request_serializer=kind(found.input_type).SerializeToString,
        response_deserializer=kind(found.output_type).FromString,
    ), kind(found.input_type)


with grpc.insecure_channel(address) as channel:

    def ask(name, /, **fields):
        call, request = method(channel, name)
        return call(request(**fields), timeout=60)

    x = {"name": "x", "datatype": "FP32", "shape": [1, 4]}
    typed = ask("ModelInfer", model_name="double", inputs=[{**x, "contents": {"fp32_contents": [1, 2, 3, 4]}}])
    raw = ask("ModelInfer", model_name="double", inputs=[x], raw_input_contents=[struct.pack("<4f", 1, 2, 3, 4)])
    try:
        ask("ModelInfer", model_name="none", inputs=[x], raw_input_contents=[bytes(16)])
        refused = None
    except grpc.RpcError as error:
        refused = [error.code().name, error.details()]
    metadata = ask("ModelMetadata", name="double")
    print(
        json.dumps(
            {
                "live": ask("ServerLive").live,
                "server": ask("ServerMetadata").name,
                "shape": list(metadata.inputs[0].shape),
                "answers": [struct.unpack("<4f", answer.raw_output_contents[0]) for answer in (typed, raw)],
                "outputs": [[output.name, output.datatype, list(output.shape)] for output in raw.outputs],
                "successes": ask("ModelStatistics", name="double").model_stats[0].inference_stats.success.count,
                "refused": refused,
            }
        )
    )
