/**
 * Contradictions between fields of TLS: half a pair, TLS for an address without it, a subject where
 * no certificate is asked for.
 */
import type { StationTlsSettings } from "../fleet/settings.ts";
import type { FieldPath, Report } from "./field-path.ts";
import type { WrittenGroup } from "./schema.ts";

/** `groups`: those whose stations are a list. */
export function reportTls(
  groups: readonly { readonly group: WrittenGroup; readonly path: FieldPath }[],
  report: Report,
): void {
  for (const { group, path } of groups) {
    const { tls, commands, stations } = group;
    const field = [...path, "tls", "subjectHeader"];
    if (typeof tls?.subjectHeader === "string") {
      if (tls.clientCa === undefined)
        report(field, "callers are not asked for a certificate; add clientCa, or leave this out");
      if (tls.subjectHeader.toLowerCase() === commands?.deadlineHeader?.name?.toLowerCase())
        report(field, "it is commands.deadlineHeader.name, too; each needs a field of its own");
    }
    for (const [place, station] of stations.entries()) {
      const own = [...path, "stations", place, "tls"];
      const ownTls = station?.tls;
      if (typeof ownTls !== "object" || ownTls === null) continue;
      if (typeof station.url === "string" && !station.url.startsWith("https:"))
        report(own, `url is ${station.url}, which is without TLS; write https://, or leave this out`);
      reportHalf(ownTls, own, report);
    }
  }
}

function reportHalf({ certificate, key }: StationTlsSettings, path: FieldPath, report: Report): void {
  if ((certificate === undefined) === (key === undefined)) return;
  const [there, missing] = key === undefined ? ["certificate", "key"] : ["key", "certificate"];
  report([...path, there], `${missing} is missing; both are needed, or neither`);
}
