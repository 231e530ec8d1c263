/**
 * Files as a machine sees them, and as a power loss leaves them: what must survive, what may not,
 * and what it costs.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../core/random.ts";
import { FileSystem } from "./file-system.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (found: Uint8Array | undefined): string | undefined =>
  found === undefined ? undefined : Buffer.from(found).toString("latin1");

/**
 * How a file looks after a power loss, for each of 300 seeds: every outcome that chance allows,
 * with how often.
 */
function outcomes(prepare: (files: FileSystem) => void, look: (files: FileSystem) => string): Map<string, number> {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= 300; seed++) {
    const files = new FileSystem();
    prepare(files);
    files.losePower(seededRandom(seed));
    const found = look(files);
    seen.set(found, (seen.get(found) ?? 0) + 1);
  }
  return seen;
}

function synced(files: FileSystem, name: string, content: string): void {
  files.replace(name, bytes(content));
  files.endSync(files.beginSync(name));
}

test("[S] what is written is seen at once, and durable only after a sync that covers it", () => {
  const files = new FileSystem();
  files.append("a", bytes("one"));
  assert.equal(text(files.contents("a")), "one");
  assert.equal(files.durable("a"), undefined);
  const point = files.beginSync("a");
  files.append("a", bytes("two"));
  files.endSync(point);
  assert.equal(text(files.contents("a")), "onetwo");
  assert.equal(text(files.durable("a")), "one", "what came after the sync began is not covered");
});

test("[S] a power loss leaves what was synced whole, and of the rest anything POSIX allows", () => {
  const seen = outcomes(
    (files) => {
      synced(files, "a", "SAFE");
      files.append("a", bytes("xy"));
      files.append("a", bytes("zw"));
    },
    (files) => text(files.contents("a")) as string,
  );
  for (const found of seen.keys()) assert.match(found, /^SAFE/);
  const expected = [
    "SAFE",
    "SAFExy",
    "SAFExyzw",
    "SAFEx",
    "SAFExyz",
    "SAFEx\0",
    "SAFE\0\0zw",
    "SAFE\0\0z",
    "SAFExyz\0",
  ];
  for (const one of expected) assert.ok(seen.has(one), `never found: ${JSON.stringify(one)}`);
  const possible = /^SAFE(|x|xy|x\0|\0\0|x?y?z?w?|(xy|x\0|\0\0)(z|zw|z\0|\0\0))$/;
  for (const found of seen.keys()) assert.match(found, possible, `physically impossible: ${JSON.stringify(found)}`);
});

test("[S] after a power loss the cache is what is durable, and a second one changes nothing", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const files = new FileSystem();
    synced(files, "a", "one");
    files.append("a", bytes("two"));
    files.append("b", bytes("three"));
    files.losePower(seededRandom(seed));
    const first = [files.list(), text(files.contents("a")), text(files.contents("b"))];
    assert.equal(text(files.durable("a")), first[1]);
    files.losePower(seededRandom(seed + 100));
    assert.deepEqual([files.list(), text(files.contents("a")), text(files.contents("b"))], first, `seed ${seed}`);
  }
});

test("[S] a write over a file that nobody synced may leave the old bytes, none, some or all", () => {
  const seen = outcomes(
    (files) => {
      synced(files, "a", "old");
      files.replace("a", bytes("new"));
    },
    (files) => text(files.contents("a")) as string,
  );
  for (const one of ["old", "", "n", "ne", "new", "n\0\0"])
    assert.ok(seen.has(one), `never found: ${JSON.stringify(one)}`);
  for (const found of seen.keys()) assert.match(found, /^(old|new|(n?e?|\0\0\0|n\0\0|ne\0))$/);
});

test("[S] a file, a rename and a removal are durable only after a sync of that name", () => {
  const made = outcomes(
    (files) => files.append("a", bytes("x")),
    (files) => files.list().join(),
  );
  assert.deepEqual([...made.keys()].sort(), ["", "a"]);
  const renamed = outcomes(
    (files) => {
      synced(files, "a", "old");
      synced(files, "a.new", "new");
      files.rename("a.new", "a");
    },
    (files) =>
      files
        .list()
        .map((name) => `${name}=${text(files.contents(name))}`)
        .join(),
  );
  assert.deepEqual([...renamed.keys()].sort(), ["a=new", "a=old,a.new=new"], "either both names or neither");
  const safe = outcomes(
    (files) => {
      synced(files, "a", "old");
      synced(files, "a.new", "new");
      files.rename("a.new", "a");
      files.endSync(files.beginSync("a"));
      files.remove("a");
    },
    (files) =>
      files
        .list()
        .map((name) => `${name}=${text(files.contents(name))}`)
        .join(),
  );
  assert.deepEqual([...safe.keys()].sort(), ["", "a=new"]);
});

test("[S] names that hang together change in order, others need not", () => {
  const rotated = outcomes(
    (files) => {
      synced(files, "log", "2");
      synced(files, "log.1", "1");
      files.rename("log.1", "log.2");
      files.rename("log", "log.1");
    },
    (files) =>
      files
        .list()
        .map((name) => `${name}=${text(files.contents(name))}`)
        .join(),
  );
  assert.deepEqual([...rotated.keys()].sort(), ["log.1=2,log.2=1", "log=2,log.1=1", "log=2,log.2=1"]);
  const apart = outcomes(
    (files) => {
      files.append("a", bytes(""));
      files.append("b", bytes(""));
    },
    (files) => files.list().join(),
  );
  assert.deepEqual([...apart.keys()].sort(), ["", "a", "a,b", "b"]);
});

test("[S] a sync of one name makes its history durable and leaves what has nothing to do with it", () => {
  const seen = outcomes(
    (files) => {
      files.append("other", bytes("x"));
      files.append("a.new", bytes("new"));
      files.rename("a.new", "a");
      files.append("a.new", bytes("newer"));
      files.endSync(files.beginSync("a"));
    },
    (files) => files.list().join(),
  );
  assert.deepEqual([...seen.keys()].sort(), ["a", "a,a.new", "a,a.new,other", "a,other"]);
});

test("[S] a sync of the last name that a file was given leaves no other name behind", () => {
  const seen = outcomes(
    (files) => {
      files.append("a.new", bytes("new"));
      files.rename("a.new", "a");
      files.endSync(files.beginSync("a"));
    },
    (files) => files.list().join(),
  );
  assert.deepEqual([...seen.keys()], ["a"]);
});

test("[S] a rename that comes after a sync began is not covered by it", () => {
  const seen = outcomes(
    (files) => {
      files.append("a", bytes("x"));
      const point = files.beginSync("a");
      files.rename("a", "b");
      files.endSync(point);
    },
    (files) => files.list().join(),
  );
  assert.deepEqual([...seen.keys()].sort(), ["a", "b"]);
});

test("[S] a failed sync decides once: no later sync makes up for what it lost, and a new write does", () => {
  let lost = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const files = new FileSystem();
    synced(files, "a", "SAFE");
    files.append("a", bytes("risk"));
    files.failSync(files.beginSync("a"), seededRandom(seed));
    const decided = text(files.durable("a"));
    assert.equal(text(files.contents("a")), "SAFErisk", "the page cache still shows it");
    files.endSync(files.beginSync("a"));
    assert.equal(text(files.durable("a")), decided, `seed ${seed}`);
    if (decided !== "SAFErisk") lost++;
    files.replace("a", bytes("again"));
    files.endSync(files.beginSync("a"));
    files.losePower(seededRandom(seed));
    assert.equal(text(files.contents("a")), "again");
  }
  assert.ok(lost > 10 && lost < 60, `${lost} of 60 lost`);
});

test("[S] a lost truncation brings old bytes back behind new ones", () => {
  const seen = outcomes(
    (files) => {
      synced(files, "a", "abcdef");
      files.resize("a", 2);
      files.append("a", bytes("XY"));
    },
    (files) => text(files.contents("a")) as string,
  );
  for (const one of ["abcdef", "ab", "abXY", "abXYef"]) assert.ok(seen.has(one), `never found: ${one}`);
});

test("[S] flipping a durable bit is seen at once, except where a newer value waits to be synced", () => {
  const files = new FileSystem();
  synced(files, "a", "abc");
  files.flip("a", 1, 0x20);
  assert.equal(text(files.contents("a")), "aBc");
  files.replace("a", bytes("xyz"));
  files.flip("a", 0, 0x20);
  assert.equal(text(files.contents("a")), "xyz");
  assert.equal(text(files.durable("a")), "ABc");
});

test("[S] used bytes follow every change", () => {
  const files = new FileSystem();
  synced(files, "a", "abc");
  files.append("b", bytes("1234"));
  files.append("a", bytes("d"));
  files.resize("b", 6);
  assert.equal(files.usedBytes, 10);
  files.rename("b", "a");
  assert.equal(files.usedBytes, 6);
  files.remove("a");
  assert.equal(files.usedBytes, 0);
  synced(files, "a", "12345");
  files.append("a", bytes("6"));
  files.losePower(seededRandom(1));
  assert.equal(files.usedBytes, files.contents("a")?.length);
});

test("[S] 100,000 appends never synced cost their bytes, and the kernel writes the older ones out", () => {
  const files = new FileSystem();
  const record = bytes("x".repeat(50));
  for (let count = 0; count < 100_000; count++) files.append("journal", record);
  assert.equal(files.usedBytes, 5_000_000);
  files.endSync(files.beginSync("journal"));
  files.append("other", record);
  files.losePower(seededRandom(1));
  assert.equal(files.contents("journal")?.length, 5_000_000);
});
