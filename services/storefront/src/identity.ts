/** Mutual TLS of the storefront: its client certificates and the CAs it trusts. */

import { readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import { ChannelCredentials, credentials } from "@grpc/grpc-js";
import { SettingsError } from "./settings.ts";

type Connector = ChannelCredentials["_createSecureConnector"];

/**
 * Mutual TLS 1.3 with the files in a directory: tls.crt, tls.key and ca.crt. Server certificates must be from a CA in
 * ca.crt and match the name in the target. The kubelet updates the files while the process runs; each connection reads
 * them again. The provider in grpc-js reads the files one by one, periodically, and cannot restrict the TLS version.
 */
export class Identity extends ChannelCredentials {
  /** Throws SettingsError if the directory is incomplete or invalid. */
  constructor(private readonly directory: string) {
    super();
    try {
      readContext(directory);
    } catch (error) {
      throw new SettingsError(
        `GRPC_TLS_DIR must have tls.crt, tls.key and ca.crt, which match; ${(error as Error).message}`,
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

/** Reads all files from one version: the kubelet moves a symbolic link, then removes the previous version. */
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
