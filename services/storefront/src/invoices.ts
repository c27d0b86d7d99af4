/** The invoices part of the page: a form to issue an invoice, and a table of all invoices. */

import type { Invoice, Recipient, Settlement } from "./gen/shop/invoices/v1/invoices.ts";
import { type Html, html } from "./html.ts";
import { type Listed, list, moment, price } from "./parts.ts";

/** Renders the part; `form` is above the table. */
export function invoicesSection(invoices: Listed<Invoice>, form: Html): Html {
  return html`<section aria-labelledby="invoices" class="wide">
    <h2 id="invoices">Invoices</h2>
    ${form} ${list(invoices, "No invoice is issued yet.", row, table)}
  </section>`;
}

function table(rows: readonly Html[]): Html {
  return html`<div class="scrolls">
    <table>
      <thead>
        <tr>
          <th scope="col">No.</th>
          <th scope="col">To</th>
          <th scope="col">Amount</th>
          <th scope="col">Issued</th>
          <th scope="col">Paid</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

function row({ number, recipient, amount, issueTime, settlement }: Invoice): Html {
  return html`<tr id="invoice-${number.toString()}">
    <th scope="row">${number.toString()}</th>
    <td class="recipient">${person(recipient)}</td>
    <td class="price">${price(amount)}</td>
    <td>${moment(issueTime)}</td>
    <td>${settlement ? paid(settlement) : settling(number)}</td>
  </tr>`;
}

/** Renders a recipient; only the id is known while users is unavailable. */
function person(recipient: Recipient | undefined): Html {
  if (!recipient?.name) return html`person ${(recipient?.userId ?? "").slice(0, 8)}`;
  return html`<strong>${recipient.name}</strong> <span>${recipient.email}</span>`;
}

/** Renders a payment; only the id is known while payments is unavailable. */
function paid({ paymentId, amount, createTime }: Settlement): Html {
  const what = amount ? price(amount) : `payment ${paymentId.slice(0, 8)}`;
  return html`<strong class="price">${what}</strong> ${moment(createTime)}`;
}

function settling(number: bigint): Html {
  return html`<form method="post" action="/invoices/${number.toString()}/settle">
    <button aria-label="Settle invoice ${number.toString()}">Settle</button>
  </form>`;
}
