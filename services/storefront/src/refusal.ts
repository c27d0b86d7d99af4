/** Errors that are reported to the visitor, with their HTTP status. */

import { type ServiceError, status } from "@grpc/grpc-js";
import { log } from "./log.ts";

export class Refusal extends Error {
  constructor(
    readonly status: number,
    sentence: string,
  ) {
    super(sentence);
  }
}

const HTTP_STATUS: Partial<Record<status, number>> = {
  [status.INVALID_ARGUMENT]: 400,
  [status.NOT_FOUND]: 404,
  [status.ALREADY_EXISTS]: 409,
  [status.UNAVAILABLE]: 503,
  [status.DEADLINE_EXCEEDED]: 503,
  [status.RESOURCE_EXHAUSTED]: 503,
};

/**
 * Converts the error of a gRPC call. Messages of a service, which sets `served-by`, are passed on; messages of the
 * transport, such as a refused connection, are logged and replaced by a general sentence.
 */
export function fromCall(service: string, error: ServiceError): Refusal {
  const code = HTTP_STATUS[error.code] ?? 502;
  if (code !== 502 && error.metadata.get("served-by").length > 0) {
    return new Refusal(code, sentence(error.details));
  }
  log("warn", "a service does not answer", { service, code: status[error.code], reason: error.details });
  return new Refusal(
    code === 502 ? 502 : 503,
    `The ${service} service does not answer just now. Nothing is lost; please try again in a moment.`,
  );
}

function sentence(text: string): string {
  // Field names keep their case.
  const capitalized = /^[a-z]+ /.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(capitalized) ? capitalized : `${capitalized}.`;
}
