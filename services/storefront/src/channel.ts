/** Connections to the servers of a provider, and calls over them. */

import {
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { Identity } from "./identity.ts";
import { log } from "./log.ts";
import { fromCall } from "./refusal.ts";
import { builtIn, readPublished } from "./service-config.ts";
import type { Provider } from "./settings.ts";

/** The response of a service, and the name of the server that answered. */
export interface Answer<Response> {
  readonly value: Response;
  readonly servedBy: string;
}

/** The limits of a call: a deadline, and a signal that the client has cancelled the request. */
export interface Limits {
  readonly deadline: Date;
  readonly signal: AbortSignal;
}

/** A generated client. */
interface ClientKind<Client> {
  new (target: string, credentials: ChannelCredentials, options: ChannelOptions): Client;
  readonly serviceName: string;
}

const OPTIONS: ChannelOptions = {
  "grpc.service_config_disable_resolution": 1,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 3_000,
  "grpc.dns_min_time_between_resolutions_ms": 1_000,
};

/** Prepares the connections, without waiting for the provider. Logs the choice of service config. */
export function connect<Client>(kind: ClientKind<Client>, name: string, provider: Provider): Client {
  const own = credentialsFor(provider);
  const open = (serviceConfig: unknown) =>
    new kind(provider.target, own, { ...OPTIONS, "grpc.service_config": JSON.stringify(serviceConfig) });
  try {
    const published = readPublished(provider.serviceConfigFile);
    if (published !== undefined) {
      const client = open(published);
      log("info", "channel", { provider: name, serviceConfig: "published" });
      return client;
    }
  } catch (error) {
    log("warn", "the published service config cannot be used", {
      provider: name,
      file: provider.serviceConfigFile,
      error: (error as Error).message,
    });
  }
  log("info", "channel", { provider: name, serviceConfig: "built in" });
  return open(builtIn(kind.serviceName));
}

function credentialsFor({ tlsDirectory }: Provider): ChannelCredentials {
  return tlsDirectory === undefined ? credentials.createInsecure() : new Identity(tlsDirectory);
}

type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** Makes a call; throws a Refusal, or Cancelled if the client has cancelled the request, which cancels the call. */
export function call<Request, Response>(
  service: string,
  method: Method<Request, Response>,
  request: Request,
  { deadline, signal }: Limits,
): Promise<Answer<Response>> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) throw new Cancelled();
    let value: Response;
    const calling = method(request, new Metadata(), { deadline }, (error, response) => {
      value = response;
      if (error) reject(signal.aborted ? new Cancelled() : fromCall(service, error));
    });
    signal.addEventListener("abort", () => {
      calling.cancel();
    });
    // The trailing metadata arrives with the status, after the response.
    calling.on("status", ({ metadata }) => {
      resolve({ value, servedBy: String(metadata.get("served-by")[0] ?? "") });
    });
  });
}

/** The client has cancelled the request. */
export class Cancelled extends Error {}
