/**
 * Errors that cannot be read, in every way that we know of: properties of other kinds than those of
 * an error, objects without a prototype (as `querystring.parse` and GraphQL make them), getters and
 * traps that throw, a proxy that was revoked.
 */

const refuse = (): never => {
  throw new Error("do not ask");
};
const bare = (): object => Object.assign(Object.create(null), { text: "no route" });
const withGetter = (name: string, error: Error = new Error("x")): Error =>
  Object.defineProperty(error, name, { get: refuse });
const withField = (name: string, value: unknown, error: Error = new Error("x")): Error =>
  Object.assign(error, { [name]: value });

const FIELDS = [
  "code",
  "message",
  "name",
  "cause",
  "errors",
  "syscall",
  "stack",
  "response",
  "status",
  "headers",
  "origin",
];
const TRAPS = ["get", "has", "getPrototypeOf", "getOwnPropertyDescriptor"] as const;

/** By what is wrong with it, a maker of such an error. */
export const UNREADABLE_ERRORS: readonly (readonly [what: string, make: () => unknown])[] = [
  ...[undefined, 5, null, Symbol("m"), {}, bare()].map(
    (message) =>
      [
        `TypeError with a message that is ${typeof message}`,
        () => withField("message", message, new TypeError("x")),
      ] as const,
  ),
  ...["code", "message", "name", "cause"].map(
    (name) => [`TypeError whose ${name} throws`, () => withGetter(name, new TypeError("x"))] as const,
  ),
  ...FIELDS.flatMap((name) => [
    [`${name} throws`, () => withGetter(name)] as const,
    [`${name} has no prototype`, () => withField(name, bare())] as const,
    [`${name} is a symbol`, () => withField(name, Symbol("x"))] as const,
    [`${name} throws in the cause`, () => new Error("wrapped", { cause: withGetter(name) })] as const,
    [`${name} throws in a member`, () => new AggregateError([withGetter(name)])] as const,
  ]),
  ...TRAPS.map((trap) => [`trap ${trap} throws`, () => new Proxy(new Error("x"), { [trap]: refuse })] as const),
  ["all traps throw", () => new Proxy(new Error("x"), Object.fromEntries(TRAPS.map((trap) => [trap, refuse])))],
  ["its tag throws", () => Object.defineProperty({}, Symbol.toStringTag, { get: refuse })],
  ["revoked", revoked],
  ["revoked in the cause", () => new Error("wrapped", { cause: revoked() })],
  ["revoked in a member", () => new AggregateError([revoked(), new Error("x")])],
  ["its members are revoked", () => withField("errors", revokedArray())],
  ["frozen", () => Object.freeze(new Error("frozen"))],
];

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable(new Error("x"), {});
  revoke();
  return proxy;
}

function revokedArray(): unknown {
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  return proxy;
}
