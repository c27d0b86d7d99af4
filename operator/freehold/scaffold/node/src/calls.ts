/** What every call has in common: a deadline, a refusal in plain words, one log line, who answered. */

import { hostname } from "node:os";
import { performance } from "node:perf_hooks";
import { type handleUnaryCall, Metadata, type ServerUnaryCall, status } from "@grpc/grpc-js";
import { DatabaseAwayError } from "./database.ts";
import { log } from "./log.ts";
import { NAME } from "./names.ts";

/** What a caller can be told. Everything else is a defect of this service and is logged, not told. */
export class Refusal extends Error {
  constructor(
    readonly code: status,
    readonly details: string,
  ) {
    super(details);
  }
}

/** Answers a request, or throws a Refusal; the signal says when nobody waits for the answer any more. */
export type Behaviour<Request, Response> = (request: Request, signal: AbortSignal) => Promise<Response>;

/** The handler of a method that may take `budgetMs`, or what its caller allows if that is less. */
export function answering<Request, Response>(
  budgetMs: number,
  behaviour: Behaviour<Request, Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const started = performance.now();
    const deadlineMs = remaining(call);
    const ending = new AbortController();
    const { signal } = ending;
    const giveUp = () => {
      ending.abort(
        new Refusal(status.DEADLINE_EXCEEDED, `${NAME} could not answer in the time allowed; try again`),
      );
    };
    const timer = setTimeout(giveUp, Math.min(budgetMs, deadlineMs ?? budgetMs));
    call.on("cancelled", () => {
      if (remaining(call) === 0) giveUp();
      else ending.abort(new Refusal(status.CANCELLED, "the caller has gone"));
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

/** Whole milliseconds that the caller still waits; null if it said nothing. */
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
  log("error", "a call failed for a reason of our own", { error: (error as Error).stack });
  return new Refusal(status.INTERNAL, `${NAME} failed for a reason of its own; its log has the details`);
}
