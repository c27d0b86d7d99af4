/** Tests of start, database outage and shutdown of the server. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { SERVICE } from "../src/names.ts";
import { Database, PASSWORD, Running } from "./harness.ts";
import { reflected } from "./reflection.ts";

test("the server waits for its database, with reflection enabled", async (context) => {
  const database = await Database.migrated();
  await database.stop();
  const server = await Running.start(context, database);
  await server.awaitHealth("NOT_SERVING");

  for (const version of ["v1", "v1alpha"]) {
    const { services, methods } = await reflected(server.address, version, SERVICE);
    assert.ok(services.includes(SERVICE));
    assert.deepEqual(methods, { PutNote: "IDEMPOTENT", GetNote: "NO_SIDE_EFFECTS" });
  }

  await database.resume();
  await server.awaitHealth("SERVING");
});

test("the server recovers after a database outage", async (context) => {
  const database = await Database.migrated();
  const server = await Running.start(context, database);
  await server.awaitHealth("SERVING");
  await server.put("one", "first");

  await database.stop();
  await server.awaitHealth("NOT_SERVING");
  await assert.rejects(server.get("one"), {
    code: status.UNAVAILABLE,
    details: /^the database of .* does not answer; try again shortly$/,
  });

  await database.resume();
  await server.awaitHealth("SERVING");
  assert.deepEqual(await server.get("one"), { note: { id: "one", text: "first" } });
});

test("a short database outage fails no call", async (context) => {
  const database = await Database.migrated();
  const server = await Running.start(context, database);
  await server.awaitHealth("SERVING");
  let back = false;
  const call = async (caller: number) => {
    for (let number = 0; !back; number++) {
      const note = { id: `${caller}-${number}`, text: "t" };
      await server.put(note.id, note.text);
      assert.deepEqual(await server.get(note.id), { note });
    }
  };
  const calls = Promise.all(Array.from({ length: 8 }, (_, caller) => call(caller)));

  for (let time = 0; time < 3; time++) {
    await database.stop();
    await pause(400);
    await database.resume();
    await server.put("any", "t");
  }
  back = true;

  await calls;
  assert.ok(!server.log.includes("not ready"));
});

test("running calls end normally when the server is stopped", async (context) => {
  const database = await Database.migrated();
  const server = await Running.start(context, database);
  await server.awaitHealth("SERVING");
  const health = server.health();
  await health.next();
  const { call, exit } = await database.locked(async () => {
    const call = server.put("one", "first");
    await database.awaitWaiting(1);

    const exit = server.shutDown();
    assert.equal((await health.next()).value, "NOT_SERVING");
    await health.return(undefined);
    return { call, exit };
  });

  assert.deepEqual(await call, { note: { id: "one", text: "first" } });
  assert.equal(await exit, 0);
});

test("the log has a line of JSON per call, and no password", async (context) => {
  const database = await Database.migrated();
  const server = await Running.start(context, database);
  await server.awaitHealth("SERVING");
  await server.put("one", "first");
  await server.get("one", { deadline: Date.now() + 3_000 });
  await database.stop();
  await server.awaitHealth("NOT_SERVING");
  await server.shutDown();

  const lines = server.log
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const [put, get, ...more] = lines.filter(({ message }) => message === "call");
  assert.deepEqual([put?.method, put?.code, put?.deadlineMs], [`/${SERVICE}/PutNote`, "OK", null]);
  assert.deepEqual([get?.method, get?.code], [`/${SERVICE}/GetNote`, "OK"]);
  assert.ok(Number(get?.deadlineMs) > 2_000 && Number(get?.deadlineMs) <= 3_000);
  assert.deepEqual(more, []);
  assert.ok(!server.log.includes(PASSWORD));
});
