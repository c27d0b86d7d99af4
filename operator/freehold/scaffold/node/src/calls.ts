/** The parts common to all calls: deadline, error status, log line, and the name of the server. */

import { hostname } from "node:os";
import { performance } from "node:perf_hooks";
import { type handleUnaryCall, Metadata, type ServerUnaryCall, status } from "@grpc/grpc-js";
import { DatabaseAwayError } from "./database.ts";
import { log } from "./log.ts";
import { NAME } from "./names.ts";

/** An error that is reported to the client. All others are defects and are only logged. */
export class Refusal extends Error {
  constructor(
    readonly code: status,
    readonly details: string,
  ) {
    super(details);
  }
}

/** Answers a request or throws a Refusal; the signal is aborted when the call has ended early. */
export type Behaviour<Request, Response> = (request: Request, signal: AbortSignal) => Promise<Response>;

/** Returns the handler of a method; `budgetMs` limits a call with a later deadline or none. */
export function answering<Request, Response>(
  budgetMs: number,
  behaviour: Behaviour<Request, Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const started = performance.now();
    const deadlineMs = remaining(call);
    const cancellation = new AbortController();
    const { signal } = cancellation;
    const timeOut = () => {
      cancellation.abort(
        new Refusal(status.DEADLINE_EXCEEDED, `${NAME} could not answer in the time allowed; try again`),
      );
    };
    const timer = setTimeout(timeOut, Math.min(budgetMs, deadlineMs ?? budgetMs));
    call.on("cancelled", () => {
      if (remaining(call) === 0) timeOut();
      else cancellation.abort(new Refusal(status.CANCELLED, "the client cancelled the call"));
    });
    const trailer = new Metadata();
    trailer.set("served-by", hostname());
    const end = (code: status) => {
      clearTimeout(timer);
      const ms = Math.round((performance.now() - started) * 10) / 10;
      log("info", "call", { method: call.getPath(), code: status[code], deadlineMs, ms });
    };
    Promise.race([behaviour(call.request, signal), aborted(signal)]).then(
      (response) => {
        end(status.OK);
        callback(null, response, trailer);
      },
      (error: unknown) => {
        const { code, details } = refusal(signal.aborted ? signal.reason : error);
        end(code);
        callback({ code, details, metadata: trailer });
      },
    );
  };
}

/** Returns the time until the deadline in whole milliseconds, or null without a deadline. */
function remaining<Request, Response>(call: ServerUnaryCall<Request, Response>): number | null {
  const deadline = Number(call.getDeadline());
  return Number.isFinite(deadline) ? Math.max(0, deadline - Date.now()) : null;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason as Refusal);
    });
  });
}

function refusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof DatabaseAwayError) {
    log("warn", "the database does not answer", { error: error.message });
    return new Refusal(status.UNAVAILABLE, `the database of ${NAME} does not answer; try again shortly`);
  }
  log("error", "a call failed with an unexpected error", { error: (error as Error).stack });
  return new Refusal(status.INTERNAL, `internal error in ${NAME}; see its log`);
}
