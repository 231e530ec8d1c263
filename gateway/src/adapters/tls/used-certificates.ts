/**
 * All certificates that a gateway uses, under one roof: the contexts of its listeners, the trust of
 * each station, and what is told of their expiry. A new set takes effect as a whole: everything is
 * checked first, and if anything in it cannot be used, nothing changes.
 */
import { type CertificateFacts, type Certificates, factsOf, type ListenerCertificates } from "./certificates.ts";
import type { UsedCertificate } from "./expiry-watch.ts";
import { ServerContexts } from "./server-contexts.ts";
import { StationTrust } from "./station-trust.ts";

export class UsedCertificates {
  readonly control: ServerContexts | undefined;
  /** By group. */
  readonly #groups: Map<string, ServerContexts> = new Map();
  /** By `group/station`; also stations without a `tls` section. */
  readonly #stations: Map<string, StationTrust> = new Map();
  #current: Certificates;

  /** Throws `CertificateError`. */
  constructor(certificates: Certificates) {
    this.#current = certificates;
    this.control = certificates.control && new ServerContexts(certificates.control);
    for (const [group, own] of certificates.groups) this.#groups.set(group, new ServerContexts(own));
  }

  /** Contexts of the group's listener; undefined: it has no TLS. */
  ofGroup(group: string): ServerContexts | undefined {
    return this.#groups.get(group);
  }

  ofStation(group: string, station: string): StationTrust {
    const name = `${group}/${station}`;
    const known = this.#stations.get(name) ?? new StationTrust(this.#current.stations.get(name));
    this.#stations.set(name, known);
    return known;
  }

  /** Everything that can expire. */
  get used(): UsedCertificate[] {
    const shown = [...this.#stations].flatMap(([holder, { shown: pem }]) =>
      pem === undefined ? [] : [{ holder, facts: factsOf(pem) }],
    );
    const of = (holder: string, facts: readonly CertificateFacts[]): UsedCertificate[] =>
      facts.map((one) => ({ holder, facts: one }));
    const groups = [...this.#groups].flatMap(([group, { facts }]) => of(group, facts));
    return [...of("control", this.control?.facts ?? []), ...groups, ...shown];
  }

  /**
   * Replaces all of them. Throws `CertificateError`, or a RangeError if a listener would have to
   * begin or end to speak TLS; nothing has changed then.
   */
  use(next: Certificates, nowMs: number = Date.now()): void {
    const changes: (() => void)[] = [];
    const listener = (
      name: string,
      contexts: ServerContexts | undefined,
      own: ListenerCertificates | undefined,
    ): void => {
      if ((contexts === undefined) !== (own === undefined))
        throw new RangeError(`${name}: tls was added or taken out, which needs a new listener`);
      if (contexts === undefined || own === undefined) return;
      refuseExpired(name, own, contexts.facts, nowMs);
      changes.push(contexts.prepare(own));
    };
    listener("control", this.control, next.control);
    for (const group of new Set([...this.#groups.keys(), ...next.groups.keys()]))
      listener(group, this.#groups.get(group), next.groups.get(group));
    for (const [name, trust] of this.#stations) changes.push(trust.prepare(next.stations.get(name)));
    for (const change of changes) change();
    this.#current = next;
  }
}

/** An expired certificate never takes the place of one that has not expired. */
function refuseExpired(
  name: string,
  { pairs }: ListenerCertificates,
  before: readonly CertificateFacts[],
  nowMs: number,
): void {
  if (before.some(({ validToMs }) => validToMs <= nowMs)) return;
  for (const { certificate } of pairs) {
    const { subject, validToMs } = factsOf(certificate);
    if (validToMs <= nowMs)
      throw new RangeError(`${name}: the certificate of ${subject} expired on ${new Date(validToMs).toISOString()}`);
  }
}
