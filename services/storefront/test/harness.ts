/** A storefront that listens, and the three services it calls, as their contracts say and as far as a test needs. */

import { EventEmitter, once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type handleUnaryCall, Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { type Invoice, InvoicesServiceService } from "../src/gen/shop/invoices/v1/invoices.ts";
import { type Payment, PaymentsServiceService } from "../src/gen/shop/payments/v1/payments.ts";
import { type User, UsersServiceService } from "../src/gen/shop/users/v1/users.ts";
import { createStorefront } from "../src/server.ts";
import type { Provider } from "../src/settings.ts";
import { openShop } from "../src/shop.ts";

export interface Shop {
  /** Where the storefront answers. */
  readonly url: string;
  readonly users: User[];
  readonly payments: Payment[];
  readonly invoices: Invoice[];
  /** Deadlines of the calls that arrived, in milliseconds from their arrival. */
  readonly allowed: number[];
  readonly stopUsers: () => void;
  readonly stopInvoices: () => void;
  /** From now on users answers every call with UNAVAILABLE. */
  readonly refuseUsers: () => void;
  /** From now on users takes calls and answers none. It has one once `arrived`, and loses it once `cancelled`. */
  readonly hangUsers: () => { arrived: Promise<unknown>; cancelled: Promise<unknown> };
}

export interface Options {
  readonly patienceMs?: number;
  readonly withoutInvoices?: boolean;
}

type Answer<Request, Response> = (request: Request) => Response;

class Refused extends Error {
  constructor(
    readonly code: status,
    readonly details: string,
  ) {
    super(details);
  }
}

/** Starts all four; they end with the test. How the storefront reaches a service, by its port, is plain by default. */
export async function openForTest(
  context: TestContext,
  reach: (port: number) => Provider | Promise<Provider> = plainly,
  { patienceMs = 3_000, withoutInvoices = false }: Options = {},
): Promise<Shop> {
  const world = {
    users: [] as User[],
    payments: [] as Payment[],
    invoices: [] as Invoice[],
    allowed: [] as number[],
    refuses: false,
    hanging: undefined as EventEmitter | undefined,
  };
  const answered = <Request, Response>(
    host: string,
    answer: Answer<Request, Response>,
  ): handleUnaryCall<Request, Response> => {
    return (call, callback) => {
      world.allowed.push(Number(call.getDeadline()) - Date.now());
      const { hanging } = world;
      if (host === "users-0" && hanging) {
        call.on("cancelled", () => hanging.emit("cancelled"));
        hanging.emit("arrived");
        return;
      }
      const trailer = new Metadata();
      if (host === "users-0" && world.refuses) {
        callback({ code: status.UNAVAILABLE, details: "users is away" });
        return;
      }
      trailer.set("served-by", host);
      try {
        callback(null, answer(call.request), trailer);
      } catch (error) {
        const { code, details } = error as Refused;
        callback({ code, details, metadata: trailer });
      }
    };
  };

  const users = new Server();
  users.addService(UsersServiceService, {
    registerUser: answered("users-0", registering(world.users)),
    getUser: answered("users-0", unexpected),
    listUsers: answered("users-0", () => ({ users: world.users, nextPageToken: "" })),
  });
  const payments = new Server();
  payments.addService(PaymentsServiceService, {
    makePayment: answered("payments-0", paying(world.users, world.payments)),
    getPayment: answered("payments-0", unexpected),
    listPayments: answered("payments-0", ({ userId }: { userId: string }) => ({
      payments: world.payments.filter((payment) => userId === "" || payment.userId === userId),
      nextPageToken: "",
    })),
  });

  const invoices = new Server();
  invoices.addService(InvoicesServiceService, {
    issueInvoice: answered("invoices-0", issuing(world.users, world.invoices)),
    settleInvoice: answered("invoices-0", settling(world.invoices)),
    getInvoice: answered("invoices-0", ({ number }: { number: bigint }) => ({
      invoice: numbered(world.invoices, number),
    })),
    listInvoices: answered("invoices-0", ({ userId }: { userId: string }) => ({
      invoices: world.invoices.filter(({ recipient }) => userId === "" || recipient?.userId === userId),
      nextPageToken: "",
    })),
  });

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
    users.forceShutdown();
    payments.forceShutdown();
    invoices.forceShutdown();
  });
  return {
    ...world,
    url: `http://127.0.0.1:${(storefront.address() as AddressInfo).port}`,
    stopUsers: () => {
      users.forceShutdown();
    },
    stopInvoices: () => {
      invoices.forceShutdown();
    },
    refuseUsers: () => {
      world.refuses = true;
    },
    hangUsers: () => {
      world.hanging = new EventEmitter();
      return { arrived: once(world.hanging, "arrived"), cancelled: once(world.hanging, "cancelled") };
    },
  };
}

function plainly(port: number): Provider {
  return { target: `127.0.0.1:${port}`, tlsDirectory: undefined };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  });
}

function registering(users: User[]) {
  return ({ name, email }: { name: string; email: string }) => {
    if (!email.includes("@"))
      throw new Refused(status.INVALID_ARGUMENT, "email must look like ada@example.org");
    const earlier = users.find((user) => user.email === email);
    if (earlier) return { user: earlier, created: false };
    const user = {
      id: `00000000-0000-4000-8000-00000000000${users.length}`,
      name,
      email,
      createTime: new Date(0),
    };
    users.push(user);
    return { user, created: true };
  };
}

function paying(users: User[], payments: Payment[]) {
  const keys = new Map<string, Payment>();
  return ({
    userId,
    amount,
    idempotencyKey,
  }: Pick<Payment, "userId" | "amount"> & { idempotencyKey: string }) => {
    if (!users.some((user) => user.id === userId)) throw new Refused(status.NOT_FOUND, "no user has this id");
    const earlier = keys.get(idempotencyKey);
    if (earlier) return { payment: earlier, created: false };
    const payment = { id: `payment-${payments.length}`, userId, amount, createTime: new Date(0) };
    keys.set(idempotencyKey, payment);
    payments.push(payment);
    return { payment, created: true };
  };
}

function issuing(users: User[], invoices: Invoice[]) {
  const keys = new Map<string, Invoice>();
  return ({
    userId,
    amount,
    idempotencyKey,
  }: Pick<Invoice, "amount"> & { userId: string; idempotencyKey: string }) => {
    const owing = users.find((user) => user.id === userId);
    if (!owing) throw new Refused(status.NOT_FOUND, "no user has this id");
    const earlier = keys.get(idempotencyKey);
    if (earlier) return { invoice: earlier, created: false };
    const invoice: Invoice = {
      number: BigInt(invoices.length + 1),
      recipient: { userId, name: owing.name, email: owing.email },
      amount,
      settlement: undefined,
      issueTime: new Date(0),
    };
    keys.set(idempotencyKey, invoice);
    invoices.push(invoice);
    return { invoice, created: true };
  };
}

function settling(invoices: Invoice[]) {
  return ({ number }: { number: bigint }) => {
    const invoice = numbered(invoices, number);
    invoice.settlement ??= {
      paymentId: `payment-of-${number}`,
      amount: invoice.amount,
      createTime: new Date(60_000),
    };
    return { invoice };
  };
}

function numbered(invoices: Invoice[], number: bigint): Invoice {
  const found = invoices.find((invoice) => invoice.number === number);
  if (!found) throw new Refused(status.NOT_FOUND, `no invoice has the number ${number}`);
  return found;
}

function unexpected(): never {
  throw new Refused(status.UNIMPLEMENTED, "the storefront does not call this");
}
