/** A client of server reflection. */

import assert from "node:assert/strict";
import { Client, credentials, type ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import descriptors from "protobufjs/ext/descriptor/index.js";

interface Answer {
  listServicesResponse?: { service: { name: string }[] };
  fileDescriptorResponse?: { fileDescriptorProto: Uint8Array[] };
}

interface File {
  service: { name: string; method: { name: string; options: { idempotencyLevel: string } }[] }[];
}

/** Returns the names of all services, and the idempotency level of each method of one service. */
export async function reflected(address: string, version: string, service: string) {
  const proto = `node_modules/@grpc/reflection/build/proto/grpc/reflection/${version}/reflection.proto`;
  const name = `grpc.reflection.${version}.ServerReflection`;
  const definition = loadSync(proto)[name] as ServiceDefinition;
  const { ServerReflectionInfo } = definition;
  assert.ok(ServerReflectionInfo);
  const { path, requestSerialize, responseDeserialize } = ServerReflectionInfo;
  const client = new Client(address, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  stream.write({ listServices: "" });
  stream.write({ fileContainingSymbol: service });
  stream.end();
  const services: string[] = [];
  const methods: Record<string, string> = {};
  for await (const answer of stream as AsyncIterable<Answer>) {
    services.push(...(answer.listServicesResponse?.service ?? []).map(({ name }) => name));
    for (const bytes of answer.fileDescriptorResponse?.fileDescriptorProto ?? []) {
      const file = descriptors.FileDescriptorProto.toObject(descriptors.FileDescriptorProto.decode(bytes), {
        enums: String,
      }) as File;
      for (const { name, options } of file.service.flatMap(({ method }) => method))
        methods[name] = options.idempotencyLevel;
    }
  }
  client.close();
  return { services, methods };
}
