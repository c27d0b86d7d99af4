/** The services behind the storefront, called at their gRPC endpoints. */

import { type Answer, call, connect, type Limits } from "./channel.ts";
import {
  type GetInvoiceResponse,
  InvoicesServiceClient,
  type IssueInvoiceRequest,
  type IssueInvoiceResponse,
  type ListInvoicesResponse,
  type SettleInvoiceResponse,
} from "./gen/shop/invoices/v1/invoices.ts";
import {
  type ListPaymentsResponse,
  type MakePaymentRequest,
  type MakePaymentResponse,
  PaymentsServiceClient,
} from "./gen/shop/payments/v1/payments.ts";
import {
  type ListUsersResponse,
  type RegisterUserRequest,
  type RegisterUserResponse,
  UsersServiceClient,
} from "./gen/shop/users/v1/users.ts";
import type { Provider, Providers } from "./settings.ts";

/** Every method has limits for its call, and throws a Refusal. */
export interface Shop {
  registerUser(request: RegisterUserRequest, limits: Limits): Promise<Answer<RegisterUserResponse>>;
  listUsers(limits: Limits): Promise<Answer<ListUsersResponse>>;
  makePayment(request: MakePaymentRequest, limits: Limits): Promise<Answer<MakePaymentResponse>>;
  listPayments(userId: string, limits: Limits): Promise<Answer<ListPaymentsResponse>>;
  /** Undefined in a shop without invoices. */
  readonly invoices: Invoices | undefined;
  close(): void;
}

export interface Invoices {
  issue(request: IssueInvoiceRequest, limits: Limits): Promise<Answer<IssueInvoiceResponse>>;
  settle(number: bigint, limits: Limits): Promise<Answer<SettleInvoiceResponse>>;
  get(number: bigint, limits: Limits): Promise<Answer<GetInvoiceResponse>>;
  list(userId: string, limits: Limits): Promise<Answer<ListInvoicesResponse>>;
  close(): void;
}

const PAGE = { pageSize: 50, pageToken: "" };

/** Prepares the connections, without waiting for the services. */
export function openShop(at: Providers): Shop {
  const users = connect(UsersServiceClient, "users", at.users);
  const payments = connect(PaymentsServiceClient, "payments", at.payments);
  const invoices = at.invoices && openInvoices(at.invoices);
  return {
    registerUser: (request, limits) => call("users", users.registerUser.bind(users), request, limits),
    listUsers: (limits) => call("users", users.listUsers.bind(users), PAGE, limits),
    makePayment: (request, limits) => call("payments", payments.makePayment.bind(payments), request, limits),
    listPayments: (userId, limits) =>
      call("payments", payments.listPayments.bind(payments), { userId, ...PAGE }, limits),
    invoices,
    close: () => {
      users.close();
      payments.close();
      invoices?.close();
    },
  };
}

function openInvoices(at: Provider): Invoices {
  const client = connect(InvoicesServiceClient, "invoices", at);
  return {
    issue: (request, limits) => call("invoices", client.issueInvoice.bind(client), request, limits),
    settle: (number, limits) => call("invoices", client.settleInvoice.bind(client), { number }, limits),
    get: (number, limits) => call("invoices", client.getInvoice.bind(client), { number }, limits),
    list: (userId, limits) => call("invoices", client.listInvoices.bind(client), { userId, ...PAGE }, limits),
    close: () => {
      client.close();
    },
  };
}
