/** The page: people, payments and invoices, with a form for each. */

import type { Fields } from "./fields.ts";
import type { Invoice } from "./gen/shop/invoices/v1/invoices.ts";
import type { Payment } from "./gen/shop/payments/v1/payments.ts";
import type { User } from "./gen/shop/users/v1/users.ts";
import { type Html, html } from "./html.ts";
import { invoicesSection } from "./invoices.ts";
import { type Listed, list, moment, orderForm, price } from "./parts.ts";

export interface Page {
  readonly users: Listed<User>;
  readonly payments: Listed<Payment>;
  /** Undefined in a shop without invoices; the page then has no invoices part. */
  readonly invoices: Listed<Invoice> | undefined;
  /** A message about the completed action. */
  readonly notice?: string | undefined;
  /** The reason why an action was refused. */
  readonly refusal?: string | undefined;
  /** The fields last sent with the form of an action, so that they can be corrected. */
  readonly typed: (action: string) => Fields;
  /** The idempotency key of the next order, so that a form that is sent twice counts once. */
  readonly key: string;
  /** The servers that answered, and the duration. */
  readonly footer: string;
}

/** Renders the whole document. */
export function renderPage(page: Page): string {
  const { users, payments, invoices } = page;
  const names = new Map(("items" in users ? users.items : []).map((user) => [user.id, user.name]));
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
            ${registration(page.typed("/users"))} ${list(users, "Nobody is registered yet.", person, lines)}
          </section>
          <section aria-labelledby="payments">
            <h2 id="payments">Payments</h2>
            ${ordering(page, "/payments", "Who pays", "Pay", "Payments are made by registered people.")}
            ${list(payments, "Nothing has been paid yet.", (paid) => line(paid, names), lines)}
          </section>
          ${invoices ? invoicesSection(invoices, invoicing(page)) : ""}
        </main>
        <footer>${page.footer}</footer>
      </body>
    </html> `.text;
}

function registration(typed: Fields): Html {
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

function invoicing(page: Page): Html {
  return ordering(page, "/invoices", "Who owes", "Issue", "Invoices are issued to registered people.");
}

/** Renders a form for an order of a registered person, or a sentence if there are none. */
function ordering(
  { users, typed, key }: Page,
  action: string,
  who: string,
  button: string,
  empty: string,
): Html {
  const people = "items" in users ? users.items : [];
  if (people.length === 0) return html`<p>${empty}</p>`;
  return orderForm({ action, who, button, people, typed: typed(action), key });
}

function lines(rows: readonly Html[]): Html {
  return html`<ul>
    ${rows}
  </ul>`;
}

function person(user: User): Html {
  return html`<li><strong>${user.name}</strong> <span>${user.email}</span> ${moment(user.createTime)}</li>`;
}

function line(paid: Payment, names: ReadonlyMap<string, string>): Html {
  const payer = names.get(paid.userId) ?? `person ${paid.userId.slice(0, 8)}`;
  return html`<li>
    <strong>${price(paid.amount)}</strong> <span>${payer}</span> ${moment(paid.createTime)}
  </li>`;
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
table { width: 100%; border-collapse: collapse }
th, td { text-align: start; vertical-align: baseline; padding: .4rem 1rem .4rem 0; border-top: 1px solid var(--line) }
thead th { border: 0; font-size: .85rem; font-weight: normal }
td form { margin: 0 }
.recipient { min-width: 9rem; width: 60%; overflow-wrap: anywhere }
.price { white-space: nowrap }
@media (min-width: 45rem) { td time { white-space: nowrap } }
.wide { grid-column: 1 / -1 }
.scrolls { overflow-x: auto }
time, footer { font-size: .85rem; opacity: .75 }
footer { margin-top: 2rem; border-top: 1px solid var(--line); padding-top: .6rem }
`;
