/** Test doubles of the three services that the storefront calls. */

import { EventEmitter } from "node:events";
import { type handleUnaryCall, Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { type Invoice, InvoicesServiceService } from "../src/gen/shop/invoices/v1/invoices.ts";
import { type Payment, PaymentsServiceService } from "../src/gen/shop/payments/v1/payments.ts";
import { type User, UsersServiceService } from "../src/gen/shop/users/v1/users.ts";

type Answer<Request, Response> = (request: Request) => Response;

class Refused extends Error {
  constructor(
    readonly code: status,
    readonly details: string,
  ) {
    super(details);
  }
}

/** The data and the behaviour of the services. */
export class Services {
  readonly users: User[] = [];
  readonly payments: Payment[] = [];
  readonly invoices: Invoice[] = [];
  /** The deadline of each call, in milliseconds from its arrival. */
  readonly allowed: number[] = [];
  /** Whether users answers every call with UNAVAILABLE. */
  refuses = false;
  /** If set, users answers no call, and emits `arrived` and `cancelled` for each. */
  hanging: EventEmitter | undefined;

  usersServer(): Server {
    const server = new Server();
    server.addService(UsersServiceService, {
      registerUser: this.answered("users-0", registering(this.users)),
      getUser: this.answered("users-0", unexpected),
      listUsers: this.answered("users-0", () => ({ users: this.users, nextPageToken: "" })),
    });
    return server;
  }

  paymentsServer(): Server {
    const server = new Server();
    server.addService(PaymentsServiceService, {
      makePayment: this.answered("payments-0", paying(this.users, this.payments)),
      getPayment: this.answered("payments-0", unexpected),
      listPayments: this.answered("payments-0", ({ userId }: { userId: string }) => ({
        payments: this.payments.filter((payment) => userId === "" || payment.userId === userId),
        nextPageToken: "",
      })),
    });
    return server;
  }

  invoicesServer(): Server {
    const server = new Server();
    server.addService(InvoicesServiceService, {
      issueInvoice: this.answered("invoices-0", issuing(this.users, this.invoices)),
      settleInvoice: this.answered("invoices-0", settling(this.invoices)),
      getInvoice: this.answered("invoices-0", ({ number }: { number: bigint }) => ({
        invoice: numbered(this.invoices, number),
      })),
      listInvoices: this.answered("invoices-0", ({ userId }: { userId: string }) => ({
        invoices: this.invoices.filter(({ recipient }) => userId === "" || recipient?.userId === userId),
        nextPageToken: "",
      })),
    });
    return server;
  }

  private answered<Request, Response>(
    host: string,
    answer: Answer<Request, Response>,
  ): handleUnaryCall<Request, Response> {
    return (call, callback) => {
      this.allowed.push(Number(call.getDeadline()) - Date.now());
      const { hanging } = this;
      if (host === "users-0" && hanging) {
        call.on("cancelled", () => hanging.emit("cancelled"));
        hanging.emit("arrived");
        return;
      }
      if (host === "users-0" && this.refuses) {
        callback({ code: status.UNAVAILABLE, details: "users is unavailable" });
        return;
      }
      const trailer = new Metadata();
      trailer.set("served-by", host);
      try {
        callback(null, answer(call.request), trailer);
      } catch (error) {
        const { code, details } = error as Refused;
        callback({ code, details, metadata: trailer });
      }
    };
  }
}

/** Starts a server on a free port and returns the port. */
export function listen(server: Server): Promise<number> {
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
