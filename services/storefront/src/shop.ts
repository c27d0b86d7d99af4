/** The services this front end stands on, reached at their gRPC endpoints alone. */

import {
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
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
import { Identity } from "./identity.ts";
import { fromCall } from "./refusal.ts";
import type { Provider } from "./settings.ts";

/** What a service answered, and which of its servers did. */
export interface Answer<Response> {
  readonly value: Response;
  readonly servedBy: string;
}

/** Every method takes the moment by which its answer is of use, and throws a Refusal. */
export interface Shop {
  registerUser(request: RegisterUserRequest, deadline: Date): Promise<Answer<RegisterUserResponse>>;
  listUsers(deadline: Date): Promise<Answer<ListUsersResponse>>;
  makePayment(request: MakePaymentRequest, deadline: Date): Promise<Answer<MakePaymentResponse>>;
  listPayments(userId: string, deadline: Date): Promise<Answer<ListPaymentsResponse>>;
  close(): void;
}

const PAGE_SIZE = 50;

/** Prepares the connections; it does not wait for either service. */
export function openShop(usersAt: Provider, paymentsAt: Provider): Shop {
  const users = new UsersServiceClient(
    usersAt.target,
    credentialsFor(usersAt),
    options("shop.users.v1.UsersService"),
  );
  const payments = new PaymentsServiceClient(
    paymentsAt.target,
    credentialsFor(paymentsAt),
    options("shop.payments.v1.PaymentsService"),
  );
  return {
    registerUser: (request, deadline) => call("users", users.registerUser.bind(users), request, deadline),
    listUsers: (deadline) =>
      call("users", users.listUsers.bind(users), { pageSize: PAGE_SIZE, pageToken: "" }, deadline),
    makePayment: (request, deadline) =>
      call("payments", payments.makePayment.bind(payments), request, deadline),
    listPayments: (userId, deadline) =>
      call(
        "payments",
        payments.listPayments.bind(payments),
        { userId, pageSize: PAGE_SIZE, pageToken: "" },
        deadline,
      ),
    close: () => {
      users.close();
      payments.close();
    },
  };
}

function credentialsFor({ tlsDirectory }: Provider): ChannelCredentials {
  return tlsDirectory === undefined ? credentials.createInsecure() : new Identity(tlsDirectory);
}

/** Calls go round all servers; one that found none is repeated, which the contracts allow. */
function options(service: string): ChannelOptions {
  const retryPolicy = {
    maxAttempts: 4,
    initialBackoff: "0.1s",
    maxBackoff: "1s",
    backoffMultiplier: 2,
    retryableStatusCodes: ["UNAVAILABLE"],
  };
  return {
    "grpc.service_config": JSON.stringify({
      loadBalancingConfig: [{ round_robin: {} }],
      methodConfig: [{ name: [{ service }], retryPolicy }],
    }),
    "grpc.service_config_disable_resolution": 1,
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 3_000,
    "grpc.dns_min_time_between_resolutions_ms": 1_000,
  };
}

type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

function call<Request, Response>(
  service: string,
  method: Method<Request, Response>,
  request: Request,
  deadline: Date,
): Promise<Answer<Response>> {
  return new Promise((resolve, reject) => {
    let value: Response;
    const calling = method(request, new Metadata(), { deadline }, (error, response) => {
      value = response;
      if (error) reject(fromCall(service, error));
    });
    // The trailing metadata comes with the status, after the response.
    calling.on("status", ({ metadata }) => {
      resolve({ value, servedBy: String(metadata.get("served-by")[0] ?? "") });
    });
  });
}
