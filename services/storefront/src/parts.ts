/** The building blocks of the page. */

import type { Fields } from "./fields.ts";
import type { Money } from "./gen/shop/payments/v1/payments.ts";
import type { User } from "./gen/shop/users/v1/users.ts";
import { Html, html } from "./html.ts";
import { formatAmount } from "./money.ts";

/** A list, or a sentence with the reason why the list is missing. */
export type Listed<Item> = { readonly items: readonly Item[] } | { readonly sorry: string };

const CURRENCIES = ["EUR", "USD", "GBP", "CHF", "JPY"];

/** Renders the rows of a list in a container, or a sentence instead. */
export function list<Item>(
  listed: Listed<Item>,
  empty: string,
  row: (item: Item) => Html,
  hold: (rows: readonly Html[]) => Html,
): Html {
  if ("sorry" in listed) return html`<p class="refusal">${listed.sorry}</p>`;
  if (listed.items.length === 0) return html`<p>${empty}</p>`;
  return hold(listed.items.map(row));
}

/** A form with a registered person and an amount. */
export interface Order {
  readonly action: string;
  /** The label of the person field, such as "Who pays". */
  readonly who: string;
  readonly button: string;
  readonly people: readonly User[];
  /** The fields last sent with this form. */
  readonly typed: Fields;
  /** The idempotency key of the order, so that a form that is sent twice counts once. */
  readonly key: string;
}

export function orderForm({ action, who, button, people, typed, key }: Order): Html {
  const persons = people.map((user) => option(user.id, `${user.name} (${user.email})`, typed.userId));
  const currencies = CURRENCIES.map((currency) => option(currency, currency, typed.currency));
  return html`<form method="post" action="${action}">
    <input type="hidden" name="idempotencyKey" value="${typed.idempotencyKey ?? key}" />
    <label
      >${who}
      <select name="userId">
        ${persons}
      </select></label
    >
    <label
      >Amount
      <input
        name="amount"
        required
        inputmode="decimal"
        placeholder="12.50"
        size="8"
        value="${typed.amount ?? ""}"
    /></label>
    <label
      >Currency
      <select name="currency">
        ${currencies}
      </select></label
    >
    <button>${button}</button>
  </form>`;
}

function option(value: string, label: string, chosen: string | undefined): Html {
  return html`<option value="${value}" ${value === chosen ? html` selected` : ""}>${label}</option>`;
}

/** Formats an amount with its currency, such as 12.50 EUR; empty if unknown. */
export function price(amount: Money | undefined): string {
  return amount ? `${formatAmount(amount)} ${amount.currency}` : "";
}

/** Renders a time in UTC, to the minute; empty if unknown. */
export function moment(time: Date | undefined): Html {
  if (!time) return new Html("");
  return html`<time datetime="${time.toISOString()}"
    >${time.toISOString().slice(0, 16).replace("T", " ")}</time
  >`;
}
