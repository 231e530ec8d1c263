/**
 * Routes on loopback for the programs of this machine: bodies are small, errors are JSON with a
 * sentence, and a browser is refused, because any website could make it send requests here.
 */
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";

const MAX_BODY_BYTES = 65_536;

/** Routes to which more are added. `places`: what there is, for a path that there is not. */
export function localRoutes(places: string): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    // Browsers send one of these with every request that a page can cause.
    if (context.req.header("origin") !== undefined || context.req.header("sec-fetch-site") !== undefined)
      return context.json({ error: "Browsers are not served here" }, 403);
    return next();
  });
  app.use(async (context, next) => {
    if (context.req.header("transfer-encoding") !== undefined)
      return context.json({ error: "Content-Length is missing" }, 411);
    if (Number(context.req.header("content-length") ?? 0) > MAX_BODY_BYTES)
      return context.json({ error: `a body has at most ${MAX_BODY_BYTES} bytes` }, 413);
    return next();
  });
  app.onError((error, context) =>
    context.json({ error: error.message }, error instanceof HTTPException ? error.status : 500),
  );
  app.notFound((context) => context.json({ error: `Not found; there are ${places}` }, 404));
  return app;
}
