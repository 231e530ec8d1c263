/**
 * Reads the certificates and keys that a configuration names, and checks that each of them can be
 * used; reports what cannot, at the field that names it. They are read again while the gateway
 * runs, all of them or none, so that a certificate can be renewed without a restart.
 */
import { UserError } from "../adapters/process/exit-codes.ts";
import {
  CertificateError,
  type Certificates,
  checkAuthorities,
  checkPair,
  factsOf,
  type KeyPair,
  type ListenerCertificates,
  type StationCertificates,
} from "../adapters/tls/certificates.ts";
import type { CertificateFiles, ListenerTlsSettings, StationTlsSettings } from "../fleet/settings.ts";
import { type FieldPath, type Report, shownPath } from "./field-path.ts";
import type { WrittenConfiguration } from "./schema.ts";
import { reasonOf } from "./secrets.ts";

/** Reads a file of PEM; the path is as written. Throws the operating system's error. */
export type ReadPem = (path: string) => string;

/** Largest file of PEM: Node's own list of authorities has a quarter of a megabyte. */
export const MAX_PEM_BYTES: number = 1_024 ** 2;

/** All certificates of the configuration; those that cannot be used are reported. */
export function certificatesOf(written: WrittenConfiguration, read: ReadPem, report: Report): Certificates {
  const files = new PemFiles(read, report);
  const groups = new Map<string, ListenerCertificates>();
  const stations = new Map<string, StationCertificates>();
  for (const [place, group] of sectionsOf(written?.groups)) {
    const path: FieldPath = ["groups", place];
    if (isWhole(group.tls)) groups.set(String(group.name), files.ofListener(group.tls, [...path, "tls"]));
    for (const [at, station] of sectionsOf(group.stations)) {
      if (station?.tls === undefined || station.tls === null) continue;
      const found = files.ofStation(station.tls, [...path, "stations", at, "tls"]);
      stations.set(`${group.name}/${station.name}`, found);
    }
  }
  const tls = written?.control?.tls;
  const control = isWhole(tls) ? files.ofListener(tls, ["control", "tls"]) : undefined;
  return { control, groups, stations };
}

/** The same, read again. Throws a {@link UserError} that says why one cannot be used. */
export function certificatesAgain(written: WrittenConfiguration, read: ReadPem): Certificates {
  return certificatesOf(written, read, (path, sentence) => {
    throw new UserError("configuration", `${shownPath(path)}: ${sentence}`);
  });
}

/** Files of certificates and keys, as written in the configuration. */
export function certificateFiles(written: WrittenConfiguration): { readonly all: string[]; readonly keys: string[] } {
  const listeners = [written.control.tls, ...written.groups.map(({ tls }) => tls)].filter((tls) => tls !== undefined);
  const pairs = listeners.flatMap((tls): CertificateFiles[] => [tls, ...tls.sni]);
  const stations = written.groups.flatMap((group) =>
    group.stations.flatMap(({ tls }) => (tls === undefined ? [] : [tls])),
  );
  const given = (file: string | undefined): string[] => (file === undefined ? [] : [file]);
  const keys = [...pairs.map(({ key }) => key), ...stations.flatMap(({ key }) => given(key))];
  const others = [
    ...pairs.map(({ certificate }) => certificate),
    ...listeners.flatMap(({ clientCa }) => given(clientCa)),
    ...stations.flatMap(({ ca, certificate }) => [...given(ca), ...given(certificate)]),
  ];
  return { all: [...others, ...keys], keys };
}

/** Sections of a list of which some could not be read. */
function sectionsOf<Item>(items: readonly Item[]): [number, Item][] {
  if (!Array.isArray(items)) return [];
  return [...(items as Item[]).entries()].filter(([, item]) => typeof item === "object" && item !== null);
}

/** A section that is there and could be read as far as its files are concerned. */
function isWhole(tls: ListenerTlsSettings | undefined): tls is ListenerTlsSettings {
  return typeof tls?.certificate === "string" && typeof tls.key === "string" && Array.isArray(tls.sni);
}

class PemFiles {
  readonly #read: ReadPem;
  readonly #report: Report;

  constructor(read: ReadPem, report: Report) {
    this.#read = read;
    this.#report = report;
  }

  ofListener(tls: ListenerTlsSettings, path: FieldPath): ListenerCertificates {
    const { sni, clientCa, minVersion } = tls;
    const pairs = [this.#pair(tls, path), ...sni.map((files, place) => this.#pair(files, [...path, "sni", place]))];
    return {
      pairs: pairs.filter((pair) => pair !== undefined),
      clientCa: this.#authorities(clientCa, [...path, "clientCa"]),
      minVersion,
    };
  }

  ofStation(
    { ca, certificate, key, servername, minVersion }: StationTlsSettings,
    path: FieldPath,
  ): StationCertificates {
    const pair = certificate === undefined || key === undefined ? undefined : this.#pair({ certificate, key }, path);
    return { ca: this.#authorities(ca, [...path, "ca"]), pair, servername, minVersion };
  }

  #pair({ certificate, key }: CertificateFiles, path: FieldPath): KeyPair | undefined {
    const texts = [this.#text(certificate, [...path, "certificate"]), this.#text(key, [...path, "key"])];
    const [certificateText, keyText] = texts;
    if (certificateText === undefined || keyText === undefined) return undefined;
    const pair = { certificate: certificateText, key: keyText };
    const names = { certificate, key, ca: certificate };
    return this.#isSound(path, names, () => checkPair(pair)) ? pair : undefined;
  }

  #authorities(file: string | undefined, path: FieldPath): string | undefined {
    const text = file === undefined ? undefined : this.#text(file, path);
    if (text === undefined) return undefined;
    const names = { certificate: file as string, key: file as string, ca: file as string };
    return this.#isSound(path.slice(0, -1), names, () => checkAuthorities(text), path) ? text : undefined;
  }

  #isSound(
    path: FieldPath,
    names: Readonly<Record<CertificateError["part"], string>>,
    check: () => void,
    field?: FieldPath,
  ): boolean {
    try {
      check();
      return true;
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      this.#report(field ?? [...path, error.part], `${names[error.part]}: ${error.message}`);
      return false;
    }
  }

  #text(file: string, path: FieldPath): string | undefined {
    if (typeof file !== "string") return undefined;
    try {
      return this.#read(file);
    } catch (error) {
      this.#report(path, `cannot read ${file}: ${reasonOf(error)}`);
      return undefined;
    }
  }
}

/**
 * Certificates whose time is over or not come yet, in sentences: the gateway starts all the same.
 */
export function certificateWarnings(certificates: Certificates, timeOfDayMs: () => number): string[] {
  const shown = [
    ...listenerPems("control", certificates.control),
    ...[...certificates.groups].flatMap(([group, one]) => listenerPems(`group ${group}`, one)),
    ...[...certificates.stations].flatMap(([station, { pair }]) =>
      pair === undefined ? [] : [[`what is shown to ${station}`, pair.certificate] as const],
    ),
  ];
  return shown.flatMap(([where, pem]) => {
    const { subject, validFromMs, validToMs } = factsOf(pem);
    // Asked only where there is a certificate: a simulated world has no time of day.
    const nowMs = timeOfDayMs();
    if (nowMs > validToMs) return [`${where}: the certificate of ${subject} expired on ${day(validToMs)}; renew it`];
    return nowMs < validFromMs
      ? [`${where}: the certificate of ${subject} is valid from ${day(validFromMs)} only`]
      : [];
  });
}

function listenerPems(where: string, one: ListenerCertificates | undefined): (readonly [string, string])[] {
  return (one?.pairs ?? []).map(({ certificate }) => [where, certificate] as const);
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16);
}
