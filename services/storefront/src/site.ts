/** The page and its forms. */

import { randomUUID } from "node:crypto";
import { issue, pay, register, settle } from "./actions.ts";
import { type Fields, readFields } from "./fields.ts";
import { renderPage } from "./page.ts";
import type { Listed } from "./parts.ts";
import { Refusal } from "./refusal.ts";
import type { Reply, Visit } from "./visit.ts";

const NOTICES = new Map([
  ["registered", "Welcome! You are registered and can pay."],
  ["known", "This email address was registered before; nothing was changed."],
  ["paid", "Thank you, the payment is recorded."],
  ["repeated", "This payment was recorded before; it was not made again."],
  ["issued", "The invoice is issued."],
  ["issued-before", "This invoice was issued before; it was not issued again."],
  ["settled", "Thank you, the invoice is paid."],
]);

export async function getPage(visit: Visit): Promise<Reply> {
  return page(visit, {});
}

export async function postUser(visit: Visit): Promise<Reply> {
  return submit(visit, async (fields) => ((await register(visit, fields)).created ? "registered" : "known"));
}

export async function postPayment(visit: Visit): Promise<Reply> {
  return submit(visit, async (fields) => ((await pay(visit, fields)).created ? "paid" : "repeated"));
}

export async function postInvoice(visit: Visit): Promise<Reply> {
  return submit(visit, async (fields) => ((await issue(visit, fields)).created ? "issued" : "issued-before"));
}

export async function settleInvoice(visit: Visit): Promise<Reply> {
  return submit(visit, async () => {
    await settle(visit);
    return "settled";
  });
}

/** Performs an action and redirects to the page, so that a reload is harmless; or shows the form with the reason. */
async function submit(visit: Visit, act: (fields: Fields) => Promise<string>): Promise<Reply> {
  const typed = await readFields(visit.request);
  try {
    const headers = { location: `/?done=${await act(typed)}` };
    return { status: 303, type: "text/plain", headers, body: "" };
  } catch (error) {
    if (error instanceof Refusal) return page(visit, typed, error);
    throw error;
  }
}

/** Renders the page: if a service fails, only its part is empty, and the status is 503. */
async function page(visit: Visit, typed: Fields, refusal?: Refusal): Promise<Reply> {
  const { shop } = visit;
  const [users, payments, invoices] = await Promise.all([
    listed(visit.ask("users", shop.listUsers(visit)).then((found) => found.users)),
    listed(visit.ask("payments", shop.listPayments("", visit)).then((found) => found.payments)),
    shop.invoices &&
      listed(visit.ask("invoices", shop.invoices.list("", visit)).then((found) => found.invoices)),
  ]);
  const complete = [users, payments, invoices].every((part) => !part || "items" in part);
  const body = renderPage({
    users,
    payments,
    invoices,
    typed: (action) => (action === visit.path ? typed : {}),
    notice: NOTICES.get(visit.query.get("done") ?? ""),
    refusal: refusal?.message,
    key: randomUUID(),
    footer: footer(visit),
  });
  return { status: refusal?.status ?? (complete ? 200 : 503), type: "text/html", body };
}

async function listed<Item>(asking: Promise<readonly Item[]>): Promise<Listed<Item>> {
  try {
    return { items: await asking };
  } catch (error) {
    if (error instanceof Refusal) return { sorry: error.message };
    throw error;
  }
}

function footer(visit: Visit): string {
  const servers = Object.entries(visit.servedBy).map(([service, host]) => `${service}: ${host}`);
  return `Answered in ${visit.elapsedMs} ms by ${servers.join(", ")}`;
}
