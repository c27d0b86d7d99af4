/** The service config for calls to a provider: the published one, or the built-in one. */

import { existsSync, readFileSync } from "node:fs";

/**
 * Returns the service config (grpc/grpc doc/service_config.md) that is published in a file, or undefined if the file
 * does not exist. Throws if the file is not valid JSON.
 */
export function readPublished(file: string | undefined): unknown {
  if (file === undefined || !existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, "utf8"), inNanoseconds);
}

/** Pads the fraction of a timeout to nine digits, because grpc-js always interprets the digits as nanoseconds. */
function inNanoseconds(key: string, value: unknown): unknown {
  if (key !== "timeout" || typeof value !== "string") return value;
  return value.replace(/\.(\d{1,9})s$/, (_, fraction: string) => `.${fraction.padEnd(9, "0")}s`);
}

/** The config distributes calls over all servers and retries calls that reached no server, as the contracts allow. */
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
