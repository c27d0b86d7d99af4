/** The JSON API. */

import { find, invoicesOf, issue, pay, register, settle } from "./actions.ts";
import { readFields } from "./fields.ts";
import type { Invoice } from "./gen/shop/invoices/v1/invoices.ts";
import type { Money, Payment } from "./gen/shop/payments/v1/payments.ts";
import { formatAmount } from "./money.ts";
import { json, type Reply, type Visit } from "./visit.ts";

export async function getUsers(visit: Visit): Promise<Reply> {
  const { users } = await visit.ask("users", visit.shop.listUsers(visit));
  return json(visit, 200, { users });
}

export async function postUser(visit: Visit): Promise<Reply> {
  const result = await register(visit, await readFields(visit.request));
  return json(visit, result.created ? 201 : 200, result);
}

export async function getPayments(visit: Visit): Promise<Reply> {
  const userId = visit.query.get("userId") ?? "";
  const { payments } = await visit.ask("payments", visit.shop.listPayments(userId, visit));
  return json(visit, 200, { payments: payments.map(plainPayment) });
}

export async function postPayment(visit: Visit): Promise<Reply> {
  const { payment, created } = await pay(visit, await readFields(visit.request));
  return json(visit, created ? 201 : 200, { payment: plainPayment(payment), created });
}

export async function getInvoices(visit: Visit): Promise<Reply> {
  const userId = visit.query.get("userId") ?? "";
  const { invoices } = await visit.ask("invoices", invoicesOf(visit).list(userId, visit));
  return json(visit, 200, { invoices: invoices.map(plainInvoice) });
}

export async function postInvoice(visit: Visit): Promise<Reply> {
  const { invoice, created } = await issue(visit, await readFields(visit.request));
  return json(visit, created ? 201 : 200, { invoice: plainInvoice(invoice), created });
}

export async function getInvoice(visit: Visit): Promise<Reply> {
  return json(visit, 200, { invoice: plainInvoice(await find(visit)) });
}

export async function settleInvoice(visit: Visit): Promise<Reply> {
  return json(visit, 200, { invoice: plainInvoice(await settle(visit)) });
}

function plainPayment({ amount, ...rest }: Payment): object {
  return { ...rest, ...plainMoney(amount) };
}

function plainInvoice({ number, amount, settlement, ...rest }: Invoice): object {
  const paid = settlement && { ...settlement, ...plainMoney(settlement.amount) };
  return { number: Number(number), ...rest, ...plainMoney(amount), settlement: paid };
}

function plainMoney(money: Money | undefined): object {
  return { amount: money && formatAmount(money), currency: money?.currency };
}
