/** The contract, loaded from the folder `proto` at startup, for the server, health and reflection. */

import { loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath as health } from "grpc-health-check";
import type { ProtoGrpcType } from "../gen/notes.ts";

const NOTES = "example_service/v1/notes.proto";

/** All services of this server except reflection itself. */
export const offered = loadSync([NOTES, health], {
  includeDirs: [new URL("../../proto", import.meta.url).pathname],
  defaults: true,
});

const loaded = loadPackageDefinition(offered) as unknown as ProtoGrpcType;

/** The client class of the service, which includes its definition for a server. */
export const { NotesService } = loaded.example_service.v1;
