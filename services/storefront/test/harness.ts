/** A storefront that listens, and the two services it calls, as their contracts say and as far as a test needs. */

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type handleUnaryCall, Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
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
  /** Deadlines of the calls that arrived, in milliseconds from their arrival. */
  readonly allowed: number[];
  readonly stopUsers: () => void;
  /** From now on users takes calls and answers none. */
  readonly hangUsers: () => void;
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

/** Starts all three; they end with the test. How the storefront reaches a service, by its port, is plain by default. */
export async function openForTest(
  context: TestContext,
  reach: (port: number) => Provider | Promise<Provider> = plainly,
): Promise<Shop> {
  const world = { users: [] as User[], payments: [] as Payment[], allowed: [] as number[], hangs: false };
  const answered = <Request, Response>(
    host: string,
    answer: Answer<Request, Response>,
  ): handleUnaryCall<Request, Response> => {
    return (call, callback) => {
      world.allowed.push(Number(call.getDeadline()) - Date.now());
      if (host === "users-0" && world.hangs) return;
      const trailer = new Metadata();
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

  const shop = openShop(await reach(await listen(users)), await reach(await listen(payments)));
  const storefront = createStorefront(shop).listen(0, "127.0.0.1");
  await once(storefront, "listening");
  context.after(() => {
    storefront.closeAllConnections();
    storefront.close();
    shop.close();
    users.forceShutdown();
    payments.forceShutdown();
  });
  return {
    ...world,
    url: `http://127.0.0.1:${(storefront.address() as AddressInfo).port}`,
    stopUsers: () => {
      users.forceShutdown();
    },
    hangUsers: () => {
      world.hangs = true;
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

function unexpected(): never {
  throw new Refused(status.UNIMPLEMENTED, "the storefront does not call this");
}
