/**
 * The callers of a stage as a process: it starts and stops sources as its parent says, and reports
 * what was sent and what has ended several times a second, also if that is nothing, so that a load
 * that stands still is told from a quiet one. It ends with its parent.
 */
import { networkInterfaces } from "node:os";
import { systemClock } from "ground-station-failover";
import { endWithParent } from "../../adapters/process/children.ts";
import { machineNowMs } from "../../adapters/process/machine-time.ts";
import { keepCompiled } from "./compile-cache.ts";
import { LoadSource } from "./load.ts";
import type { CallRecord, OpenCall } from "./observations.ts";
import type { LoadSourceSettings } from "./settings.ts";

/** Message of the load to its parent. */
export interface LoadReport {
  readonly sent: readonly OpenCall[];
  readonly ended: readonly CallRecord[];
}

/** Message of its parent: a source begins, and replaces one of the same name; or one ends. */
type LoadOrder = { readonly add: LoadSourceSettings; readonly prefix: string } | { readonly remove: string };

export interface LoadProcessOptions {
  readonly to: string;
}

const REPORT_EVERY_MS = 50;
/** Addresses of loopback that callers send from, where the machine has all of 127.0.0.0/8. */
const ADDRESSES = 100;
/** A source that is removed lets its commands end within this time, in ms. */
const DRAIN_MS = 5_000;

export function runLoadProcess({ to }: LoadProcessOptions): void {
  const sources = new Map<string, LoadSource>();
  const addresses = callerAddresses();
  let sent: OpenCall[] = [];
  let ended: CallRecord[] = [];
  const remove = (name: string): void => {
    sources.get(name)?.stop(DRAIN_MS);
    sources.delete(name);
  };
  endWithParent();
  process.on("message", (message: unknown) => {
    const order = message as LoadOrder;
    if ("remove" in order) remove(order.remove);
    if (!("add" in order)) return;
    remove(order.add.name);
    sources.set(
      order.add.name,
      new LoadSource({
        ...{ to: new URL(to), settings: order.add, prefix: order.prefix, clock: systemClock, machineNowMs, addresses },
        onSent: (call) => sent.push(call),
        onEnded: (record) => ended.push(record),
      }),
    );
  });
  const report = (): void => {
    const message: LoadReport = { sent, ended };
    [sent, ended] = [[], []];
    if (process.connected) process.send?.(message, () => undefined);
    systemClock.at(systemClock.nowMs() + REPORT_EVERY_MS, report);
  };
  report();
  process.stdout.write("load ready\n");
  keepCompiled();
}

/** Linux answers on all of 127.0.0.0/8; other systems only on 127.0.0.1. */
function callerAddresses(): readonly (string | undefined)[] {
  const loopback = Object.values(networkInterfaces()).flat();
  const isWide = loopback.some((one) => one?.address === "127.0.0.1" && one.netmask === "255.0.0.0");
  if (process.platform !== "linux" || !isWide) return [undefined];
  return Array.from({ length: ADDRESSES }, (_, caller) => `127.0.1.${caller + 1}`);
}
