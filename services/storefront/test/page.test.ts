import assert from "node:assert/strict";
import { test } from "node:test";
import { openForTest } from "./harness.ts";

function form(fields: Record<string, string>): RequestInit {
  return { method: "POST", body: new URLSearchParams(fields), redirect: "manual" };
}

test("a person registers and pays, and the page shows it", async (context) => {
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
  assert.match(
    page,
    /Answered in [\d.]+ ms by storefront: \S+, (users: users-0, payments: payments-0|payments: payments-0, users: users-0)/,
  );
});

test("a form that is refused comes back with the reason and what was typed", async (context) => {
  const { url } = await openForTest(context);
  const refused = await fetch(`${url}/users`, form({ name: "Ada", email: "nope" }));
  const page = await refused.text();

  assert.equal(refused.status, 400);
  assert.match(page, /role="alert">Email must look like ada@example\.org\.</);
  assert.match(page, /value="Ada"/);
  assert.match(page, /value="nope"/);
});

test("a service that is away empties its own part of the page alone", async (context) => {
  const { url, stopUsers } = await openForTest(context);
  stopUsers();
  const answer = await fetch(url);
  const page = await answer.text();

  assert.equal(answer.status, 503);
  assert.match(page, /The users service does not answer just now/);
  assert.match(page, /Nothing has been paid yet/);
  assert.doesNotMatch(page, /ECONNREFUSED|127\.0\.0\.1/);
});

test("a service that hangs keeps nobody waiting for long", async (context) => {
  const { url, hangUsers } = await openForTest(context);
  hangUsers();
  const started = performance.now();
  const answer = await fetch(url);

  assert.equal(answer.status, 503);
  assert.match(await answer.text(), /The users service does not answer just now/);
  assert.ok(performance.now() - started < 4_000);
});

test("the notice is one of ours, whatever the address says", async (context) => {
  const { url } = await openForTest(context);
  const page = await (await fetch(`${url}/?done=${encodeURIComponent("<script>")}`)).text();

  assert.doesNotMatch(page, /script|role="status"/);
});
