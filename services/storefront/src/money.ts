/** Amounts of money: whole minor units internally, decimals for display, without floating point. */

import type { Money } from "./gen/shop/payments/v1/payments.ts";
import { Refusal } from "./refusal.ts";

/** Parses an amount such as "12.50" or "12,5" with a currency such as "EUR"; a Refusal has the expected form. */
export function parseMoney(amount: string, currency: string): Money {
  if (!Intl.supportedValuesOf("currency").includes(currency)) {
    throw new Refusal(400, `Currency must be an ISO 4217 code, like EUR; it is "${currency.slice(0, 10)}".`);
  }
  const decimals = decimalsOf(currency);
  const [, whole, fraction = ""] = /^(\d{1,12})(?:[.,](\d+))?$/.exec(amount.trim()) ?? [];
  if (whole === undefined || fraction.length > decimals) {
    const example = decimals === 0 ? "12" : `12.${"50".padEnd(decimals, "0").slice(0, decimals)}`;
    throw new Refusal(
      400,
      `Amount must look like ${example} for ${currency}; it is "${amount.slice(0, 30)}".`,
    );
  }
  return { currency, minorUnits: BigInt(whole + fraction.padEnd(decimals, "0")) };
}

/** Formats an amount with the decimals of its currency, such as 12.50. */
export function formatAmount(money: Money): string {
  const decimals = decimalsOf(money.currency);
  const digits = money.minorUnits.toString().padStart(decimals + 1, "0");
  return decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

function decimalsOf(currency: string): number {
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  return format.resolvedOptions().maximumFractionDigits ?? 0;
}
