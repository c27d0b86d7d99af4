/** A request and its reply. */

import type { IncomingMessage } from "node:http";
import { hostname } from "node:os";
import type { Answer, Limits } from "./channel.ts";
import type { Shop } from "./shop.ts";

/** A request, its limits, and the servers that took part in answering. */
export class Visit implements Limits {
  readonly deadline: Date;
  /** The server that answered, by service name. */
  readonly servedBy: Record<string, string> = { storefront: hostname() };
  readonly path: string;
  readonly query: URLSearchParams;
  readonly #started = performance.now();
  readonly #cancelled = new AbortController();

  /** `patienceMs` is the maximum time for all calls to services. */
  constructor(
    readonly request: IncomingMessage,
    readonly shop: Shop,
    readonly patienceMs: number,
  ) {
    this.deadline = new Date(Date.now() + patienceMs);
    const [path = "/", query] = (request.url ?? "/").split("?", 2);
    this.path = path;
    this.query = new URLSearchParams(query);
  }

  get elapsedMs(): number {
    return Math.round((performance.now() - this.#started) * 10) / 10;
  }

  /** Aborted when the client has cancelled the request. */
  get signal(): AbortSignal {
    return this.#cancelled.signal;
  }

  /** Cancels the calls to services, because the client has cancelled the request. */
  cancel(): void {
    this.#cancelled.abort();
  }

  /** Waits for a response, and records the server that answered. */
  async ask<Value>(service: string, asking: Promise<Answer<Value>>): Promise<Value> {
    const answer = await asking;
    this.servedBy[service] = answer.servedBy;
    return answer.value;
  }
}

export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly headers?: Record<string, string>;
  readonly body: string;
}

/** Returns a reply of the JSON API. */
export function json(visit: Visit, status: number, content: object): Reply {
  const body = JSON.stringify({ ...content, servedBy: visit.servedBy, elapsedMs: visit.elapsedMs });
  return { status, type: "application/json", body: `${body}\n` };
}
