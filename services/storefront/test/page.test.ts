import assert from "node:assert/strict";
import { test } from "node:test";
import { openForTest } from "./harness.ts";

function form(fields: Record<string, string>): RequestInit {
  return { method: "POST", body: new URLSearchParams(fields), redirect: "manual" };
}

/** Returns the row of invoice No. 1. */
function row(page: string): string {
  return /<tr id="invoice-1">.*?<\/tr>/s.exec(page)?.[0] ?? "";
}

test("a person registers and pays, and the page shows the payment", async (context) => {
  const { url, users, payments } = await openForTest(context);

  const registered = await fetch(`${url}/users`, form({ name: 'A<b>"da', email: "ada@example.org" }));
  assert.equal(registered.status, 303);
  const welcome = await (await fetch(url + String(registered.headers.get("location")))).text();
  assert.match(welcome, /Welcome! You are registered/);
  assert.match(welcome, /A&#60;b&#62;&#34;da/);
  assert.doesNotMatch(welcome, /A<b>/);

  const key = /name="idempotencyKey" value="([^"]+)"/.exec(welcome)?.[1] ?? "";
  const payment = { userId: users[0]?.id ?? "", amount: "12.50", currency: "EUR", idempotencyKey: key };
  const first = await fetch(`${url}/payments`, form(payment));
  const second = await fetch(`${url}/payments`, form(payment));
  assert.equal(first.headers.get("location"), "/?done=paid");
  assert.equal(second.headers.get("location"), "/?done=repeated");
  assert.equal(payments.length, 1);

  const page = await (await fetch(url)).text();
  assert.match(page, /<strong>12\.50 EUR<\/strong> <span>A&#60;b&#62;/);
  const footer = /Answered in [\d.]+ ms by storefront: \S+, ([^<]+)/.exec(page)?.[1] ?? "";
  assert.deepEqual(footer.split(", ").sort(), [
    "invoices: invoices-0",
    "payments: payments-0",
    "users: users-0",
  ]);
});

test("an invoice is issued and settled, and the page shows recipient and payment", async (context) => {
  const { url, users, invoices } = await openForTest(context);
  assert.match(await (await fetch(url)).text(), /Invoices are issued to registered people/);
  await fetch(`${url}/users`, form({ name: "Ada<", email: "ada@example.org" }));
  const owed = { userId: users[0]?.id ?? "", amount: "12.50", currency: "EUR", idempotencyKey: "breakfast" };
  const first = await fetch(`${url}/invoices`, form(owed));
  const second = await fetch(`${url}/invoices`, form(owed));
  assert.equal(first.headers.get("location"), "/?done=issued");
  assert.equal(second.headers.get("location"), "/?done=issued-before");
  assert.equal(invoices.length, 1);

  const unpaid = row(await (await fetch(url)).text());
  assert.match(unpaid, /<strong>Ada&#60;<\/strong> <span>ada@example\.org<\/span>.*12\.50 EUR/s);
  const settle = /<form method="post" action="([^"]+)">/.exec(unpaid)?.[1] ?? "";
  const settled = await fetch(url + settle, form({}));
  assert.equal(settled.headers.get("location"), "/?done=settled");

  const paid = row(await (await fetch(`${url}/?done=settled`)).text());
  assert.match(paid, /<strong class="price">12\.50 EUR<\/strong> <time[^>]*>1970-01-01 00:01</);
  assert.doesNotMatch(paid, /<form/);
});

test("an invoice has ids only while users and payments are unavailable", async (context) => {
  const { url, invoices } = await openForTest(context);
  invoices.push({
    number: 1n,
    recipient: { userId: "0123456789", name: "", email: "" },
    amount: { currency: "EUR", minorUnits: 1n },
    settlement: { paymentId: "9876543210", amount: undefined, createTime: undefined },
    issueTime: new Date(0),
  });
  const shown = row(await (await fetch(url)).text());
  assert.match(shown, /person 01234567<.*payment 98765432</s);
  assert.doesNotMatch(shown, /<form/);
});

test("the fields of a refused form do not appear in the other form", async (context) => {
  const { url, users } = await openForTest(context);
  await fetch(`${url}/users`, form({ name: "Ada", email: "ada@example.org" }));
  const refused = await fetch(
    `${url}/invoices`,
    form({ userId: users[0]?.id ?? "", amount: "1.005", currency: "EUR" }),
  );
  const [payments = "", owed = ""] = (await refused.text()).split('id="invoices"');

  assert.equal(refused.status, 400);
  assert.match(owed, /value="1\.005"/);
  assert.doesNotMatch(payments, /value="1\.005"/);
});

test("a shop without invoices does not mention them", async (context) => {
  const { url } = await openForTest(context, undefined, { withoutInvoices: true });
  const answer = await fetch(url);

  assert.equal(answer.status, 200);
  assert.doesNotMatch(await answer.text(), /invoice/i);
});

test("a refused form is shown with the reason and its fields", async (context) => {
  const { url } = await openForTest(context);
  const refused = await fetch(`${url}/users`, form({ name: "Ada", email: "nope" }));
  const page = await refused.text();

  assert.equal(refused.status, 400);
  assert.match(page, /role="alert">Email must look like ada@example\.org\.</);
  assert.match(page, /value="Ada"/);
  assert.match(page, /value="nope"/);
});

test("if users is unavailable, only its part of the page is empty", async (context) => {
  const { url, stopUsers } = await openForTest(context);
  stopUsers();
  const answer = await fetch(url);
  const page = await answer.text();

  assert.equal(answer.status, 503);
  assert.match(page, /The users service does not answer just now/);
  assert.match(page, /Nothing has been paid yet/);
  assert.doesNotMatch(page, /ECONNREFUSED|127\.0\.0\.1/);
});

test("if invoices is unavailable, only its part of the page is empty", async (context) => {
  const { url, stopInvoices } = await openForTest(context);
  stopInvoices();
  const answer = await fetch(url);
  const page = await answer.text();

  assert.equal(answer.status, 503);
  assert.match(page, /The invoices service does not answer just now/);
  assert.match(page, /Nobody is registered yet[^]*Nothing has been paid yet/);
});

test("a service that does not respond delays the page by the latency budget only", async (context) => {
  const { url, hangUsers } = await openForTest(context);
  hangUsers();
  const started = performance.now();
  const answer = await fetch(url);

  assert.equal(answer.status, 503);
  assert.match(await answer.text(), /The users service does not answer just now/);
  assert.ok(performance.now() - started < 4_000);
});

test("the notice is never taken from the address", async (context) => {
  const { url } = await openForTest(context);
  const page = await (await fetch(`${url}/?done=${encodeURIComponent("<script>")}`)).text();

  assert.doesNotMatch(page, /script|role="status"/);
});
