/** The actions of a visitor, for both the page and the JSON API. */

import { randomUUID } from "node:crypto";
import type { Fields } from "./fields.ts";
import type { Invoice } from "./gen/shop/invoices/v1/invoices.ts";
import type { Payment } from "./gen/shop/payments/v1/payments.ts";
import type { User } from "./gen/shop/users/v1/users.ts";
import { parseMoney } from "./money.ts";
import { Refusal } from "./refusal.ts";
import type { Invoices } from "./shop.ts";
import type { Visit } from "./visit.ts";

/** Registers a person; `created` is false if the email address was already registered. */
export async function register(visit: Visit, fields: Fields): Promise<{ user: User; created: boolean }> {
  const request = { name: fields.name ?? "", email: fields.email ?? "" };
  const { user, created } = await visit.ask("users", visit.shop.registerUser(request, visit));
  if (!user) throw new Refusal(502, "The users service answered without a user.");
  return { user, created };
}

/** Makes a payment; `created` is false if the idempotency key was already used for this payment. */
export async function pay(visit: Visit, fields: Fields): Promise<{ payment: Payment; created: boolean }> {
  const request = order(visit, fields);
  const { payment, created } = await visit.ask("payments", visit.shop.makePayment(request, visit));
  if (!payment) throw new Refusal(502, "The payments service answered without a payment.");
  return { payment, created };
}

/** Issues an invoice; `created` is false if the idempotency key was already used for this invoice. */
export async function issue(visit: Visit, fields: Fields): Promise<{ invoice: Invoice; created: boolean }> {
  const request = order(visit, fields);
  const { invoice, created } = await visit.ask("invoices", invoicesOf(visit).issue(request, visit));
  return { invoice: present(invoice), created };
}

/** Settles the invoice in the request's path; idempotent. */
export async function settle(visit: Visit): Promise<Invoice> {
  const asking = invoicesOf(visit).settle(invoiceNumber(visit), visit);
  return present((await visit.ask("invoices", asking)).invoice);
}

/** Returns the invoice in the request's path. */
export async function find(visit: Visit): Promise<Invoice> {
  const asking = invoicesOf(visit).get(invoiceNumber(visit), visit);
  return present((await visit.ask("invoices", asking)).invoice);
}

/** Returns the invoices service; throws a Refusal if there is none. */
export function invoicesOf(visit: Visit): Invoices {
  if (visit.shop.invoices) return visit.shop.invoices;
  throw new Refusal(404, "This shop has no invoices; set INVOICES_GRPC_TARGET to enable them.");
}

function order(visit: Visit, fields: Fields) {
  const header = visit.request.headers["idempotency-key"];
  return {
    userId: fields.userId ?? "",
    amount: parseMoney(fields.amount ?? "", fields.currency ?? ""),
    idempotencyKey: String(header ?? fields.idempotencyKey ?? randomUUID()),
  };
}

function invoiceNumber({ path }: Visit): bigint {
  const text = /\/invoices\/([^/]*)/.exec(path)?.[1] ?? "";
  if (!/^\d{1,18}$/.test(text)) {
    throw new Refusal(400, `An invoice has a number, like 7; it is "${text.slice(0, 30)}".`);
  }
  return BigInt(text);
}

function present(invoice: Invoice | undefined): Invoice {
  if (invoice) return invoice;
  throw new Refusal(502, "The invoices service answered without an invoice.");
}
