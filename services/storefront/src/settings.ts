/** What the environment tells this service. */

export interface Settings {
  /** The port the page is served on. */
  readonly httpPort: number;
  /** gRPC targets, like dns:///users.shop.svc:50051. */
  readonly usersTarget: string;
  readonly paymentsTarget: string;
}

/** Says what to set in the environment. */
export class SettingsError extends Error {}

/** Reads the environment; throws SettingsError. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  return {
    httpPort: port(environment.HTTP_PORT ?? "8080"),
    usersTarget: target(environment, "users"),
    paymentsTarget: target(environment, "payments"),
  };
}

function port(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (number < 0 || number > 65535) {
    throw new SettingsError(`HTTP_PORT must be a number from 0 to 65535; it is "${text}"`);
  }
  return number;
}

function target(environment: NodeJS.ProcessEnv, service: string): string {
  const name = `${service.toUpperCase()}_GRPC_TARGET`;
  const value = environment[name];
  if (!value) {
    throw new SettingsError(
      `${name} must be set, like dns:///${service}.shop.svc:50051; under Freehold, list ${service} in spec.consumes`,
    );
  }
  return value;
}
