import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { openForTest } from "./harness.ts";
import { captureLog } from "./log.ts";

const AT_ONCE_MS = 500;

for (const path of ["/api/users", "/"]) {
  test(`a client of ${path} that closes the connection cancels the calls to services`, async (context) => {
    const lines = captureLog(context);
    const { url, hangUsers } = await openForTest(context);
    const { arrived, cancelled } = hangUsers();
    const client = request(url + path).on("error", () => undefined);
    client.end();
    await arrived;
    const closed = performance.now();
    client.destroy();
    await cancelled;

    assert.ok(performance.now() - closed < AT_ONCE_MS);
    const { status, deadlineMs } = lines.find(({ message }) => message === "request") ?? {};
    assert.deepEqual([status, deadlineMs], [499, 3_000]);
    assert.deepEqual(
      lines.filter(({ level }) => level !== "info"),
      [],
    );
  });
}

test("a client that closes the connection after a refused form cancels the calls for the page", async (context) => {
  const { url, hangUsers } = await openForTest(context);
  const { arrived, cancelled } = hangUsers();
  const client = request(`${url}/payments`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
  }).on("error", () => undefined);
  client.end("amount=nothing");
  await arrived;
  const closed = performance.now();
  client.destroy();
  await cancelled;

  assert.ok(performance.now() - closed < AT_ONCE_MS);
});

test("the latency budget limits a request and its calls", async (context) => {
  const lines = captureLog(context);
  const { url, allowed, hangUsers } = await openForTest(context, undefined, { patienceMs: 300 });
  await fetch(`${url}/api/payments`);
  void hangUsers();
  const started = performance.now();
  const answer = await fetch(`${url}/api/users`);

  assert.equal(answer.status, 503);
  const waited = performance.now() - started;
  assert.ok(waited >= 290 && waited < 1_000, `the request took ${waited} ms`);
  assert.ok(allowed.every((milliseconds) => milliseconds > 0 && milliseconds <= 310));
  assert.deepEqual(
    lines.filter(({ message }) => message === "request").map(({ deadlineMs }) => deadlineMs),
    [300, 300],
  );
});
