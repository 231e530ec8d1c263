/**
 * Primary and backup behind one call: the primary stops beating and hangs, the backup takes over,
 * and every command still gets its answer. On the virtual clock, so that twenty seconds of
 * operations take a moment and always end alike.
 */
import { PhiAccrualDetector, PrimaryBackupFailover } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

const clock = new VirtualClock();
const down = new Set<string>();
const detector = new PhiAccrualDetector({ expectedIntervalMs: 50, clock });

function beat(station: string): void {
  if (!down.has(station)) detector.noteHeartbeat(station);
  clock.at(clock.nowMs() + 50, () => beat(station));
}
beat("north");
beat("south");

const failover = new PrimaryBackupFailover({
  primary: { name: "north" },
  backup: { name: "south" },
  detector,
  client: { timeoutMs: 1_000 },
});
failover.onEvent((event) => {
  if (event.type === "promoted") console.log(`${event.atMs} ms: ${event.station} promoted, epoch ${event.epoch}`);
});
const stop = new AbortController();
const running = failover.run(stop.signal);

const send = (key: string): Promise<string> =>
  failover.call(
    async ({ station, signal }) => {
      await clock.sleepUntil(clock.nowMs() + (down.has(station.name) ? 1e9 : 5), signal);
      return station.name;
    },
    { idempotencyKey: key },
  );

await clock.advanceBy(2_000);
const served: Promise<string>[] = [];
for (let second = 0; second < 10; second++) {
  if (second === 3) down.add("north");
  served.push(send(`command-${second}`));
  await clock.advanceBy(1_000);
}
console.log(`served by ${(await Promise.all(served)).join(" ")}`);
stop.abort();
await running;
