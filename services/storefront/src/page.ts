/** The one page: who is registered, what was paid, and a form for each. */

import type { Payment } from "./gen/shop/payments/v1/payments.ts";
import type { User } from "./gen/shop/users/v1/users.ts";
import { Html, html } from "./html.ts";
import { formatAmount } from "./money.ts";

/** A list, or the sentence that says why there is none. */
export type Listed<Item> = { readonly items: readonly Item[] } | { readonly sorry: string };

export interface Page {
  readonly users: Listed<User>;
  readonly payments: Listed<Payment>;
  /** Good news of what was just done. */
  readonly notice?: string | undefined;
  /** Why something could not be done. */
  readonly refusal?: string | undefined;
  /** What was typed, to be corrected rather than typed again. */
  readonly typed: Readonly<Record<string, string>>;
  /** Names the next payment, so that sending the form twice pays once. */
  readonly paymentKey: string;
  /** Who answered, and how long it took. */
  readonly footer: string;
}

const CURRENCIES = ["EUR", "USD", "GBP", "CHF", "JPY"];

/** The whole document. */
export function renderPage(page: Page): string {
  const names = new Map(("items" in page.users ? page.users.items : []).map((user) => [user.id, user.name]));
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>The shop</title>
        <link rel="stylesheet" href="/style.css" />
        <link rel="icon" href="data:," />
      </head>
      <body>
        <header><h1>The shop</h1></header>
        <main>
          ${page.notice ? html`<p class="notice" role="status">${page.notice}</p>` : ""}
          ${page.refusal ? html`<p class="refusal" role="alert">${page.refusal}</p>` : ""}
          <section aria-labelledby="people">
            <h2 id="people">People</h2>
            ${registration(page.typed)} ${list(page.users, "Nobody is registered yet.", person)}
          </section>
          <section aria-labelledby="payments">
            <h2 id="payments">Payments</h2>
            ${payment(page)} ${list(page.payments, "Nothing has been paid yet.", (paid) => line(paid, names))}
          </section>
        </main>
        <footer>${page.footer}</footer>
      </body>
    </html> `.text;
}

function registration(typed: Page["typed"]): Html {
  return html`<form method="post" action="/users">
    <label
      >Name <input name="name" required maxlength="200" autocomplete="name" value="${typed.name ?? ""}"
    /></label>
    <label
      >Email
      <input
        name="email"
        type="email"
        required
        maxlength="254"
        autocomplete="email"
        value="${typed.email ?? ""}"
    /></label>
    <button>Register</button>
  </form>`;
}

function payment({ users, typed, paymentKey }: Page): Html {
  if (!("items" in users) || users.items.length === 0)
    return html`<p>Payments are made by registered people.</p>`;
  const people = users.items.map((user) => option(user.id, `${user.name} (${user.email})`, typed.userId));
  const currencies = CURRENCIES.map((currency) => option(currency, currency, typed.currency));
  return html`<form method="post" action="/payments">
    <input type="hidden" name="idempotencyKey" value="${paymentKey}" />
    <label
      >Who pays
      <select name="userId">
        ${people}
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
    <button>Pay</button>
  </form>`;
}

function option(value: string, label: string, chosen: string | undefined): Html {
  return html`<option value="${value}" ${value === chosen ? html` selected` : ""}>${label}</option>`;
}

function list<Item>(listed: Listed<Item>, empty: string, row: (item: Item) => Html): Html {
  if ("sorry" in listed) return html`<p class="refusal">${listed.sorry}</p>`;
  if (listed.items.length === 0) return html`<p>${empty}</p>`;
  return html`<ul>
    ${listed.items.map(row)}
  </ul>`;
}

function person(user: User): Html {
  return html`<li><strong>${user.name}</strong> <span>${user.email}</span> ${moment(user.createTime)}</li>`;
}

function line(paid: Payment, names: ReadonlyMap<string, string>): Html {
  const amount = paid.amount ? `${formatAmount(paid.amount)} ${paid.amount.currency}` : "";
  const payer = names.get(paid.userId) ?? `person ${paid.userId.slice(0, 8)}`;
  return html`<li><strong>${amount}</strong> <span>${payer}</span> ${moment(paid.createTime)}</li>`;
}

function moment(time: Date | undefined): Html {
  if (!time) return new Html("");
  return html`<time datetime="${time.toISOString()}"
    >${time.toISOString().slice(0, 16).replace("T", " ")}</time
  >`;
}

/** The page's style sheet. */
export const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; --line: color-mix(in srgb, currentColor 20%, transparent) }
body { max-width: 60rem; margin: 0 auto; padding: 1rem }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 2rem }
.notice, .refusal { grid-column: 1 / -1; margin: 0; padding: .6rem 1rem; border-left: .3rem solid #2a7d4f; background: color-mix(in srgb, #2a7d4f 12%, transparent) }
.refusal { border-color: #b3402e; background: color-mix(in srgb, #b3402e 12%, transparent) }
form { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; margin-bottom: 1rem }
label { display: grid; font-size: .85rem }
input, select, button { font: inherit; padding: .35rem .5rem; max-width: 16rem }
ul { list-style: none; padding: 0 }
li { display: flex; gap: .6rem; align-items: baseline; padding: .4rem 0; border-top: 1px solid var(--line) }
li span { flex: 1; overflow-wrap: anywhere }
time, footer { font-size: .85rem; opacity: .75 }
footer { margin-top: 2rem; border-top: 1px solid var(--line); padding-top: .6rem }
`;
