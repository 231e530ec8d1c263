/** The door for tests and simulations: time that moves only when told, and chance fixed by a seed. */
export type { Random } from "../core/random.ts";
export { seededRandom } from "../core/random.ts";
export { VirtualClock } from "./virtual-clock.ts";
