/** Plain HTTP beside gRPC, for probes and metrics: a few routes, GET only, no transport security (Kubernetes probes know none). */
import { createServer, type ServerResponse } from "node:http";
import { DeqfleetError, InputError } from "../errors.js";
import { hostOf, portOf } from "../wire/address.js";

/** What a route answers. */
export interface HttpAnswer {
  /** 200 if left out. */
  readonly status?: number;
  /** `text/plain` if left out. */
  readonly contentType?: string;
  readonly body: string;
}

/** Answers a GET of its path. */
export type HttpRoute = () => HttpAnswer | Promise<HttpAnswer>;

/** Routes by path. */
export type HttpRoutes = Readonly<Record<string, HttpRoute>>;

/** A listening endpoint. */
export interface HttpEndpoint {
  readonly port: number;
  close(): Promise<void>;
}

/** Whether a process works, and whether it wants work, each with a word on it. */
export interface HealthChecks {
  readonly healthy: () => { readonly ok: boolean; readonly detail: string };
  readonly ready: () => { readonly ok: boolean; readonly detail: string };
}

/** `/healthz`: restart me if this is not 200. `/readyz`: send me work if this is 200. */
export function healthRoutes({ healthy, ready }: HealthChecks): HttpRoutes {
  const route =
    (check: HealthChecks["healthy"]): HttpRoute =>
    () => {
      const { ok, detail } = check();
      return { status: ok ? 200 : 503, body: `${detail}\n` };
    };
  return { "/healthz": route(healthy), "/readyz": route(ready) };
}

function send(
  response: ServerResponse,
  { status = 200, contentType = "text/plain", body }: HttpAnswer,
): void {
  response.writeHead(status, {
    "content-type": `${contentType}; charset=utf-8`,
    "cache-control": "no-store",
  });
  response.end(body);
}

/**
 * Serves routes.
 * @param address HOST:PORT; port 0 takes a free one
 * @throws InputError if the address cannot be bound
 */
export async function serveHttp(address: string, routes: HttpRoutes): Promise<HttpEndpoint> {
  const server = createServer(async (request, response) => {
    const [path] = (request.url ?? "/").split("?");
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (!route) return send(response, { status: 404, body: `known are ${Object.keys(routes).join(", ")}\n` });
    if (request.method !== "GET" && request.method !== "HEAD") {
      return send(response, { status: 405, body: "GET only\n" });
    }
    try {
      send(response, await route());
    } catch (error) {
      send(response, { status: 500, body: `${DeqfleetError.messageOf(error)}\n` });
    }
  });
  const host = hostOf(address).replace(/^\[|\]$/g, "");
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new InputError(
          `cannot serve HTTP on ${address}: ${cause.message}; is the port in use? Choose another --http address`,
          { cause },
        ),
      ),
    );
    server.listen(portOf(address), host, resolve);
  });
  // An open endpoint alone keeps no process alive.
  server.unref();
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound ? bound.port : portOf(address),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
