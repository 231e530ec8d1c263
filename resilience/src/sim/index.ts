/**
 * The door for tests and simulations. For a test: time that moves only when told, and chance fixed by a seed. For a
 * simulation: a world of machines, disks and a network made from one seed, faults as data, and the tools that explore
 * seeds, shrink what fails and replay it.
 */
export type { Random } from "../core/random.ts";
export { seededRandom } from "../core/random.ts";
export type { AssertSeedsOptions } from "./assert-seeds.ts";
export { assertSeeds } from "./assert-seeds.ts";
export type { Connection, NetworkErrorCode } from "./connection.ts";
export { NetworkError } from "./connection.ts";
export type { Address } from "./direction.ts";
export type { Disk, RotPlace } from "./disk.ts";
export type { DiskErrorCode } from "./disk-error.ts";
export { DiskError } from "./disk-error.ts";
export type { DiskFaults } from "./disk-faults.ts";
export {
  between,
  chance,
  exponential,
  logUniform,
  naturalExp,
  naturalLog,
  pareto,
  pick,
  shuffled,
  wholeBetween,
} from "./draws.ts";
export type { ExploreOptions, ExploreProgress, ExploreReport, Failure } from "./explore.ts";
export { DETERMINISTIC, explore } from "./explore.ts";
export type {
  CrashFault,
  DiskFault,
  DoorFault,
  DriftFault,
  Fault,
  LinkFault,
  PauseFault,
  SlowFault,
  WallStepFault,
} from "./fault.ts";
export { checkFaults, healAll, inject } from "./fault.ts";
export type { FaultFamily, Link } from "./fault-families.ts";
export type { SwarmOptions } from "./fault-swarm.ts";
export { drawFaults, FAULT_FAMILIES } from "./fault-swarm.ts";
export type { BurstDelay, Delay, LinkConditions, PlainDelay } from "./link.ts";
export { HEALTHY_LINK } from "./link.ts";
export type { DoorMode } from "./machine.ts";
export type { Network, NodeNetwork } from "./network.ts";
export type { CrashKind, NodeEnv, NodeOptions, Program, SimNode } from "./node.ts";
export type { Payload } from "./payload.ts";
export type { RegisterOperation } from "./register-history.ts";
export { unexplained } from "./register-history.ts";
export type { ReplayFile, ReplayReport, ReplayVerdict } from "./replay.ts";
export { parseReplay, REPLAY_FORMAT, replay, writeReplay } from "./replay.ts";
export type { DiagramOptions } from "./sequence-diagram.ts";
export { mermaidDiagram, sequenceDiagram } from "./sequence-diagram.ts";
export type { ShrinkOptions, ShrinkProgress, ShrinkReport } from "./shrink.ts";
export { shrink } from "./shrink.ts";
export type { FaultPlan, RunOptions, RunReport, Simulation, TieBreak } from "./simulation.ts";
export { runOnce, SIMULATION_BROKEN } from "./simulation.ts";
export type { Trace, TraceRecord } from "./trace.ts";
export { traceJsonl, traceText } from "./trace-text.ts";
export { VirtualClock } from "./virtual-clock.ts";
export type { Check, Violation, WorldOptions } from "./world.ts";
export { World } from "./world.ts";
