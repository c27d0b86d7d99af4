/** One request, and the reply to it. */

import type { IncomingMessage } from "node:http";
import { hostname } from "node:os";
import type { Answer, Limits } from "./channel.ts";
import type { Shop } from "./shop.ts";

/** What was asked, how long the answer is of use, and who took part in answering it. */
export class Visit implements Limits {
  readonly deadline: Date;
  /** The server of each service that answered, by the service's name. */
  readonly servedBy: Record<string, string> = { storefront: hostname() };
  readonly path: string;
  readonly query: URLSearchParams;
  readonly #started = performance.now();
  readonly #left = new AbortController();

  /** `patienceMs` is how long whoever asks is kept waiting for the services, in all. */
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

  /** Aborted once whoever asked has gone away. */
  get signal(): AbortSignal {
    return this.#left.signal;
  }

  /** Whoever asked has gone away: the calls to the services end at once. */
  leave(): void {
    this.#left.abort();
  }

  /** Notes which server of a service answered, and unwraps its answer. */
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

/** A reply for a script. */
export function json(visit: Visit, status: number, content: object): Reply {
  const body = JSON.stringify({ ...content, servedBy: visit.servedBy, elapsedMs: visit.elapsedMs });
  return { status, type: "application/json", body: `${body}\n` };
}
