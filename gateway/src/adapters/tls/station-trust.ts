/**
 * How the gateway connects to one station over TLS: which authorities it believes, what certificate
 * it shows, and which name it expects. All of it can be replaced while the station is used: new
 * connections use the new, and the uplink closes its idle ones. A failed handshake fails the
 * attempt before anything was sent, so the command goes to another station; whether the station or
 * the gateway's own file is to blame shows in the comparison with the other stations.
 */
import { isIP } from "node:net";
import { buildConnector } from "undici";
import { checkAuthorities, checkPair, contextOf, type StationCertificates } from "./certificates.ts";

type ConnectorOptions = Parameters<typeof buildConnector>[0];

export class StationTrust {
  #current: StationCertificates | undefined;
  readonly #listeners: Set<() => void> = new Set();

  /** Throws `CertificateError`. Undefined: what Node believes, and no certificate. */
  constructor(certificates?: StationCertificates) {
    if (certificates !== undefined) checkStation(certificates);
    this.#current = certificates;
  }

  /** Name that the certificate must have; undefined: that of the address. */
  get servername(): string | undefined {
    return this.#current?.servername;
  }

  /** The certificate that the gateway shows; undefined: none. */
  get shown(): string | undefined {
    return this.#current?.pair?.certificate;
  }

  /** As `buildConnector`, but with what is current when it connects. */
  connector(options: ConnectorOptions): buildConnector.connector {
    let built = build(options, this.#current);
    this.#listeners.add(() => {
      built = build(options, this.#current);
    });
    return (target, done) => {
      const { servername, ...rest } = target;
      // An address is no name that a client may send (RFC 6066 §3); the certificate is still
      // checked against it.
      const isAddress = typeof servername === "string" && isIP(servername) !== 0;
      built(isAddress ? rest : target, done);
    };
  }

  /** Calls `listener` each time after {@link use}. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Makes ready to use `certificates`, and returns what does it. Throws `CertificateError`. */
  prepare(certificates: StationCertificates | undefined): () => void {
    if (certificates !== undefined) checkStation(certificates);
    return () => {
      if (JSON.stringify(certificates) === JSON.stringify(this.#current)) return;
      this.#current = certificates;
      for (const listener of this.#listeners) listener();
    };
  }
}

/** Throws `CertificateError` if one of `certificates` cannot be used. */
function checkStation({ ca, pair, minVersion }: StationCertificates): void {
  if (ca !== undefined) checkAuthorities(ca);
  if (pair === undefined) return;
  checkPair(pair);
  contextOf(pair, { ca, minVersion });
}

function build(options: ConnectorOptions, certificates: StationCertificates | undefined): buildConnector.connector {
  if (certificates === undefined) return buildConnector({ ...options, allowH2: false });
  const { ca, pair, minVersion } = certificates;
  return buildConnector({
    ...options,
    allowH2: false,
    minVersion,
    ...(ca === undefined ? {} : { ca }),
    ...(pair === undefined ? {} : { cert: pair.certificate, key: pair.key }),
  });
}
