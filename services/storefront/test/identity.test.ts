import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { test, type TestContext } from "node:test";
import { createServer, type Server, type TlsOptions, type TLSSocket } from "node:tls";
import { Identity } from "../src/identity.ts";
import { Authority, HOUR_MS, publish } from "./authority.ts";
import { openForTest } from "./harness.ts";

function directoryFor(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "identity-"));
  context.after(() => {
    rmSync(directory, { recursive: true });
  });
  return directory;
}

/** A TLS proxy in front of a service, which requires a client certificate. */
interface Guard {
  readonly target: string;
  readonly server: Server;
  readonly clients: Set<TLSSocket>;
}

async function guard(context: TestContext, port: number, options: TlsOptions): Promise<Guard> {
  const tls = { ...options, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ["h2"] };
  const clients = new Set<TLSSocket>();
  const server = createServer(tls, (client) => {
    clients.add(client);
    pipeline(client, connect(port, "127.0.0.1"), client, () => clients.delete(client));
  });
  server.listen(0);
  await once(server, "listening");
  context.after(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  return { target: `localhost:${(server.address() as AddressInfo).port}`, server, clients };
}

const SERVERS: [string, number, (authority: Authority) => Promise<TlsOptions>][] = [
  ["with a valid certificate", 200, (authority) => authority.issue("users")],
  ["with another name", 503, (authority) => authority.issue("users", "users.shop.svc")],
  ["with another CA", 503, async () => (await Authority.make()).issue("users")],
  ["with an expired certificate", 503, (authority) => authority.issue("users", "localhost", -3 * HOUR_MS)],
  [
    "with a certificate that is not yet valid",
    503,
    (authority) => authority.issue("users", "localhost", HOUR_MS),
  ],
  [
    "with TLS 1.2",
    503,
    async (authority) => ({ ...(await authority.issue("users")), maxVersion: "TLSv1.2" as const }),
  ],
];

for (const [what, status, issue] of SERVERS) {
  test(`a service ${what} gives status ${status}`, async (context) => {
    const [authority, tlsDirectory] = [await Authority.make(), directoryFor(context)];
    publish(tlsDirectory, await authority.issue("storefront"), authority.pem);
    const options = { ...(await issue(authority)), ca: authority.pem };
    const { url } = await openForTest(context, async (port) => ({
      target: (await guard(context, port, options)).target,
      tlsDirectory,
    }));

    assert.equal((await fetch(`${url}/api/users`)).status, status);
  });
}

test("a service without TLS is not called", async (context) => {
  const [authority, tlsDirectory] = [await Authority.make(), directoryFor(context)];
  publish(tlsDirectory, await authority.issue("storefront"), authority.pem);
  const { url, allowed } = await openForTest(context, (port) => ({
    target: `localhost:${port}`,
    tlsDirectory,
  }));

  assert.equal((await fetch(`${url}/api/users`)).status, 503);
  assert.deepEqual(allowed, []);
});

test("the CA and all certificates are replaced without a failed call", async (context) => {
  const [before, after, tlsDirectory] = [
    await Authority.make(),
    await Authority.make(),
    directoryFor(context),
  ];
  const both = before.pem + after.pem;
  const guards: Guard[] = [];
  const rotate = async (by: Authority, ca: string): Promise<void> => {
    publish(tlsDirectory, await by.issue("storefront"), ca);
    const issued = await by.issue("users");
    for (const { server } of guards) server.setSecureContext({ ...issued, ca });
  };
  await rotate(before, before.pem);
  const options = { ...(await before.issue("users")), ca: before.pem };
  const { url } = await openForTest(context, async (port) => {
    const proxy = await guard(context, port, options);
    guards.push(proxy);
    return { target: proxy.target, tlsDirectory };
  });
  const callOverNewConnections = async (): Promise<void> => {
    for (let count = 0; count < 4; count++) {
      const called = [fetch(`${url}/api/users`), fetch(`${url}/api/users`)];
      for (const client of guards[0]?.clients ?? []) client.destroy();
      for (const { status } of await Promise.all(called)) assert.equal(status, 200);
    }
  };

  await callOverNewConnections();
  // The order of a rotation: both CAs are trusted before the first certificate of the new CA is used.
  await rotate(before, both);
  await callOverNewConnections();
  await rotate(after, both);
  await callOverNewConnections();
  await rotate(after, after.pem);
  await callOverNewConnections();
});

test("missing files in the directory are reported", (context) => {
  const directory = directoryFor(context);
  assert.throws(() => new Identity(directory), {
    message: /^GRPC_TLS_DIR must have tls\.crt, tls\.key and ca\.crt, which match; ENOENT.*tls\.crt/,
  });
});
