/**
 * An hour of heartbeats as CSV, for a first calibration: one every 50 ms, arriving with a deviation
 * of 10 ms, one in a thousand lost. Write it to a file and ask `gsf calibrate` what it makes of it
 * (docs/guide/calibration.md). An argument makes it shorter: so many heartbeats.
 */
import { seededRandom } from "ground-station-failover";

const INTERVAL_MS = 50;
const DEVIATION_MS = 10;
const LOSS_RATE = 0.001;

const heartbeats = Number(process.argv[2] ?? 72_000);
const random = seededRandom("an hour of heartbeats");
const normal = (): number => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());

process.stdout.write("node,arrival,sequence\n");
let arrivalMs = 0;
for (let sequence = 0; sequence < heartbeats; sequence++) {
  arrivalMs += Math.max(1, INTERVAL_MS + DEVIATION_MS * normal());
  if (random.next() >= LOSS_RATE) process.stdout.write(`primary,${arrivalMs.toFixed(3)},${sequence}\n`);
}
