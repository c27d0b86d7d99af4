import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openForTest, type Shop } from "./harness.ts";
import { captureLog } from "./log.ts";

const SERVICE = "shop.users.v1.UsersService";

/** A service config with the structure that the operator publishes. */
const PUBLISHED = JSON.stringify({
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: SERVICE, method: "ListUsers" }],
      timeout: "0.250s",
      retryPolicy: {
        maxAttempts: 2,
        initialBackoff: "0.05s",
        maxBackoff: "0.5s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
    { name: [{}], timeout: "0.250s" },
  ],
});

/** Opens a shop with a published service config for each service; without one if the text is undefined. */
async function openPublished(context: TestContext, text: string | undefined): Promise<Shop> {
  const directory = mkdtempSync(join(tmpdir(), "bindings-"));
  context.after(() => {
    rmSync(directory, { recursive: true });
  });
  const serviceConfigFile = join(directory, "service-config");
  if (text !== undefined) writeFileSync(serviceConfigFile, text);
  return openForTest(context, (port) => ({
    target: `127.0.0.1:${port}`,
    tlsDirectory: undefined,
    serviceConfigFile,
  }));
}

const FILES: [string, string | undefined, string, number, number][] = [
  ["published", PUBLISHED, "published", 2, 0],
  ["absent", undefined, "built in", 4, 0],
  ["not JSON", PUBLISHED.slice(0, -1), "built in", 4, 1],
  ["no service config", '{"methodConfig":[{"name":[{}],"timeout":"soon"}]}', "built in", 4, 1],
];

for (const [what, text, used, attempts, warnings] of FILES) {
  test(`a service config that is ${what}: ${used}, ${attempts} attempts`, async (context) => {
    const lines = captureLog(context);
    const { url, allowed, refuseUsers } = await openPublished(context, text);
    refuseUsers();

    assert.equal((await fetch(`${url}/api/users`)).status, 503);
    assert.equal(allowed.length, attempts);
    const of = (message: string) =>
      lines.filter((line) => line.message === message && line.provider === "users");
    assert.deepEqual(
      of("channel").map(({ serviceConfig }) => serviceConfig),
      [used],
    );
    assert.equal(of("the published service config cannot be used").length, warnings);
  });
}

test("the published timeout limits a call, and faster calls succeed", async (context) => {
  const { url, allowed, hangUsers } = await openPublished(context, PUBLISHED);
  assert.equal((await fetch(`${url}/api/users`)).status, 200);
  const { cancelled } = hangUsers();
  const started = performance.now();
  assert.equal((await fetch(`${url}/api/users`)).status, 503);
  const waited = performance.now() - started;
  await cancelled;

  assert.ok(waited >= 240 && waited < 1_000, `the request took ${waited} ms`);
  assert.ok(allowed.every((milliseconds) => milliseconds > 200 && milliseconds <= 260));
});
