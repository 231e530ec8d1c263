/**
 * Each way out of a simulated world is found on this engine: it trips, is named, and says what to
 * use instead.
 */
import assert from "node:assert/strict";
import childProcess, { spawn } from "node:child_process";
import nodeCrypto, { generateKeyPairSync, randomBytes, randomInt, randomUUID } from "node:crypto";
import dgram, { createSocket } from "node:dgram";
import dns, { lookup } from "node:dns";
import dnsPromises from "node:dns/promises";
import fs, { readFileSync } from "node:fs";
import fsPromises, { readFile } from "node:fs/promises";
import http, { request } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import nodeModule from "node:module";
import net, { connect } from "node:net";
import os from "node:os";
import perfHooks from "node:perf_hooks";
import { test } from "node:test";
import timers, { setTimeout as namedSetTimeout } from "node:timers";
import timersPromises, { setTimeout as promisedSetTimeout, scheduler } from "node:timers/promises";
import tls from "node:tls";
import workerThreads, { Worker } from "node:worker_threads";
import zlib from "node:zlib";
import { setTraps } from "./traps.ts";

/** What touched, as a run in traps reports it. */
function inTraps(run: () => void): { readonly touched: string[]; readonly stacks: string[] } {
  const touched: string[] = [];
  const stacks: string[] = [];
  const takeAway = setTraps({
    onTouch(what, stack) {
      touched.push(what);
      stacks.push(stack);
    },
    onUncaught: (error) => assert.fail(String(error)),
  });
  try {
    run();
  } finally {
    takeAway();
  }
  return { touched, stacks };
}

const nothing = (): void => undefined;
const { hrtime } = process;
const bytes = new Uint8Array(4);

/**
 * What code may do, what that is called, and a word of what to use instead. Reached in the ways
 * that code reaches it.
 */
const TOUCHES: readonly (readonly [what: string, touch: () => unknown, instead: RegExp])[] = [
  ["Date", () => Date(), /env\.wallMs/],
  ["new Date", () => new Date(), /env\.wallMs/],
  ["new Date", () => Reflect.construct(Date, []), /env\.wallMs/],
  ["new Date", () => new (new Date(0).constructor as typeof Date)(), /env\.wallMs/],
  ["Date.now", () => Date["now"](), /env\.wallMs/],
  ["performance.now", () => performance.now(), /env\.clock\.nowMs/],
  ["performance.now", () => perfHooks.performance.now(), /env\.clock\.nowMs/],
  ["performance.mark", () => performance.mark("x"), /env\.clock\.nowMs/],
  ["performance.timeOrigin", () => performance.timeOrigin, /env\.clock\.nowMs/],
  ["perf_hooks.monitorEventLoopDelay", () => perfHooks.monitorEventLoopDelay(), /env\.clock\.nowMs/],
  ["Event.prototype.timeStamp", () => new Event("x").timeStamp, /env\.clock\.nowMs/],
  ["process.hrtime", () => process.hrtime(), /env\.clock\.nowMs/],
  ["process.hrtime.bigint", () => process.hrtime.bigint(), /env\.clock\.nowMs/],
  ["process.hrtime.bigint", () => hrtime.bigint(), /env\.clock\.nowMs/],
  ["process.uptime", () => process.uptime(), /env\.clock\.nowMs/],
  ["process.cpuUsage", () => process.cpuUsage(), /passed in/],
  ["process.memoryUsage.rss", () => process.memoryUsage.rss(), /passed in/],
  ["os.loadavg", () => os.loadavg(), /passed in/],
  ["Math.random", () => Math["random"](), /env\.random/],
  ["crypto.randomUUID", () => globalThis.crypto["randomUUID"](), /env\.random/],
  ["crypto.getRandomValues", () => globalThis.crypto.getRandomValues(bytes), /env\.random/],
  ["crypto.getRandomValues", () => nodeCrypto.getRandomValues(bytes), /env\.random/],
  ["crypto.randomUUID", () => randomUUID(), /env\.random/],
  ["crypto.randomBytes", () => randomBytes(4), /env\.random/],
  ["crypto.randomBytes", () => nodeCrypto.randomBytes(4), /env\.random/],
  ["crypto.randomInt", () => randomInt(4), /env\.random/],
  ["crypto.randomFillSync", () => nodeCrypto.randomFillSync(bytes), /env\.random/],
  ["crypto.generateKeyPairSync", () => generateKeyPairSync("ed25519"), /env\.random/],
  ["crypto.generateKeySync", () => nodeCrypto.generateKeySync("hmac", { length: 64 }), /env\.random/],
  ["crypto.createECDH", () => nodeCrypto.createECDH("secp256k1"), /env\.random/],
  ["crypto.scrypt", () => nodeCrypto.scrypt("a", "b", 8, nothing), /synchronous/],
  ["crypto.subtle.digest", () => globalThis.crypto.subtle.digest("SHA-256", bytes), /synchronous/],
  ["zlib.gzip", () => zlib.gzip(bytes, nothing), /synchronous/],
  ["setTimeout", () => setTimeout(nothing, 1), /env\.clock\.at/],
  ["setInterval", () => setInterval(nothing, 1), /env\.clock\.at/],
  ["setImmediate", () => setImmediate(nothing), /env\.clock\.at/],
  ["setTimeout", () => timers.setTimeout(nothing, 1), /env\.clock\.at/],
  ["setTimeout", () => namedSetTimeout(nothing, 1), /env\.clock\.at/],
  ["setImmediate", () => timers.setImmediate(nothing), /env\.clock\.at/],
  ["timers/promises.setTimeout", () => timersPromises.setTimeout(1), /sleepUntil/],
  ["timers/promises.setTimeout", () => promisedSetTimeout(1), /sleepUntil/],
  ["timers/promises.setInterval", () => timersPromises.setInterval(1), /sleepUntil/],
  ["timers/promises scheduler.wait", () => scheduler.wait(1), /sleepUntil/],
  ["AbortSignal.timeout", () => AbortSignal["timeout"](1), /env\.clock/],
  ["fetch", () => fetch("http://127.0.0.1:9"), /env\.network/],
  ["new WebSocket", () => new WebSocket("ws://127.0.0.1:9"), /env\.network/],
  ["net.connect", () => connect(9), /env\.network/],
  ["net.connect", () => net.createConnection(9), /env\.network/],
  ["net.createServer", () => net.createServer(), /env\.network/],
  ["net.Socket.prototype.connect", () => new net.Socket().connect(9), /env\.network/],
  ["tls.connect", () => tls.connect(9), /env\.network/],
  ["tls.createServer", () => tls.createServer(), /env\.network/],
  ["http.request", () => request("http://127.0.0.1:9"), /env\.network/],
  ["http.get", () => http.get("http://127.0.0.1:9"), /env\.network/],
  ["http.createServer", () => http.createServer(), /env\.network/],
  ["https.request", () => https.request("https://127.0.0.1:9"), /env\.network/],
  ["http2.connect", () => http2.connect("http://127.0.0.1:9"), /env\.network/],
  ["dgram.createSocket", () => createSocket("udp4"), /env\.network/],
  ["dgram.createSocket", () => dgram.createSocket("udp4"), /env\.network/],
  ["dns.lookup", () => lookup("localhost", nothing), /env\.network/],
  ["dns.resolve4", () => dns.resolve4("localhost", nothing), /env\.network/],
  ["dns/promises.lookup", () => dnsPromises.lookup("localhost"), /env\.network/],
  ["dns/promises.resolve", () => dns.promises.resolve("localhost"), /env\.network/],
  ["fs.readFileSync", () => readFileSync("/dev/null"), /env\.disk/],
  ["fs.writeFile", () => fs.writeFile("/dev/null", "", nothing), /env\.disk/],
  ["fs.createReadStream", () => fs.createReadStream("/dev/null"), /env\.disk/],
  ["fs.existsSync", () => fs.existsSync("/dev/null"), /env\.disk/],
  ["fs.watch", () => fs.watch("/dev/null"), /env\.disk/],
  ["fs/promises.readFile", () => readFile("/dev/null"), /env\.disk/],
  ["fs/promises.open", () => fs.promises.open("/dev/null"), /env\.disk/],
  ["fs/promises.stat", () => fsPromises.stat("/dev/null"), /env\.disk/],
  ["child_process.spawn", () => spawn("true"), /a node of the world/],
  ["child_process.execFileSync", () => childProcess.execFileSync("true"), /a node of the world/],
  ["process.exit", () => process.exit(3), /a node of the world/],
  ["process.kill", () => process.kill(process.pid, 0), /a node of the world/],
  ["new worker_threads.Worker", () => new Worker("", { eval: true }), /a node of the world/],
  ["new MessageChannel", () => new workerThreads.MessageChannel(), /env\.clock/],
  ["new MessageChannel", () => new MessageChannel(), /env\.clock/],
  ["new BroadcastChannel", () => new BroadcastChannel("x"), /env\.clock/],
  ["Atomics.wait", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1), /env\.clock/],
  ["new WeakRef", () => new WeakRef({}), /garbage collector/],
  ["new FinalizationRegistry", () => new FinalizationRegistry(nothing), /garbage collector/],
  ['require("./nowhere.cjs")', () => nodeModule.createRequire(import.meta.url)("./nowhere.cjs"), /before the run/],
];

test("[S1] each way to real time, chance, timers, sockets, files, processes and threads trips, and is named", () => {
  for (const [what, touch, instead] of TOUCHES) {
    let thrown: unknown;
    const { touched, stacks } = inTraps(() => {
      try {
        touch();
      } catch (error) {
        thrown = error;
      }
    });
    assert.deepEqual(touched, [what], `${touch}`);
    assert.ok(thrown instanceof Error, `${what} threw nothing`);
    assert.ok(thrown.message.includes(what), thrown.message);
    assert.match(thrown.message, instead);
    assert.match(
      stacks[0]?.split("\n")[1] ?? "",
      /real-world\.test\.ts|node:/,
      `the stack of ${what} begins elsewhere`,
    );
  }
});

test("[S1] Temporal.Now trips where there is one", () => {
  const temporal = (globalThis as { Temporal?: { Now: { instant(): unknown } } }).Temporal;
  if (temporal === undefined) return;
  assert.throws(() => inTraps(() => temporal.Now.instant()), /Temporal\.Now\.instant .* use env\.wallMs/);
});
