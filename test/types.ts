/**
 * What the compiler must refuse in callers' code, and what it must infer there. `npm run check` is
 * the test: an `@ts-expect-error` over a line without an error is an error.
 */
import { type Classifier, PhiAccrualDetector, PrimaryBackupFailover, ResilientClient } from "ground-station-failover";

interface Reply {
  readonly isOk: boolean;
}

const detector = new PhiAccrualDetector();
const [primary, backup] = [{ name: "north" }, { name: "south" }];
const classify: Classifier<Reply> = { result: ({ isOk }) => (isOk ? "success" : "failure") };

// @ts-expect-error A failover without a backup.
export const lonely: object = new PrimaryBackupFailover({ primary, detector });

const failover = new PrimaryBackupFailover({ primary, backup, detector, client: { classify } });
export const reply: Promise<Reply> = failover.call(({ station }) => ({ isOk: station === primary }));
// @ts-expect-error The classifier judges replies, and this operation returns a number.
export const wrong: Promise<number> = failover.call(() => 1);

const client = new ResilientClient({ name: "north", classify });
export const guarded: Promise<Reply> = client.call(() => ({ isOk: true }));
// @ts-expect-error A misspelt option.
export const misspelt: Promise<Reply> = client.call(() => ({ isOk: true }), { idempotentt: true });
// @ts-expect-error A deadline is an instant: use deadlineAfter(5_000).
export const duration: Promise<Reply> = client.call(() => ({ isOk: true }), { deadline: 5_000 });
