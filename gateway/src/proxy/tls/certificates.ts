/**
 * Certificates for TLS faults: an authority of our own, made when it is first needed and known to
 * nobody, and certificates that are right but for the one thing that is to be wrong. A test that
 * trusts the authority (`GET /tls/ca`) sees exactly that fault. For tests only: the keys live in
 * memory, and nothing is ever revoked.
 */
import { isIP } from "node:net";
import { generate } from "selfsigned";

export const TLS_FAULTS = [
  "none",
  "expired",
  "not-yet-valid",
  "wrong-name",
  "self-signed",
  "stalled-handshake",
] as const;

/** What is wrong with the listener's TLS. "stalled-handshake": it never answers the hello. */
export type TlsFault = (typeof TLS_FAULTS)[number];

/** A certificate and its private key, as PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** How a client reaches a proxy on this machine. */
export const DEFAULT_NAMES: readonly string[] = ["localhost", "127.0.0.1", "::1"];

const DAY_MS = 24 * 3_600_000;
const ALGORITHM = { keyType: "ec", curve: "P-256", algorithm: "sha256" } as const;
/** A name that no client asks for (RFC 6761, section 6.4). */
const WRONG_NAME = "wrong-name.invalid";

export class CertificateAuthority {
  readonly #wallMs: () => number;
  #own: Promise<KeyPair> | undefined;

  /** `wallMs`: the calendar, in ms since 1970. Default: the system's. */
  constructor(wallMs: () => number = () => Date.now()) {
    this.#wallMs = wallMs;
  }

  /** The authority's certificate, as PEM, for clients that are to trust it. */
  async certificate(): Promise<string> {
    return (await this.#pair()).cert;
  }

  /**
   * A certificate for these names (DNS names and addresses), with this fault. `commonName` of its
   * subject: by default the first name. `days` until it ends: by default 30, where that is no
   * fault.
   */
  async issue(
    fault: TlsFault,
    names: readonly string[] = DEFAULT_NAMES,
    { commonName, days = 30 }: { readonly commonName?: string; readonly days?: number } = {},
  ): Promise<KeyPair> {
    const usedNames = fault === "wrong-name" ? [WRONG_NAME] : names;
    const [fromDays, toDays] = fault === "expired" ? [-10, -1] : fault === "not-yet-valid" ? [1, 10] : [-10, days];
    const ca = await this.#pair();
    const made = await generate([{ name: "commonName", value: commonName ?? usedNames[0] ?? WRONG_NAME }], {
      ...ALGORITHM,
      notBeforeDate: new Date(this.#wallMs() + fromDays * DAY_MS),
      notAfterDate: new Date(this.#wallMs() + toDays * DAY_MS),
      ...(fault === "self-signed" ? {} : { ca }),
      extensions: [
        { name: "basicConstraints", cA: false, critical: true },
        { name: "keyUsage", digitalSignature: true, critical: true },
        { name: "extKeyUsage", serverAuth: true, clientAuth: true },
        {
          name: "subjectAltName",
          altNames: usedNames.map((name) => (isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name })),
        },
      ],
    });
    return { cert: made.cert, key: made.private };
  }

  #pair(): Promise<KeyPair> {
    this.#own ??= generate([{ name: "commonName", value: "gsf fault proxy" }], {
      ...ALGORITHM,
      notBeforeDate: new Date(this.#wallMs() - 30 * DAY_MS),
      notAfterDate: new Date(this.#wallMs() + 365 * DAY_MS),
      extensions: [
        { name: "basicConstraints", cA: true, critical: true },
        { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
      ],
    }).then(({ cert, private: key }) => ({ cert, key }));
    return this.#own;
  }
}
