import { takeover } from "./worlds/takeover.ts";
for (const [mode, what] of [["stopped","stopped"],["slow","slow"],["warming","warming"],["errors","errors"],["killed","killed"],["reset-after","reset"]] as const)
for (const patienceMs of [500, 2000]) for (const cap of [1.2, 10]) for (const rate of [20, 200]) {
const f = await takeover({ rate, latencyMs: 80, patienceMs, capacityRatio: cap, seconds: 30, faultAtS: 8, steps: (p, b) => [[2, () => p.set({name:"killed"})],[8, () => b.set(mode === "slow" ? {name:"slow", latencyMs: 5000} : {name: mode} as never)],[11, () => b.set({name:"ok"})]] });
const back = f.goodput.findIndex((g, s) => s >= 11 && f.goodput.slice(s, s + 3).every(x => x >= 0.9 * rate));
console.log(what, patienceMs, cap, rate, "back after", back - 11, "allowed", 5 + 2 * patienceMs / 1000, f.goodput.slice(7, 24).join(" "), JSON.stringify(f.outcomes));
}
