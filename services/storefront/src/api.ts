/** The shop as JSON, for scripts. */

import { pay, register } from "./actions.ts";
import { readFields } from "./fields.ts";
import type { Payment } from "./gen/shop/payments/v1/payments.ts";
import { formatAmount } from "./money.ts";
import { json, type Reply, type Visit } from "./visit.ts";

export async function getUsers(visit: Visit): Promise<Reply> {
  const { users } = await visit.ask("users", visit.shop.listUsers(visit.deadline));
  return json(visit, 200, { users });
}

export async function postUser(visit: Visit): Promise<Reply> {
  const result = await register(visit, await readFields(visit.request));
  return json(visit, result.created ? 201 : 200, result);
}

export async function getPayments(visit: Visit): Promise<Reply> {
  const userId = visit.query.get("userId") ?? "";
  const { payments } = await visit.ask("payments", visit.shop.listPayments(userId, visit.deadline));
  return json(visit, 200, { payments: payments.map(plain) });
}

export async function postPayment(visit: Visit): Promise<Reply> {
  const { payment, created } = await pay(visit, await readFields(visit.request));
  return json(visit, created ? 201 : 200, { payment: plain(payment), created });
}

function plain({ amount, ...rest }: Payment): object {
  return { ...rest, amount: amount && formatAmount(amount), currency: amount?.currency };
}
