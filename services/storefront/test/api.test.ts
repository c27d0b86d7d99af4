import assert from "node:assert/strict";
import { test } from "node:test";
import { openForTest } from "./harness.ts";

const ADA = { name: "Ada", email: "ada@example.org" };

function json(content: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: "POST",
    body: JSON.stringify(content),
    headers: { "content-type": "application/json", ...headers },
  };
}

async function body(answer: Response): Promise<Record<string, unknown>> {
  return (await answer.json()) as Record<string, unknown>;
}

test("a script registers a person and makes a payment", async (context) => {
  const { url, users } = await openForTest(context);
  const first = await fetch(`${url}/api/users`, json(ADA));
  const again = await fetch(`${url}/api/users`, json(ADA));
  assert.deepEqual([first.status, again.status], [201, 200]);
  const registered = await body(first);
  assert.deepEqual(registered.user, { ...ADA, id: users[0]?.id, createTime: "1970-01-01T00:00:00.000Z" });
  assert.equal((registered.servedBy as Record<string, string>).users, "users-0");

  const payment = { userId: users[0]?.id, amount: "12.50", currency: "EUR" };
  const key = { "idempotency-key": "breakfast" };
  const paid = await fetch(`${url}/api/payments`, json(payment, key));
  const repeated = await fetch(`${url}/api/payments`, json(payment, key));
  assert.deepEqual([paid.status, repeated.status], [201, 200]);
  const expected = { ...payment, id: "payment-0", createTime: "1970-01-01T00:00:00.000Z" };
  assert.deepEqual((await body(paid)).payment, expected);

  assert.deepEqual((await body(await fetch(`${url}/api/payments?userId=${users[0]?.id ?? ""}`))).payments, [
    expected,
  ]);
  assert.deepEqual((await body(await fetch(`${url}/api/payments?userId=other`))).payments, []);
});

test("a script issues an invoice and settles it, once each", async (context) => {
  const { url, users } = await openForTest(context);
  await fetch(`${url}/api/users`, json(ADA));
  const userId = users[0]?.id ?? "";
  const owed = { userId, amount: "12.50", currency: "EUR" };
  const key = { "idempotency-key": "breakfast" };
  const issued = await fetch(`${url}/api/invoices`, json(owed, key));
  const again = await fetch(`${url}/api/invoices`, json(owed, key));
  assert.deepEqual([issued.status, again.status], [201, 200]);
  const invoice = {
    number: 1,
    recipient: { userId, ...ADA },
    amount: "12.50",
    currency: "EUR",
    issueTime: "1970-01-01T00:00:00.000Z",
  };
  const answer = await body(issued);
  assert.deepEqual([answer.invoice, answer.created], [invoice, true]);
  assert.equal((answer.servedBy as Record<string, string>).invoices, "invoices-0");
  assert.equal(typeof answer.elapsedMs, "number");

  const paid = { paymentId: "payment-of-1", createTime: "1970-01-01T00:01:00.000Z" };
  const settled = { ...invoice, settlement: { ...paid, amount: "12.50", currency: "EUR" } };
  for (let count = 0; count < 2; count++) {
    const settling = await fetch(`${url}/api/invoices/1/settle`, { method: "POST" });
    assert.deepEqual([settling.status, (await body(settling)).invoice], [200, settled]);
  }
  assert.deepEqual((await body(await fetch(`${url}/api/invoices/1`))).invoice, settled);
  assert.deepEqual((await body(await fetch(`${url}/api/invoices?userId=${userId}`))).invoices, [settled]);
  assert.deepEqual((await body(await fetch(`${url}/api/invoices?userId=other`))).invoices, []);
});

test("a shop without invoices supports everything else", async (context) => {
  const { url } = await openForTest(context, undefined, { withoutInvoices: true });
  assert.equal((await fetch(`${url}/api/users`, json(ADA))).status, 201);
  for (const [path, request] of [
    ["/api/invoices", {}],
    ["/api/invoices/1", {}],
    ["/api/invoices/1/settle", { method: "POST" }],
  ] as const) {
    const answer = await fetch(url + path, request);
    assert.equal(answer.status, 404);
    assert.match(String((await body(answer)).error), /^This shop has no invoices; set INVOICES/);
  }
});

test("each call to a service has a deadline", async (context) => {
  const { url, allowed } = await openForTest(context);
  await fetch(`${url}/api/users`);
  await fetch(`${url}/api/payments`);
  await fetch(`${url}/api/invoices`);

  assert.equal(allowed.length, 3);
  assert.ok(allowed.every((milliseconds) => milliseconds > 0 && milliseconds <= 3_000));
});

const REFUSED: [string, RequestInit, number, RegExp][] = [
  ["/api/users", json({ ...ADA, email: "nope" }), 400, /^Email must look like/],
  ["/api/users", json([]), 400, /^Send a JSON object/],
  ["/api/users", json({ name: 7 }), 400, /^Send a JSON object/],
  ["/api/users", { method: "POST", body: "name=Ada" }, 415, /^Send application\/json, or a form/],
  ["/api/users", json({ name: "A".repeat(20_000) }), 413, /^At most 16384 bytes/],
  ["/api/users", { method: "DELETE" }, 405, /^\/api\/users accepts GET, POST only/],
  ["/api/payments", json({ userId: "x", amount: "1", currency: "EUR" }), 404, /^No user has this id\.$/],
  [
    "/api/payments",
    json({ userId: "x", amount: "1.001", currency: "EUR" }),
    400,
    /^Amount must look like 12\.50/,
  ],
  ["/api/invoices", json({ userId: "x", amount: "1", currency: "EUR" }), 404, /^No user has this id\.$/],
  ["/api/invoices", json({ userId: "x", amount: "", currency: "EUR" }), 400, /^Amount must look like/],
  ["/api/invoices/7", {}, 404, /^No invoice has the number 7\.$/],
  ["/api/invoices/7/settle", { method: "POST" }, 404, /^No invoice has the number 7\.$/],
  ["/api/invoices/seven", {}, 400, /^An invoice has a number, like 7; it is "seven"\.$/],
  ["/api/invoices/7/settle", {}, 405, /^\/api\/invoices\/7\/settle accepts POST only/],
  ["/nowhere", {}, 404, /^There is no such page/],
  ["//", {}, 404, /^There is no such page/],
];

for (const [path, request, status, sentence] of REFUSED) {
  test(`${path} refuses with ${status}: ${sentence.source}`, async (context) => {
    const { url } = await openForTest(context);
    const answer = await fetch(url + path, request);

    assert.equal(answer.status, status);
    assert.match(String((await body(answer)).error), sentence);
  });
}

test("while a service is unavailable, the health is good and requests fail with 503", async (context) => {
  const { url, stopUsers } = await openForTest(context);
  stopUsers();

  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  const answer = await fetch(`${url}/api/users`);
  assert.equal(answer.status, 503);
  assert.match(String((await body(answer)).error), /^The users service does not answer just now/);
});
