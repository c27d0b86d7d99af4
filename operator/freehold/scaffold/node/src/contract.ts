/** The contract, read from the folder `proto` as the process starts: what the server, health and reflection go by. */

import { loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath as health } from "grpc-health-check";
import type { ProtoGrpcType } from "../gen/notes.ts";

const NOTES = "example_service/v1/notes.proto";

/** All that this server offers, itself aside reflection. */
export const offered = loadSync([NOTES, health], {
  includeDirs: [new URL("../../proto", import.meta.url).pathname],
  defaults: true,
});

const loaded = loadPackageDefinition(offered) as unknown as ProtoGrpcType;

/** A client of the service, and its definition for a server. */
export const { NotesService } = loaded.example_service.v1;
