/** Certificates for tests, and a directory of certificates with the structure that the kubelet creates. */

import "reflect-metadata"; // what issues certificates asks for it
import type { webcrypto } from "node:crypto";
import { existsSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

export const HOUR_MS = 3_600_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
let versions = 0;

/** A certificate and its key, in PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** Issues certificates for services. */
export class Authority {
  private constructor(
    readonly root: X509Certificate,
    private readonly keys: webcrypto.CryptoKeyPair,
  ) {}

  static async make(): Promise<Authority> {
    const keys = await newKeys();
    const root = await X509CertificateGenerator.createSelfSigned({
      name: `CN=authority ${versions++}`, // unique: distinguishes a CA from its successor
      keys,
      signingAlgorithm: ALGORITHM,
      ...validFrom(-HOUR_MS),
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
    });
    return new Authority(root, keys);
  }

  get pem(): string {
    return `${this.root.toString("pem")}\n`;
  }

  /** Issues a certificate for a service, valid for two hours. */
  async issue(service: string, name = "localhost", startMs = -HOUR_MS): Promise<Issued> {
    const { publicKey, privateKey } = await newKeys();
    const issued = await X509CertificateGenerator.create({
      issuer: this.root.subject,
      publicKey,
      signingKey: this.keys.privateKey,
      signingAlgorithm: ALGORITHM,
      ...validFrom(startMs),
      extensions: [
        new SubjectAlternativeNameExtension([
          { type: "url", value: `spiffe://cluster.local/ns/shop/sa/${service}` },
          { type: "dns", value: name },
        ]),
      ],
    });
    const key = PemConverter.encode(await crypto.subtle.exportKey("pkcs8", privateKey), "PRIVATE KEY");
    return { cert: issued.toString("pem"), key };
  }
}

/** Replaces the files like the kubelet does: all at once, by replacing the symbolic link ..data. */
export function publish(directory: string, issued: Issued, authorities: string): void {
  const files = { "tls.crt": issued.cert, "tls.key": issued.key, "ca.crt": authorities };
  const version = `..${versions++}`;
  const [data, next] = [join(directory, "..data"), join(directory, "..data_tmp")];
  const before = existsSync(data) ? readlinkSync(data) : undefined;
  mkdirSync(join(directory, version));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, version, name), content);
  symlinkSync(version, next);
  renameSync(next, data);
  if (before !== undefined) {
    rmSync(join(directory, before), { recursive: true });
    return;
  }
  for (const name of Object.keys(files)) symlinkSync(join("..data", name), join(directory, name));
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

function validFrom(startMs: number): { notBefore: Date; notAfter: Date } {
  const start = Date.now() + startMs;
  return { notBefore: new Date(start), notAfter: new Date(start + 2 * HOUR_MS) };
}
