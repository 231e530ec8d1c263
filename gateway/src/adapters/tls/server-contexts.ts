/**
 * The certificates that a listener shows: one for callers that ask for no name, others chosen by
 * the name that a caller asks for (SNI, RFC 6066 §3). All of them are replaced at once, and only if
 * each one can be used; connections that are open keep theirs. Replaced contexts also have new keys
 * for session tickets, so a caller whose authority is no longer accepted cannot resume an old
 * session.
 */
import type { Server as HttpsServer, ServerOptions } from "node:https";
import type { SecureContext, SecureContextOptions } from "node:tls";
import {
  type CertificateFacts,
  checkAuthorities,
  checkPair,
  contextOf,
  factsOf,
  type ListenerCertificates,
} from "./certificates.ts";

/** Longest time for a handshake, in ms: one that takes longer holds a connection in vain. */
const HANDSHAKE_MS = 10_000;

/** Session tickets are valid for this long, in seconds: Node's default for TLS 1.2. */
const SESSION_SECONDS = 300;

export class ServerContexts {
  #current: Contexts;
  #server: HttpsServer | undefined;

  /** Throws `CertificateError`. */
  constructor(certificates: ListenerCertificates) {
    this.#current = new Contexts(certificates);
  }

  /** What is known of the certificates that are shown. */
  get facts(): readonly CertificateFacts[] {
    return this.#current.facts;
  }

  /** True if callers must show a certificate. */
  get asksForCertificate(): boolean {
    return this.#current.certificates.clientCa !== undefined;
  }

  /** Options of a server that shows these certificates. `protocols`: what it offers (ALPN). */
  options(protocols: readonly string[]): ServerOptions {
    return {
      ...this.#current.defaults,
      ALPNProtocols: [...protocols],
      SNICallback: (name, done) => done(null, this.#current.of(name)),
      requestCert: this.asksForCertificate,
      rejectUnauthorized: this.asksForCertificate,
      handshakeTimeout: HANDSHAKE_MS,
      sessionTimeout: SESSION_SECONDS,
    };
  }

  /** The server whose certificates {@link use} replaces. */
  serve(server: HttpsServer): void {
    this.#server = server;
  }

  /**
   * Makes ready to show `certificates`, and returns what does it. Throws `CertificateError`, or a
   * RangeError if that needs a new listener; nothing has changed then.
   */
  prepare(certificates: ListenerCertificates): () => void {
    if ((certificates.clientCa !== undefined) !== this.asksForCertificate)
      throw new RangeError("clientCa was added or taken out, which needs a restart");
    const next = new Contexts(certificates);
    return () => {
      this.#current = next;
      this.#server?.setSecureContext(next.defaults);
    };
  }
}

class Contexts {
  readonly certificates: ListenerCertificates;
  readonly facts: readonly CertificateFacts[];
  readonly defaults: SecureContextOptions;
  readonly #byName: Map<string, SecureContext> = new Map();

  constructor(certificates: ListenerCertificates) {
    this.certificates = certificates;
    const { pairs, clientCa: ca, minVersion } = certificates;
    const [first] = pairs;
    if (first === undefined) throw new RangeError("a listener with TLS needs a certificate");
    if (ca !== undefined) checkAuthorities(ca);
    for (const pair of pairs) checkPair(pair);
    this.facts = pairs.map(({ certificate }) => factsOf(certificate));
    this.defaults = { cert: first.certificate, key: first.key, minVersion, ...(ca === undefined ? {} : { ca }) };
    for (const [place, pair] of pairs.entries()) {
      const context = contextOf(pair, { ca, minVersion });
      for (const name of this.facts[place]?.names ?? []) if (!this.#byName.has(name)) this.#byName.set(name, context);
    }
  }

  /** Undefined: the default. A wildcard covers one level (RFC 9525 §6.3). */
  of(name: string): SecureContext | undefined {
    const lower = name.toLowerCase();
    return this.#byName.get(lower) ?? this.#byName.get(lower.replace(/^[^.]+/, "*"));
  }
}
