/** A running storefront, with test doubles of the three services that it calls. */

import { EventEmitter, once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { Invoice } from "../src/gen/shop/invoices/v1/invoices.ts";
import type { Payment } from "../src/gen/shop/payments/v1/payments.ts";
import type { User } from "../src/gen/shop/users/v1/users.ts";
import { createStorefront } from "../src/server.ts";
import type { Provider } from "../src/settings.ts";
import { openShop } from "../src/shop.ts";
import { listen, Services } from "./services.ts";

export interface Shop {
  /** The URL of the storefront. */
  readonly url: string;
  readonly users: User[];
  readonly payments: Payment[];
  readonly invoices: Invoice[];
  /** The deadline of each call, in milliseconds from its arrival. */
  readonly allowed: number[];
  readonly stopUsers: () => void;
  readonly stopInvoices: () => void;
  /** Makes users answer every call with UNAVAILABLE. */
  readonly refuseUsers: () => void;
  /** Makes users accept calls without answering; returns promises of the next arrival and cancellation. */
  readonly hangUsers: () => { arrived: Promise<unknown>; cancelled: Promise<unknown> };
}

export interface Options {
  readonly patienceMs?: number;
  readonly withoutInvoices?: boolean;
}

/** Starts all four services until the end of the test. `reach` returns the settings to call a port. */
export async function openForTest(
  context: TestContext,
  reach: (port: number) => Provider | Promise<Provider> = plainly,
  { patienceMs = 3_000, withoutInvoices = false }: Options = {},
): Promise<Shop> {
  const services = new Services();
  const [users, payments, invoices] = [
    services.usersServer(),
    services.paymentsServer(),
    services.invoicesServer(),
  ];
  const shop = openShop({
    users: await reach(await listen(users)),
    payments: await reach(await listen(payments)),
    invoices: withoutInvoices ? undefined : plainly(await listen(invoices)),
  });
  const storefront = createStorefront(shop, patienceMs).listen(0, "127.0.0.1");
  await once(storefront, "listening");
  context.after(() => {
    storefront.closeAllConnections();
    storefront.close();
    shop.close();
    for (const server of [users, payments, invoices]) server.forceShutdown();
  });
  const { port } = storefront.address() as AddressInfo;
  return {
    ...controls(services),
    url: `http://127.0.0.1:${port}`,
    stopUsers: () => {
      users.forceShutdown();
    },
    stopInvoices: () => {
      invoices.forceShutdown();
    },
  };
}

function controls(services: Services): Omit<Shop, "url" | "stopUsers" | "stopInvoices"> {
  const { users, payments, invoices, allowed } = services;
  return {
    ...{ users, payments, invoices, allowed },
    refuseUsers: () => {
      services.refuses = true;
    },
    hangUsers: () => {
      services.hanging = new EventEmitter();
      return { arrived: once(services.hanging, "arrived"), cancelled: once(services.hanging, "cancelled") };
    },
  };
}

function plainly(port: number): Provider {
  return { target: `127.0.0.1:${port}`, tlsDirectory: undefined };
}
