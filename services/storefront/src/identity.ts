/** Who the storefront is to the services it calls, and whom it takes for them. */

import { readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import { ChannelCredentials, credentials } from "@grpc/grpc-js";
import { SettingsError } from "./settings.ts";

type Connector = ChannelCredentials["_createSecureConnector"];

/**
 * Mutual TLS 1.3 with what a directory has: tls.crt, tls.key and ca.crt. A server must be of an authority in ca.crt and
 * have the name of its target. The kubelet keeps the directory current while the process runs, so each connection reads
 * it anew; the library's own provider reads the files one by one, now and then, and has no say in the version of TLS.
 */
export class Identity extends ChannelCredentials {
  /** Throws SettingsError if the directory cannot be used now. */
  constructor(private readonly directory: string) {
    super();
    try {
      readContext(directory);
    } catch (error) {
      throw new SettingsError(
        `GRPC_TLS_DIR must have tls.crt, tls.key and ca.crt, which fit together; ${(error as Error).message}`,
      );
    }
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(...channel: Parameters<Connector>): ReturnType<Connector> {
    const current = () =>
      credentials.createFromSecureContext(readContext(this.directory))._createSecureConnector(...channel);
    const first = current();
    return {
      connect: (socket) => current().connect(socket),
      waitForReady: () => first.waitForReady(),
      getCallCredentials: () => first.getCallCredentials(),
      destroy: () => {
        first.destroy();
      },
    };
  }
}

/** All files are of one version: the kubelet moves a link that tls.crt leads through, then removes those before. */
function readContext(directory: string): SecureContext {
  for (;;) {
    const version = versionOf(directory);
    try {
      return createSecureContext({
        minVersion: "TLSv1.3",
        cert: readFileSync(join(version, "tls.crt")),
        key: readFileSync(join(version, "tls.key")),
        ca: readFileSync(join(version, "ca.crt")),
      });
    } catch (error) {
      if (version === versionOf(directory)) throw error;
    }
  }
}

function versionOf(directory: string): string {
  return dirname(realpathSync(join(directory, "tls.crt")));
}
