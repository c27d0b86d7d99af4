/** How a provider is to be called: as the operator has published it, or else as its contract allows. */

import { existsSync, readFileSync } from "node:fs";

/**
 * The service config (grpc/grpc doc/service_config.md) that is published in a file; undefined where it is not there.
 * Throws where it is not JSON.
 */
export function readPublished(file: string | undefined): unknown {
  if (file === undefined || !existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, "utf8"), inNanoseconds);
}

/** gRPC for Node.js takes the digits of a timeout's fraction for nanoseconds, however many there are: it gets all nine. */
function inNanoseconds(key: string, value: unknown): unknown {
  if (key !== "timeout" || typeof value !== "string") return value;
  return value.replace(/\.(\d{1,9})s$/, (_, fraction: string) => `.${fraction.padEnd(9, "0")}s`);
}

/** Calls go round all servers; one that found none is repeated, which the contracts allow. */
export function builtIn(service: string): unknown {
  const retryPolicy = {
    maxAttempts: 4,
    initialBackoff: "0.05s",
    maxBackoff: "0.5s",
    backoffMultiplier: 2,
    retryableStatusCodes: ["UNAVAILABLE"],
  };
  return {
    loadBalancingConfig: [{ round_robin: {} }],
    methodConfig: [{ name: [{ service }], retryPolicy }],
  };
}
