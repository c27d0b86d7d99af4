/** The routes of the page and of the JSON API. */

import { createServer, type Server, type ServerResponse } from "node:http";
import * as api from "./api.ts";
import { log } from "./log.ts";
import { STYLE } from "./page.ts";
import { Refusal } from "./refusal.ts";
import type { Shop } from "./shop.ts";
import * as site from "./site.ts";
import { json, type Reply, Visit } from "./visit.ts";

type Route = (visit: Visit) => Promise<Reply>;

const ROUTES = new Map<string, Record<string, Route>>([
  ["/", { GET: site.getPage }],
  ["/users", { POST: site.postUser }],
  ["/payments", { POST: site.postPayment }],
  ["/invoices", { POST: site.postInvoice }],
  ["/invoices/{number}/settle", { POST: site.settleInvoice }],
  ["/api/users", { GET: api.getUsers, POST: api.postUser }],
  ["/api/payments", { GET: api.getPayments, POST: api.postPayment }],
  ["/api/invoices", { GET: api.getInvoices, POST: api.postInvoice }],
  ["/api/invoices/{number}", { GET: api.getInvoice }],
  ["/api/invoices/{number}/settle", { POST: api.settleInvoice }],
  ["/style.css", { GET: () => fixed("text/css", STYLE) }],
  // Reports this process only: a restart would not repair a service that it calls.
  ["/healthz", { GET: () => fixed("text/plain", "ok\n") }],
]);

const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** The logged status if the client closes the connection before the response, as in other web servers. */
const CLIENT_CLOSED_REQUEST = 499;

/** Creates an HTTP server that does not listen yet. `patienceMs` limits the time for calls to services per request. */
export function createStorefront(shop: Shop, patienceMs: number): Server {
  const server = createServer((request, response) => {
    const visit = new Visit(request, shop, patienceMs);
    response.on("close", () => {
      if (!response.writableEnded) visit.cancel();
    });
    void answer(visit, response);
  });
  server.requestTimeout = 10_000;
  return server;
}

async function answer(visit: Visit, response: ServerResponse): Promise<void> {
  const { path, patienceMs: deadlineMs } = visit;
  const { method } = visit.request;
  const reply = await route(visit, path, method === "HEAD" ? "GET" : (method ?? "")).catch((error: unknown) =>
    refuse(visit, error),
  );
  response.writeHead(reply.status, {
    "content-type": `${reply.type}; charset=utf-8`,
    "server-timing": `total;dur=${visit.elapsedMs}`,
    ...HEADERS,
    ...reply.headers,
  });
  response.end(reply.body);
  if (path !== "/healthz")
    log("info", "request", { method, path, status: reply.status, ms: visit.elapsedMs, deadlineMs });
}

async function route(visit: Visit, path: string, method: string): Promise<Reply> {
  const methods = ROUTES.get(path.replace(/\/invoices\/[^/]+/, "/invoices/{number}"));
  if (!methods) throw new Refusal(404, "There is no such page; the shop is at /.");
  const found = methods[method];
  if (found) return found(visit);
  const allow = Object.keys(methods).join(", ");
  return { ...json(visit, 405, { error: `${path} accepts ${allow} only.` }), headers: { allow } };
}

function refuse(visit: Visit, error: unknown): Reply {
  if (visit.signal.aborted) return json(visit, CLIENT_CLOSED_REQUEST, {});
  if (error instanceof Refusal) return json(visit, error.status, { error: error.message });
  log("error", "a request failed with an unexpected error", { error: (error as Error).stack });
  return json(visit, 500, {
    error: "Internal error in the storefront; see its log.",
  });
}

function fixed(type: string, body: string): Promise<Reply> {
  return Promise.resolve({ status: 200, type, body });
}
