/** What a person can do here, whichever way it was asked for. */

import { randomUUID } from "node:crypto";
import type { Fields } from "./fields.ts";
import type { Payment } from "./gen/shop/payments/v1/payments.ts";
import type { User } from "./gen/shop/users/v1/users.ts";
import { parseMoney } from "./money.ts";
import { Refusal } from "./refusal.ts";
import type { Visit } from "./visit.ts";

/** Registers a person; `created` is false when the email address was registered before. */
export async function register(visit: Visit, fields: Fields): Promise<{ user: User; created: boolean }> {
  const request = { name: fields.name ?? "", email: fields.email ?? "" };
  const { user, created } = await visit.ask("users", visit.shop.registerUser(request, visit.deadline));
  if (!user) throw new Refusal(502, "The users service answered without a user.");
  return { user, created };
}

/** Makes a payment; `created` is false when its idempotency key was used for it before. */
export async function pay(visit: Visit, fields: Fields): Promise<{ payment: Payment; created: boolean }> {
  const header = visit.request.headers["idempotency-key"];
  const request = {
    userId: fields.userId ?? "",
    amount: parseMoney(fields.amount ?? "", fields.currency ?? ""),
    idempotencyKey: String(header ?? fields.idempotencyKey ?? randomUUID()),
  };
  const { payment, created } = await visit.ask("payments", visit.shop.makePayment(request, visit.deadline));
  if (!payment) throw new Refusal(502, "The payments service answered without a payment.");
  return { payment, created };
}
