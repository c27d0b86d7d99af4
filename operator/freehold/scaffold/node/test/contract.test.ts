/** Tests of the contract, over a connection and with a database. */

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { Database, Running } from "./harness.ts";

let database: Database;
let server: Running;

before(async (context) => {
  database = await Database.migrated();
  server = await Running.start(context as never, database, { LATENCY_BUDGET_MS: "1000" });
  await server.awaitHealth("SERVING");
});

test("a note has the text that was stored last", async () => {
  const note = { id: "one", text: "first" };
  assert.deepEqual(await server.put("one", "first"), { note });
  assert.deepEqual(await server.get("one"), { note });

  await server.put("one", "second");

  assert.deepEqual(await server.get("one"), { note: { id: "one", text: "second" } });
});

test("an unknown id is refused with NOT_FOUND", async () => {
  await assert.rejects(server.get("none"), { code: status.NOT_FOUND, details: "no note has the id none" });
});

const REFUSED: [string, string, RegExp][] = [
  ["", "a", /^id must have 1 to 100 characters, none of them a control character; it has 0$/],
  ["a".repeat(101), "a", /^id must .* it has 101$/],
  ["a\n", "a", /^id must .* it has 2$/],
  ["a", "", /^text must have 1 to 10000 characters, none of them NUL; it has 0$/],
  ["a", "😀".repeat(10_001), /^text must .* it has 10001$/],
  ["a", "\0", /^text must .* it has 1$/],
];

for (const [id, text, details] of REFUSED) {
  test(`an invalid request is refused: ${JSON.stringify([id, text]).slice(0, 40)}`, async () => {
    await assert.rejects(server.put(id, text), { code: status.INVALID_ARGUMENT, details });
  });
}

test("the deadline or the latency budget ends a call and its query", async () => {
  await database.locked(async () => {
    const started = Date.now();
    await assert.rejects(server.get("one", { deadline: started + 300 }), { code: status.DEADLINE_EXCEEDED });
    await database.awaitWaiting(0);
    assert.ok(Date.now() - started < 900);

    await assert.rejects(server.get("one"), { code: status.DEADLINE_EXCEEDED });
    await database.awaitWaiting(0);
  });
});

test("a cancelled call ends its query", async () => {
  await database.locked(async () => {
    const call = server.notes.getNote({ id: "one" }, () => undefined);
    await database.awaitWaiting(1);
    const cancelled = Date.now();
    call.cancel();
    await database.awaitWaiting(0);
    assert.ok(Date.now() - cancelled < 700);
  });
});

test("a response has the name of the server", async () => {
  const call = server.notes.getNote({ id: "one" }, () => undefined);
  const served = await new Promise((resolve) => {
    call.on("status", ({ metadata }) => {
      resolve(metadata.get("served-by"));
    });
  });
  assert.equal((served as string[]).length, 1);
});
