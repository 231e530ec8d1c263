/**
 * Certificates and private keys from PEM text: what a listener shows to callers, and what the
 * gateway shows to stations. A pair that cannot work is found before it is used, and the reason is
 * said in words: no certificate, a key of another certificate, an encrypted key, an authority that
 * is none. The text of a key appears in no message. Nothing here reads files or keeps a socket.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";

/** A certificate, with those of its authorities after it, and its private key: PEM text. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** What a listener shows to callers, and asks of them. */
export interface ListenerCertificates {
  /** The first is shown to callers that ask for no name, or for an unknown one. */
  readonly pairs: readonly KeyPair[];
  /** Authorities of callers' certificates (PEM); undefined: callers need no certificate. */
  readonly clientCa: string | undefined;
  readonly minVersion: TlsVersion;
}

/** How the gateway checks a station, and what it shows to it. */
export interface StationCertificates {
  /** Authorities of the station's certificate (PEM); undefined: those that Node knows. */
  readonly ca: string | undefined;
  /** The gateway's own certificate; undefined: the station asks for none. */
  readonly pair: KeyPair | undefined;
  /** Name that the station's certificate must have; undefined: that of its url. */
  readonly servername: string | undefined;
  readonly minVersion: TlsVersion;
}

/** Everything that a gateway uses; replaced as a whole. */
export interface Certificates {
  readonly control: ListenerCertificates | undefined;
  /** By group: listeners that speak TLS. */
  readonly groups: ReadonlyMap<string, ListenerCertificates>;
  /** By `group/station`: stations with a `tls` section. */
  readonly stations: ReadonlyMap<string, StationCertificates>;
}

export const NO_CERTIFICATES: Certificates = { control: undefined, groups: new Map(), stations: new Map() };

/** What is known of a certificate, for people. */
export interface CertificateFacts {
  readonly subject: string;
  /** Names and addresses that it is valid for, in lower case; `*.` for all of one level. */
  readonly names: readonly string[];
  /** When its time begins and ends, in milliseconds since 1970. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** A certificate cannot be used. `part`: the field that is wrong. */
export class CertificateError extends Error {
  override readonly name: string = "CertificateError";
  readonly part: "certificate" | "key" | "ca";

  constructor(part: CertificateError["part"], message: string) {
    super(message);
    this.part = part;
  }
}

const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Most certificates of one file: Node's own list of authorities has 150. */
const MAX_CERTIFICATES = 1_000;

/** The certificates in `pem`, in their order. Throws {@link CertificateError}. */
function certificatesIn(pem: string, part: "certificate" | "ca"): X509Certificate[] {
  const blocks = pem.match(BLOCK) ?? [];
  if (blocks.length === 0) throw new CertificateError(part, "there is no certificate in PEM (BEGIN CERTIFICATE) in it");
  if (blocks.length > MAX_CERTIFICATES)
    throw new CertificateError(part, `there are ${blocks.length} certificates in it; at most ${MAX_CERTIFICATES}`);
  return blocks.map((block, place) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new CertificateError(part, `its certificate number ${place + 1} cannot be read`);
    }
  });
}

/** What is known of the first certificate in `pem`. Throws {@link CertificateError}. */
export function factsOf(pem: string): CertificateFacts {
  const certificate = certificatesIn(pem, "certificate")[0] as X509Certificate;
  return {
    subject: oneLine(certificate.subject),
    names: namesOf(certificate),
    validFromMs: Date.parse(certificate.validFrom),
    validToMs: Date.parse(certificate.validTo),
  };
}

/** `facts` for the status, at `nowMs` since 1970. */
export function shownFacts(
  { subject, names, validToMs }: CertificateFacts,
  nowMs: number,
): { subject: string; names: readonly string[]; expiresAt: string; expiresInMs: number } {
  return { subject, names, expiresAt: new Date(validToMs).toISOString(), expiresInMs: validToMs - nowMs };
}

/** Throws {@link CertificateError} if `pair` cannot be used. */
export function checkPair(pair: KeyPair): void {
  const [certificate] = certificatesIn(pair.certificate, "certificate");
  const key = privateKeyIn(pair.key);
  if (certificate?.checkPrivateKey(key) === false)
    throw new CertificateError("key", "it is not the key of the certificate: the pair does not match");
  contextOf(pair, {});
}

/** Throws {@link CertificateError} if `pem` has no certificate of an authority. */
export function checkAuthorities(pem: string): void {
  for (const certificate of certificatesIn(pem, "ca")) {
    const isOwn = certificate.checkIssued(certificate);
    if (!certificate.ca && !isOwn)
      throw new CertificateError("ca", `${oneLine(certificate.subject)} is no authority and cannot vouch for others`);
  }
}

/** A context of `pair` for connections. Throws {@link CertificateError}. */
export function contextOf(
  { certificate, key }: KeyPair,
  options: { readonly ca?: string | undefined; readonly minVersion?: TlsVersion },
): SecureContext {
  const { ca, minVersion = "TLSv1.2" } = options;
  try {
    return createSecureContext({ cert: certificate, key, minVersion, ...(ca === undefined ? {} : { ca }) });
  } catch (error) {
    throw new CertificateError("certificate", `OpenSSL refuses it: ${reasonOf(error)}`);
  }
}

function privateKeyIn(pem: string): KeyObject {
  if (!pem.includes("PRIVATE KEY-----"))
    throw new CertificateError("key", "there is no private key in PEM (BEGIN PRIVATE KEY) in it");
  if (/ENCRYPTED/.test(pem))
    throw new CertificateError("key", "it is encrypted; write it without a passphrase: openssl pkey -in … -out …");
  try {
    return createPrivateKey(pem);
  } catch {
    throw new CertificateError("key", "its private key cannot be read");
  }
}

/** OpenSSL's words in its error: `error:0A00018F:SSL routines::ee key too small`. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split(":").at(-1)?.trim() ?? message;
}

function namesOf({ subjectAltName, subject }: X509Certificate): string[] {
  const names = (subjectAltName ?? "")
    .split(", ")
    .map((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1])
    .filter((name) => name !== undefined);
  if (names.length > 0) return names.map((name) => name.toLowerCase());
  const common = /^CN=(.+)$/m.exec(subject)?.[1];
  return common === undefined ? [] : [common.toLowerCase()];
}

/**
 * A distinguished name as one line of ASCII, the last part first (RFC 4514 writes it so). OpenSSL
 * has escaped what separates parts; other bytes are escaped here.
 */
export function oneLine(name: string): string {
  const line = name.split("\n").toReversed().join(",");
  return [...Buffer.from(line, "utf8")]
    .map((byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    )
    .join("");
}
