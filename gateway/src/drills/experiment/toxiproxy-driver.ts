/**
 * The functions of Chaos Toolkit's driver for Toxiproxy (`chaostoxi`), as requests to the API of a
 * fault proxy, with what each function makes of the answer. Parameters, defaults and results are
 * those of the driver of February 2023, its spelling `bandwith` too. The address comes from the
 * configuration, as there.
 */
import type { Json, JsonObject } from "./experiment.ts";
import { fieldOf, isObject, shown } from "./problem.ts";
import {
  type Environment,
  type Given,
  type HttpAnswer,
  mapping,
  optional,
  type Parameter,
  type PythonMapping,
  type PythonOutcome,
  required,
} from "./python-plan.ts";

const API_NAMES = ["toxiproxy_host", "toxiproxy_url"];
const DEFAULT_API_PORT = 8474;

/** The address of the fault proxy's API, as the driver finds it. */
function apiUrl(configuration: JsonObject): string | { readonly problem: string } {
  const url = fieldOf(configuration, "toxiproxy_url");
  const host = fieldOf(configuration, "toxiproxy_host");
  const port = fieldOf(configuration, "toxiproxy_port") || DEFAULT_API_PORT;
  const written = typeof url === "string" && url !== "" ? url : `http://${String(host)}:${String(port)}`;
  const isKnown = written === url || (typeof host === "string" && host !== "");
  if (isKnown && URL.canParse(written) && /^https?:/i.test(written)) return written.replace(/\/+$/, "");
  return {
    problem: `the configuration has to say where the fault proxy's API is: toxiproxy_host (now ${shown(host)}) and toxiproxy_port, or toxiproxy_url (now ${shown(url)})`,
  };
}

interface Request {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: readonly string[];
  readonly body?: Json;
}

/** A function of the driver: one request, and what is made of its answer. */
function request(
  parameters: readonly Parameter[],
  make: (given: Given, environment: Environment) => Request | { readonly problem: string },
  outcome: (answer: HttpAnswer, given: Given) => PythonOutcome,
  unanswered: PythonOutcome = { failure: "the fault proxy's API did not answer" },
): PythonMapping {
  return mapping(parameters, API_NAMES, (given, configuration, environment) => {
    const base = apiUrl(configuration);
    const made = make(given, environment);
    if (typeof base !== "string") return base;
    if ("problem" in made) return made;
    return {
      kind: "http",
      method: made.method,
      url: [base, ...made.path.map(encodeURIComponent)].join("/"),
      ...(made.body === undefined ? {} : { body: made.body }),
      outcome: (answer) => (answer === undefined ? unanswered : outcome(answer, given)),
    };
  });
}

function isOk({ status }: HttpAnswer): boolean {
  return status < 400;
}

function refusal(what: string, { status, body }: HttpAnswer): PythonOutcome {
  const said = isObject(body) ? fieldOf(body, "error") : undefined;
  return { failure: `${what}: the fault proxy answered ${status}${typeof said === "string" ? ` (${said})` : ""}` };
}

/** `env:NAME` stands for a variable of the environment. */
function fromEnvironment(value: Json, environment: Environment): string | { readonly problem: string } {
  const name = /^env:(.*)$/s.exec(String(value))?.[1];
  if (name === undefined) return String(value);
  const found = Object.hasOwn(environment, name) ? environment[name] : undefined;
  return found ?? { problem: `there is no variable ${name} in the environment` };
}

const PROXY = required("proxy_name", "text");

/** A proxy that was made or changed: its port goes to the activities after it. */
function proxyOutcome(what: string): (answer: HttpAnswer, given: Given) => PythonOutcome {
  return (answer, given) => {
    const listen = isObject(answer.body) ? fieldOf(answer.body, "listen") : undefined;
    if (!isOk(answer) || typeof listen !== "string") return refusal(what, answer);
    const port = listen.slice(listen.lastIndexOf(":") + 1);
    return { output: true, assigned: { [`${String(given["proxy_name"])}_PORT`]: port } };
  };
}

const createProxy = request(
  [
    PROXY,
    required("upstream_host", "text"),
    required("upstream_port", "port"),
    optional("listen_host", "text", "0.0.0.0"),
    optional("listen_port", "port", 0),
    optional("enabled", "boolean", true),
  ],
  (given, environment) => {
    const host = fromEnvironment(given["upstream_host"] as Json, environment);
    const port = fromEnvironment(given["upstream_port"] as Json, environment);
    if (typeof host !== "string") return host;
    if (typeof port !== "string") return port;
    const listen = `${String(given["listen_host"])}:${String(given["listen_port"])}`;
    const body = {
      name: given["proxy_name"] as Json,
      listen,
      upstream: `${host}:${port}`,
      enabled: given["enabled"] as Json,
    };
    return { method: "POST", path: ["proxies"], body };
  },
  proxyOutcome("the proxy was not made"),
);

/** A change of a proxy, with the fields that `body` gives. */
function changeProxy(parameters: readonly Parameter[], body: (given: Given) => JsonObject): PythonMapping {
  return request(
    [PROXY, ...parameters],
    (given) => ({ method: "POST", path: ["proxies", String(given["proxy_name"])], body: body(given) }),
    proxyOutcome("the proxy was not changed"),
  );
}

const modifyProxy = changeProxy(
  [
    optional("listen_address", "text", null),
    optional("upstream_address", "text", null),
    optional("enabled", "boolean", null),
  ],
  (given) => {
    const fields = { listen: given["listen_address"], upstream: given["upstream_address"], enabled: given["enabled"] };
    return Object.fromEntries(Object.entries(fields).filter(([, value]) => (value ?? null) !== null)) as JsonObject;
  },
);

/** The driver's `delete_proxy` never fails: it only logs, and returns None. */
const deleteProxy = request(
  [PROXY],
  (given) => ({ method: "DELETE", path: ["proxies", String(given["proxy_name"])] }),
  () => ({ output: null }),
  { output: null },
);

const readProxy = (given: Given): Request => ({ method: "GET", path: ["proxies", String(given["proxy_name"])] });

const proxyExists = request([PROXY], readProxy, (answer, given) => ({
  output: isOk(answer) && isObject(answer.body) && fieldOf(answer.body, "name") === given["proxy_name"],
}));

const proxyAttribute = request([PROXY, required("attribute", "text")], readProxy, (answer, given) => {
  if (!isOk(answer) || !isObject(answer.body)) return { output: null };
  const value = fieldOf(answer.body, String(given["attribute"]));
  return value === undefined ? { failure: `a proxy has no ${String(given["attribute"])}` } : { output: value };
});

const TOXIC = [required("for_proxy", "text"), required("toxic_name", "text")];

/** Adds a toxic; the function returns whether the answer has its name. */
function toxic(parameters: readonly Parameter[], body: (given: Given) => JsonObject): PythonMapping {
  return request(
    [...TOXIC, ...parameters],
    (given) => {
      const named = { name: given["toxic_name"] as Json, stream: "downstream", toxicity: 1 };
      return {
        method: "POST",
        path: ["proxies", String(given["for_proxy"]), "toxics"],
        body: { ...named, ...body(given) },
      };
    },
    (answer, given) => {
      if (!isOk(answer) || !isObject(answer.body)) return refusal("the toxic was not added", answer);
      return { output: fieldOf(answer.body, "name") === given["toxic_name"] };
    },
  );
}

/**
 * A toxic of one type, whose attributes are arguments: [name of the argument, of the attribute].
 */
function toxicOf(type: string, parameters: readonly Parameter[], renamed: JsonObject = {}): PythonMapping {
  return toxic(parameters, (given) => {
    const attributes = parameters.map(({ name }) => [fieldOf(renamed, name) ?? name, given[name]]);
    return { type, attributes: Object.fromEntries(attributes) as JsonObject };
  });
}

const createToxic = toxic(
  [
    required("toxic_type", "text"),
    optional("stream", "text", "downstream"),
    optional("toxicity", "number", 1),
    optional("attributes", "object", null),
  ],
  (given) => ({
    type: given["toxic_type"] as Json,
    stream: given["stream"] as Json,
    toxicity: given["toxicity"] as Json,
    ...(given["attributes"] === null ? {} : { attributes: given["attributes"] as Json }),
  }),
);

const deleteToxic = request(
  TOXIC,
  (given) => ({
    method: "DELETE",
    path: ["proxies", String(given["for_proxy"]), "toxics", String(given["toxic_name"])],
  }),
  (answer) => ({ output: isOk(answer) }),
);

const reset = request(
  [],
  () => ({ method: "POST", path: ["reset"] }),
  (answer) => ({ output: isOk(answer) }),
);

/** The driver's functions, by their full names. */
export const TOXIPROXY_DRIVER: Readonly<Record<string, PythonMapping>> = {
  "chaostoxi.proxy.actions.create_proxy": createProxy,
  "chaostoxi.proxy.actions.modify_proxy": modifyProxy,
  "chaostoxi.proxy.actions.disable_proxy": changeProxy([], () => ({ enabled: false })),
  "chaostoxi.proxy.actions.enable_proxy": changeProxy([], () => ({ enabled: true })),
  "chaostoxi.proxy.actions.delete_proxy": deleteProxy,
  "chaostoxi.proxy.actions.reset": reset,
  "chaostoxi.proxy.probes.proxy_exist": proxyExists,
  "chaostoxi.proxy.probes.get_proxy_attribute": proxyAttribute,
  "chaostoxi.toxic.actions.create_toxic": createToxic,
  "chaostoxi.toxic.actions.delete_toxic": deleteToxic,
  "chaostoxi.toxic.actions.create_latency_toxic": toxicOf("latency", [
    required("latency", "whole number"),
    optional("jitter", "whole number", 0),
  ]),
  // The driver spells it so.
  "chaostoxi.toxic.actions.create_bandwith_degradation_toxic": toxicOf("bandwidth", [required("rate", "whole number")]),
  "chaostoxi.toxic.actions.create_slow_connection_close_toxic": toxicOf("slow_close", [
    required("delay", "whole number"),
  ]),
  "chaostoxi.toxic.actions.create_timeout_toxic": toxicOf("timeout", [required("timeout", "whole number")]),
  "chaostoxi.toxic.actions.create_slicer_toxic": toxicOf("slicer", [
    required("average_size", "whole number"),
    required("size_variation", "whole number"),
    required("delay", "whole number"),
  ]),
  "chaostoxi.toxic.actions.create_limiter_toxic": toxicOf("limit_data", [required("bytes_limit", "whole number")], {
    bytes_limit: "bytes",
  }),
};
