/** The settings of the service, read from the environment. */

import { join } from "node:path";

/** A service to call. */
export interface Provider {
  /** A gRPC target, such as dns:///users.shop.svc:50051. */
  readonly target: string;
  /** The directory of the client certificates, for a service with mutual TLS. */
  readonly tlsDirectory: string | undefined;
  /** The file of the published service config; exists once the provider's contract is known. */
  readonly serviceConfigFile?: string | undefined;
}

/** The services to call. */
export interface Providers {
  readonly users: Provider;
  readonly payments: Provider;
  /** Undefined in a shop without invoices. */
  readonly invoices: Provider | undefined;
}

export interface Settings extends Providers {
  /** The port of the server. */
  readonly httpPort: number;
  /** The maximum time for calls to services per request. */
  readonly patienceMs: number;
}

/** A missing or invalid setting; the message names it. */
export class SettingsError extends Error {}

/** Reads the environment; throws SettingsError. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  return {
    httpPort: port(environment.HTTP_PORT ?? "8080"),
    users: provider(environment, "users"),
    payments: provider(environment, "payments"),
    invoices: environment.INVOICES_GRPC_TARGET ? provider(environment, "invoices") : undefined,
    patienceMs: milliseconds(environment.LATENCY_BUDGET_MS ?? "3000"),
  };
}

function port(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (number < 0 || number > 65535) {
    throw new SettingsError(`HTTP_PORT must be a number from 0 to 65535; it is "${text}"`);
  }
  return number;
}

function milliseconds(text: string): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (number === 0) {
    throw new SettingsError(`LATENCY_BUDGET_MS must be a number of milliseconds from 1 on; it is "${text}"`);
  }
  return number;
}

function provider(environment: NodeJS.ProcessEnv, service: string): Provider {
  const prefix = `${service.toUpperCase()}_GRPC`;
  return {
    target: target(environment, `${prefix}_TARGET`, service),
    tlsDirectory: tlsDirectory(environment, `${prefix}_TLS`),
    serviceConfigFile:
      environment.SERVICE_BINDING_ROOT && join(environment.SERVICE_BINDING_ROOT, service, "service-config"),
  };
}

function target(environment: NodeJS.ProcessEnv, name: string, service: string): string {
  const value = environment[name];
  if (!value) {
    throw new SettingsError(
      `${name} must be set, like dns:///${service}.shop.svc:50051; under Freehold, list ${service} in spec.consumes`,
    );
  }
  return value;
}

function tlsDirectory(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  const wanted = environment[name];
  if (wanted === undefined) return undefined;
  if (wanted !== "Mutual") {
    throw new SettingsError(`${name} must be Mutual, or not set at all for plaintext; it is "${wanted}"`);
  }
  if (!environment.GRPC_TLS_DIR) {
    throw new SettingsError(
      `GRPC_TLS_DIR must be set where ${name} is: a directory of tls.crt, tls.key and ca.crt`,
    );
  }
  return environment.GRPC_TLS_DIR;
}
