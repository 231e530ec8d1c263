/**
 * Callers without types: whatever is handed to a public constructor or function of the library that
 * is not what it takes is refused at once, by an error that names the option, shows the value and
 * says what is allowed. Nothing is ignored silently, and nobody sees a TypeError from inside.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Chaos } from "../chaos/chaos.ts";
import { levelForMistakes } from "../core/detection/adaptive/adaptive.ts";
import { DetectionQualityMachine } from "../core/detection/detection-quality.ts";
import { ConfigurationError } from "../core/errors.ts";
import { seededRandom } from "../core/random.ts";
import { VirtualClock } from "../sim/kernel/virtual-clock.ts";
import { FixedHeartbeatDetector, PhiAccrualDetector } from "./detection/detectors.ts";
import { ObserverHealth } from "./detection/observer-health.ts";
import { LivenessSupervisor } from "./detection/supervisor.ts";
import { SuspicionWatch } from "./detection/suspicion-watch.ts";
import { PrimaryBackupFailover } from "./failover/failover.ts";
import { CircuitBreaker } from "./guard/breaker.ts";
import { Bulkhead } from "./guard/bulkhead.ts";
import { ResilientClient } from "./guard/client.ts";
import { RetryBudget } from "./guard/retry-budget.ts";
import { deadlineAfter, withDeadline } from "./time/ambient-deadline.ts";

/** Anything at all: what a caller without types may write. */
// biome-ignore lint/suspicious/noExplicitAny: the point of this file
type Any = any;

type Case = readonly [what: () => unknown, said: RegExp];

const detector = new PhiAccrualDetector();
const stations = { primary: { name: "a" }, backup: { name: "b" }, detector };
const client = (options?: Any): unknown => new ResilientClient({ name: "north", ...options });
const failover = (options?: Any): unknown => new PrimaryBackupFailover({ ...stations, ...options });
const make = (Part: Any, ...given: Any[]): unknown => new Part(...given);

function refuses(cases: readonly Case[]): void {
  for (const [what, said] of cases) {
    assert.throws(what, (error) => {
      assert.ok(error instanceof ConfigurationError, `${String(error)}, not ${said}`);
      assert.match(error.message, said);
      return true;
    });
  }
}

test("[C5] a client: names that are no option, and values of another kind → refused, and what was meant is said", () => {
  refuses([
    [
      () => make(ResilientClient),
      /^ResilientClient: its options object is missing; it must be an object with any of name,/,
    ],
    [() => make(ResilientClient, "north"), /its options object is "north"/],
    [() => make(ResilientClient, {}), /^ResilientClient: name is missing; it must be a text that is not empty\.$/],
    [() => client({ name: 5 }), /name is 5/],
    [() => client({ timeout: 5 }), /^ResilientClient: there is no option timeout; did you mean timeoutMs\?$/],
    [() => client({ timeoutMs: "1000" }), /^ResilientClient north: timeoutMs is "1000"; it must be a number above 0/],
    [() => client({ deadlineMs: null, timeoutMs: 5n }), /timeoutMs is 5n/],
    [() => client({ retry: 3 }), /retry is 3; it must be options such as \{ maxAttempts: 3 \}, or false\.$/],
    [() => client({ retry: true }), /retry is true/],
    [() => client({ retry: null }), /retry is null/],
    [() => client({ retry: { attempts: 3 } }), /there is no option retry\.attempts; there are .*maxAttempts/],
    [() => client({ retry: { maxAttempt: 3 } }), /there is no option retry\.maxAttempt; did you mean maxAttempts\?/],
    [() => client({ retry: { jitter: true } }), /jitter is true/],
    [() => client({ retry: { budget: 5 } }), /retry\.budget is 5/],
    [() => client({ retry: { budget: { ration: 1 } } }), /there is no option ration; did you mean ratio\?/],
    [() => client({ retry: { downstreamAttempts: null } }), /retry\.downstreamAttempts is null/],
    [() => client({ retry: { maxAttempts: 1, budget: { junk: 1 } } }), /there is no option junk; there are ratio/],
    [() => client({ retry: [] }), /retry is an array/],
    [() => client({ retry: Object.create({ maxAttempt: 3 }) }), /there is no option retry\.maxAttempt; did you mean/],
    [() => client({ breaker: [] }), /breaker is an array; it must be an object/],
    [() => client({ breaker: new Map([["openDurationMs", 5]]) }), /breaker is a Map/],
    [() => client({ breaker: new Date() }), /breaker is a Date/],
    [() => client({ breaker: Promise.resolve({}) }), /breaker is a Promise/],
    [() => client({ breaker: Object.create({ openDuration: 5 }) }), /there is no option openDuration; did you mean/],
    [() => client({ bulkhead: new Map([["maxConcurrent", 5]]) }), /bulkhead is a Map/],
    [() => client({ bulkhead: [] }), /bulkhead is an array/],
    [() => client({ classify: new Map() }), /classify is a Map/],
    [
      () => make(ResilientClient, Object.create({ name: "x", timeout: 5 })),
      /there is no option timeout; did you mean timeoutMs/,
    ],
    [() => client({ breaker: true }), /breaker is true; it must be a CircuitBreaker, options for one, or false\.$/],
    [() => client({ breaker: { openDuration: 5 } }), /there is no option openDuration; did you mean openDurationMs\?/],
    [
      () => client({ bulkhead: 50 }),
      /bulkhead is 50; it must be a Bulkhead, options such as \{ maxConcurrent: 50 \}, or false\.$/,
    ],
    [() => client({ bulkhead: {} }), /^Bulkhead: maxConcurrent is missing/],
    [
      () => client({ classify: () => "success" }),
      /classify is a function; it must be an object whose functions .*httpStatus\.$/,
    ],
    [
      () => client({ classify: { results: () => "success" } }),
      /there is no option classify\.results; did you mean result\?/,
    ],
    [() => client({ classify: { result: "success" } }), /classify\.result is "success"; it must be a function/],
    [() => client({ propagateDeadline: "yes" }), /propagateDeadline is "yes"; it must be true or false/],
    [() => client({ onAttempt: {} }), /there is no option onAttempt/],
    [() => client({ clock: Date }), /clock is a function; it must be a Clock/],
    [() => client({ random: Math.sqrt }), /random is a function; it must be a Random/],
  ]);
});

test("[C5] the options of a call → refused by the promise, never by a TypeError from inside", async () => {
  const guarded = new ResilientClient({ name: "north", retry: false });
  const through = new PrimaryBackupFailover(stations);
  const bulkhead = new Bulkhead({ maxConcurrent: 1 });
  const nothing = (): string => assert.fail("started");
  const calls: readonly ((operation: Any, options?: Any) => Promise<unknown>)[] = [
    (operation, options) => guarded.call(operation, options),
    (operation, options) => through.call(operation, options),
    (operation, options) => bulkhead.execute(operation, options),
  ];
  for (const call of calls) {
    await assert.rejects(call("nothing"), { code: "INVALID_CONFIGURATION", message: /the operation is "nothing"/ });
    for (const [options, said] of [
      [{ signal: {} }, /signal is an object; it must be an AbortSignal/],
      [{ signal: new AbortController() }, /the signal of an AbortController, not the controller/],
      [{ signal: null }, /signal is null/],
      [{ priorty: 5 }, /there is no option .*priorty; did you mean priority\?/],
      [{ timeoutMs: 5 }, /there is no option .*timeoutMs/],
      [{ deadline: "5000" }, /deadline is "5000"/],
      [[], /options.* is an array; it must be an object/],
      [["x"], /options.* is an array/],
      [new Map([["idempotent", true]]), /options.* is a Map/],
      [Promise.resolve({}), /options.* is a Promise/],
      [Object.create({ priorty: 5 }), /there is no option .*priorty; did you mean priority\?/],
      [{ priority: "1" }, /priority is "1"; it must be a number/],
      [5, /options.* is 5; it must be an object/],
      [null, /options.* is null; it must be an object/],
    ] as const) {
      await assert.rejects(call(nothing, options), { code: "INVALID_CONFIGURATION", message: said });
    }
  }
  for (const call of calls.slice(0, 2)) {
    for (const [options, said] of [
      [{ idempotent: "yes" }, /idempotent is "yes"; it must be true or false/],
      [{ idempotencyKey: 5 }, /idempotencyKey is 5; it must be a text/],
      [{ source: {} }, /source is an object; it must be a text/],
      [{ priority: "high" }, /priority is "high"/],
    ] as const) {
      await assert.rejects(call(nothing, options), { code: "INVALID_CONFIGURATION", message: said });
    }
  }
  for (const options of [{}, Object.create(null), Object.create({ idempotent: true }), undefined]) {
    for (const call of calls.slice(0, 2)) assert.equal(await call(() => "ran", options), "ran");
  }
  assert.equal(await guarded.call(() => "ran", { signal: undefined as Any, idempotencyKey: undefined as Any }), "ran");
});

test("[C5] the parts by themselves", () => {
  refuses([
    [() => make(CircuitBreaker, null), /CircuitBreaker: its options object is null/],
    [() => make(CircuitBreaker, { name: "" }), /name is ""/],
    [() => make(CircuitBreaker, { minVolume: 5 }), /there is no option minVolume; .*minimumVolume/],
    [() => new CircuitBreaker().onTransition("x" as Any), /it is "x"; it must be a function/],
    [() => make(Bulkhead), /Bulkhead: its options object is missing/],
    [() => make(Bulkhead, { maxConcurent: 5 }), /did you mean maxConcurrent\?/],
    [() => make(Bulkhead, { maxConcurrent: "5" }), /maxConcurrent is "5"; it must be a whole number/],
    [() => make(RetryBudget, 5), /RetryBudget: its options object is 5/],
    [() => make(RetryBudget, { window: 5 }), /did you mean windowMs\?/],
    [() => make(PhiAccrualDetector, 5), /PhiAccrualDetector: its options object is 5/],
    [() => make(PhiAccrualDetector, { expectedInterval: 5 }), /did you mean expectedIntervalMs\?/],
    [() => make(PhiAccrualDetector, { model: "adaptve" }), /model is "adaptve"/],
    [() => make(PhiAccrualDetector, { clock: {} }), /PhiAccrualDetector: clock is an object; it must be a Clock/],
    [() => make(FixedHeartbeatDetector, { interval: 5 }), /did you mean intervalMs\?/],
    [() => make(PhiAccrualDetector, new Map()), /PhiAccrualDetector: its options object is a Map/],
    [() => make(DetectionQualityMachine, { mistakesWithinMs: 5 }), /did you mean mistakeWithinMs\?/],
    [() => make(DetectionQualityMachine, 5), /DetectionQuality: its options object is 5/],
    [() => new RetryBudget().refund(), /RetryBudget\.refund: no attempt is withdrawn; call withdraw first/],
    [() => new RetryBudget().send(), /RetryBudget\.send: no attempt is withdrawn/],
    ...["x", 0, -1, Number.NaN, undefined].map(
      (perHour): Case => [
        () => levelForMistakes(perHour as Any),
        /levelForMistakes: perHour is .*must be a number above 0/,
      ],
    ),
    ...[undefined, null, {}, Number.NaN].map(
      (seed): Case => [() => seededRandom(seed as Any), /seededRandom: seed is .*must be a text or a finite number/],
    ),
    [() => make(LivenessSupervisor), /LivenessSupervisor: its options object is missing/],
    [() => make(LivenessSupervisor, {}), /LivenessSupervisor: detector is missing; it must be a FailureDetector/],
    [() => make(LivenessSupervisor, { detector: {} }), /detector is an object; it must be a FailureDetector/],
    [
      () => make(LivenessSupervisor, { detector, threshold: 5 }),
      /there is no option threshold; there are suspectThreshold/,
    ],
    [
      () => new LivenessSupervisor({ detector }).onLivenessChange(5 as Any),
      /onLivenessChange: it is 5; it must be a function/,
    ],
    [() => new LivenessSupervisor({ detector }).onAbstention(5 as Any), /it is 5; it must be a function/],
    [() => make(LivenessSupervisor, { detector, observer: {} }), /observer is an object; it must be an ObserverHealth/],
    [() => new LivenessSupervisor({ detector }).watch(undefined as Any), /the node to watch is missing/],
    [() => make(SuspicionWatch), /SuspicionWatch: its options object is missing/],
    [() => new SuspicionWatch({ detector }).onCrossing(undefined as Any), /it is missing; it must be a function/],
    [() => make(SuspicionWatch, {}), /SuspicionWatch: detector is missing/],
    [() => make(SuspicionWatch, { detector, threshold: "3" }), /threshold is "3"/],
    [() => new ObserverHealth().add({} as Any), /the source is an object/],
    [() => withDeadline("5000" as Any, () => 1), /deadline is "5000"/],
    [() => withDeadline(deadlineAfter(50), 5 as Any), /the work is 5; it must be a function/],
    [() => deadlineAfter("5000" as Any), /deadlineAfter: ms is "5000"/],
    [() => deadlineAfter(Number.NaN), /deadlineAfter: ms is NaN/],
  ]);
});

test("[C5] what a detector is told and asked → refused; a heartbeat's misspelt number would count every copy", () => {
  for (const asked of [new PhiAccrualDetector(), new FixedHeartbeatDetector()] as Any[]) {
    refuses([
      [() => asked.noteHeartbeat("a", { sequnce: 9 }), /there is no option beat\.sequnce; did you mean sequence\?/],
      [() => asked.noteHeartbeat("a", { sequence: 9, incarnaton: 1 }), /did you mean incarnation\?/],
      [() => asked.noteHeartbeat("a", 9), /beat is 9; it must be an object with any of sequence/],
      [() => asked.noteHeartbeat("a", [9]), /beat is an array/],
      [() => asked.noteHeartbeat("a", new Map([["sequence", 9]])), /beat is a Map/],
      [() => asked.noteHeartbeat("a", Promise.resolve({ sequence: 9 })), /beat is a Promise/],
      [() => asked.noteHeartbeat(5), /noteHeartbeat: node is 5; it must be a text/],
      [() => asked.noteHeartbeat(undefined), /noteHeartbeat: node is missing/],
      [() => asked.suspicionLevel(5), /suspicionLevel: node is 5/],
      [() => asked.isAlive(5, 8), /isAlive: node is 5/],
      [() => asked.isAlive("a"), /isAlive: threshold is missing; it must be a level of suspicion/],
      [() => asked.isAlive("a", "8"), /isAlive: threshold is "8"/],
      [() => asked.isAlive("a", Number.NaN), /isAlive: threshold is NaN/],
      [() => asked.whenLevel("a", "8"), /whenLevel: level is "8"/],
    ]);
    assert.equal(asked.suspicionLevel("a"), Number.POSITIVE_INFINITY, "nothing that was refused counted");
    for (const beat of [undefined, {}, { sequence: 1 }, { sequence: 2, sentAtMs: 5, incarnation: undefined }]) {
      assert.equal(asked.noteHeartbeat("a", beat), "counted");
    }
    assert.equal(
      asked.noteHeartbeat("a", { sequence: -1 }),
      "refused",
      "what a sender got wrong is no mistake of the caller",
    );
  }
});

test("[C5] options that are inherited → obeyed, wherever they are given", () => {
  const inheriting = (options: object): Any => Object.create(options);
  const retry = inheriting({ maxAttempts: 5 });
  const made = make(ResilientClient, inheriting({ name: "north", retry, breaker: inheriting({ name: "mine" }) }));
  const { maxAttempts, breaker } = made as ResilientClient;
  assert.deepEqual([maxAttempts, breaker?.name], [5, "mine"]);
  assert.equal((make(CircuitBreaker, inheriting({ name: "x" })) as CircuitBreaker).name, "x");
  assert.equal((make(Bulkhead, inheriting({ maxConcurrent: 3 })) as Bulkhead).status.maxConcurrent, 3);
  assert.equal((make(RetryBudget, inheriting({ reserve: 3 })) as RetryBudget).status.allowed, 3);
});

test("[C5] what somebody gives to all objects was not given to options", async () => {
  Object.defineProperty(Object.prototype, "pollution", {
    value: 1,
    enumerable: true,
    configurable: true,
    writable: true,
  });
  try {
    const made = client() as ResilientClient;
    assert.equal(await made.call(() => "ran", { idempotent: true }), "ran");
    assert.equal(new PhiAccrualDetector().noteHeartbeat("a", { sequence: 1 }), "counted");
  } finally {
    Reflect.deleteProperty(Object.prototype, "pollution");
  }
});

test("[C5] a detector that promises a level, or says none → told as its error, and nobody is accused", async () => {
  for (const suspicionLevel of [async () => 9, () => Promise.reject(new Error("x")), () => "9", () => Number.NaN]) {
    const clock = new VirtualClock();
    const abstentions: Any[] = [];
    const declared: unknown[] = [];
    const broken: Any = { noteHeartbeat() {}, suspicionLevel, isAlive: () => true };
    const supervisor = new LivenessSupervisor({
      detector: broken,
      clock,
      gracePeriodMs: 100,
    });
    supervisor.onLivenessChange((declaration) => declared.push(declaration));
    supervisor.onAbstention((abstention) => abstentions.push(abstention));
    supervisor.watch("a");
    const controller = new AbortController();
    const running = supervisor.run(controller.signal);
    await clock.advanceBy(1_000);
    controller.abort();
    await running;
    assert.deepEqual([abstentions.length, abstentions[0].reason, declared], [1, "detector-error", []]);
    assert.match(
      abstentions[0].error.message,
      /suspicionLevel\("a"\) is .*; it must be a number, and no promise of one/,
    );
    const made = new PrimaryBackupFailover({ ...stations, detector: broken, clock });
    assert.equal(made.status.stations[0]?.level, Number.POSITIVE_INFINITY);
  }
});

test("[C5] a failover: its own options, and those of its parts", async () => {
  refuses([
    [() => make(PrimaryBackupFailover), /PrimaryBackupFailover: its options object is missing/],
    [() => failover({ primary: undefined }), /primary is missing; it must be an object/],
    [() => failover({ primary: "a" }), /primary is "a"/],
    [() => failover({ backups: { name: "c" } }), /backups is an object; it must be an array of stations/],
    [() => failover({ backups: ["c"] }), /backups\[0\] is "c"/],
    [() => failover({ detector: undefined }), /detector is missing; it must be a FailureDetector/],
    [() => failover({ detector: { isAlive: () => true } }), /detector is an object; it must be a FailureDetector/],
    [() => failover({ detectors: detector }), /there is no option detectors; did you mean detector\?/],
    [() => failover({ client: 5 }), /client is 5/],
    [() => failover({ client: () => 5 }), /client is 5/],
    [() => failover({ client: async () => ({ timeoutMs: 50 }) }), /client is a Promise; it must be an object/],
    [() => failover({ client: [] }), /client is an array/],
    [() => failover({ client: () => new Map() }), /client is a Map/],
    [
      () => failover({ client: { name: "x" } }),
      /PrimaryBackupFailover client: there is no option name; there are breaker/,
    ],
    [() => failover({ client: () => ({ clock: 5 }) }), /there is no option clock/],
    [() => failover({ client: { breaker: new Map() } }), /client\.breaker is a Map/],
    [() => failover({ ramp: async () => ({ burst: 5 }) }), /ramp is a Promise; it must be an object/],
    [() => failover({ supervisor: [] }), /supervisor is an array/],
    [() => failover({ supervisor: { onLivenessChange: () => 1 } }), /there is no option supervisor\.onLivenessChange/],
    [() => failover({ keyStatusTimeoutMs: "x" }), /keyStatusTimeoutMs is "x"/],
    [() => failover({ client: { timeout: 5 } }), /there is no option timeout; did you mean timeoutMs\?/],
    [() => failover({ client: { breaker: true } }), /breaker is true/],
    [() => failover({ ramp: { capacity: 5 } }), /there is no option ramp\.capacity; .*capacityPerSecond/],
    [() => failover({ ramp: () => ({ bursts: 5 }) }), /there is no option ramp\.bursts; did you mean burst\?/],
    [
      () => failover({ commandPath: { fewestFailures: 5 } }),
      /there is no option commandPath\.fewestFailures; .*minFailures/,
    ],
    [() => failover({ failback: { mode: "auto" } }), /failback\.mode is "auto"; it must be manual or automatic/],
    [() => failover({ failback: { holdDown: 5 } }), /there is no option failback\.holdDown; did you mean holdDownMs\?/],
    [() => failover({ failback: "automatic" }), /failback is "automatic"/],
    [() => failover({ supervisor: { suspectTreshold: 5 } }), /did you mean suspectThreshold\?/],
    [() => failover({ lease: {} }), /lease is an object; it must be a Lease/],
    [() => failover({ probe: "x" }), /probe is "x"; it must be a function/],
    [() => failover({ ambiguousKeyed: "re-send" }), /ambiguousKeyed is "re-send"/],
  ]);
  const made = new PrimaryBackupFailover(stations);
  for (const signal of [undefined, {}, new AbortController()] as Any[]) {
    await assert.rejects(made.run(signal), { code: "INVALID_CONFIGURATION", message: /signal is .*AbortSignal/ });
    await assert.rejects(new LivenessSupervisor({ detector }).run(signal), { code: "INVALID_CONFIGURATION" });
  }
});

test("[H] chaos: misspelt experiments would inject something else, or nothing", () => {
  const chaos = new Chaos();
  refuses([
    [() => make(Chaos, { seed: 5 }), /Chaos: there is no option seed; there are random, clock\./],
    [() => make(Chaos, { random: 5 }), /random is 5; it must be a Random/],
    [() => chaos.setLatency(5 as Any), /Chaos latency: its options object is 5/],
    [() => chaos.setLatency({ ms: "5" } as Any), /ms is "5"; it must be a number of ms or a distribution/],
    [() => chaos.setLatency({ ms: { shape: "gaussian" } } as Any), /ms\.shape is "gaussian"; it must be one of fixed/],
    [
      () => chaos.setLatency({ ms: 5, probabilty: 1 } as Any),
      /Chaos latency: there is no option probabilty; did you mean probability\?/,
    ],
    [() => chaos.setErrors({ error: "down" } as Any), /Chaos errors: error is "down"; it must be a function/],
    [() => chaos.setHangs({ keys: "north" } as Any), /keys is "north"; it must be an array/],
    [() => chaos.setHangs({ ramp: { forMs: 5 } } as Any), /there is no option ramp\.forMs/],
    [() => chaos.setDrops({ as: true } as Any), /as is true/],
    [() => chaos.setLyingSuccess({ answer: {} } as Any), /answer is an object; it must be a function/],
    [() => chaos.setSlowBody({ chunkDelay: 5 } as Any), /did you mean chunkDelayMs\?/],
    [() => chaos.off("latencies" as Any), /there is no fault "latencies"/],
    [() => chaos.wrap("x" as Any), /Chaos\.wrap: the operation is "x"/],
  ]);
  assert.deepEqual(chaos.status, [], "nothing that was refused is set");
});

test("[C5] an option that is undefined → as if it was not given, wherever", () => {
  const parts: readonly (readonly [make: (options: object) => unknown, required: object])[] = [
    [(options) => make(CircuitBreaker, options), {}],
    [(options) => make(Bulkhead, options), { maxConcurrent: 1 }],
    [(options) => make(RetryBudget, options), {}],
    [(options) => make(PhiAccrualDetector, options), {}],
    [(options) => make(FixedHeartbeatDetector, options), {}],
    [(options) => make(DetectionQualityMachine, options), {}],
    [(options) => make(LivenessSupervisor, options), { detector }],
    [(options) => make(SuspicionWatch, options), { detector, threshold: 3 }],
    [(options) => make(ResilientClient, options), { name: "north" }],
    [(options) => make(ResilientClient, { name: "north", retry: options }), {}],
    [(options) => make(PrimaryBackupFailover, options), stations],
    [(options) => failover({ client: options }), {}],
    [(options) => failover({ ramp: options }), {}],
    [(options) => failover({ supervisor: options }), {}],
    [(options) => failover({ commandPath: options }), {}],
    [(options) => failover({ failback: options }), {}],
    [(options) => make(Chaos, options), { random: seededRandom(1) }],
  ];
  let tried = 0;
  for (const [part, required] of parts) {
    for (const name of namesOf(() => part({ ...required, qqqqqqqqqq: 1 }))) {
      if (name in required) continue;
      assert.doesNotThrow(() => part({ ...required, [name]: undefined }), name);
      tried++;
    }
  }
  assert.ok(tried > 80, `${tried} options`);
});

/**
 * All options of a part, by its own word: it lists them where it is given one that there is not.
 */
function namesOf(refused: () => unknown): string[] {
  try {
    refused();
  } catch (error) {
    const [, names] = /there are (.*)\.$/.exec((error as Error).message) ?? assert.fail(String(error));
    return (names as string).split(", ");
  }
  return assert.fail("an option that there is not was taken");
}
