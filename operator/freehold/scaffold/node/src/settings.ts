/** The settings of the service, read from the environment. */

import { NAME } from "./names.ts";

export interface Settings {
  /** The connection URI of the service's own database; contains a password, which must not be logged. */
  readonly databaseUrl: string;
  /** The port of the server. */
  readonly grpcPort: number;
  /** The maximum duration of a call in milliseconds, also with a later deadline or none. */
  readonly budgetMs: number;
}

/** A missing or invalid setting; the message names it. */
export class SettingsError extends Error {}

/** Reads the environment; throws SettingsError. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  if (environment.GRPC_TLS !== undefined) {
    throw new SettingsError(
      "GRPC_TLS must not be set: only plaintext is supported; under Freehold, leave out spec.grpc.tls",
    );
  }
  return {
    databaseUrl: databaseUrl(environment),
    grpcPort: number("GRPC_PORT", environment.GRPC_PORT ?? "50051", 65_535),
    budgetMs: number("LATENCY_BUDGET_MS", environment.LATENCY_BUDGET_MS ?? "5000", 3_600_000),
  };
}

/** Returns the only setting that migrations need; throws SettingsError. */
export function databaseUrl(environment: NodeJS.ProcessEnv): string {
  const url = environment.DATABASE_URL ?? "";
  if (!/^postgres(ql)?:\/\//.test(url)) {
    throw new SettingsError(`DATABASE_URL must be set, like postgresql://user:password@host:5432/${NAME}`);
  }
  return url;
}

function number(name: string, text: string, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) {
    throw new SettingsError(`${name} must be a number from 1 to ${most}; it is "${text}"`);
  }
  return value;
}
