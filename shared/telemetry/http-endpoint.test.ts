import { afterEach, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { type HttpEndpoint, type HttpRoutes, healthRoutes, serveHttp } from "./http-endpoint.js";

const open: HttpEndpoint[] = [];
afterEach(async () => {
  for (const endpoint of open.splice(0)) await endpoint.close();
});

async function serve(routes: HttpRoutes) {
  const endpoint = await serveHttp("127.0.0.1:0", routes);
  open.push(endpoint);
  const base = `http://127.0.0.1:${endpoint.port}`;
  return {
    endpoint,
    ask: async (path: string, method = "GET") => {
      const response = await fetch(base + path, { method });
      return {
        status: response.status,
        type: response.headers.get("content-type"),
        body: await response.text(),
      };
    },
  };
}

it("answers probes with what the checks say at that moment", async () => {
  let state = "joining";
  const { ask } = await serve(
    healthRoutes({
      healthy: () => ({ ok: state !== "failed", detail: state }),
      ready: () => ({ ok: state === "serving", detail: state }),
    }),
  );
  expect(await ask("/healthz")).toMatchObject({ status: 200, body: "joining\n" });
  expect(await ask("/readyz")).toMatchObject({ status: 503, body: "joining\n" });
  state = "serving";
  expect(await ask("/readyz?verbose")).toMatchObject({ status: 200, body: "serving\n" });
  state = "failed";
  expect(await ask("/healthz")).toMatchObject({ status: 503, body: "failed\n" });
});

it("knows its routes, GET, and that a route may fail", async () => {
  const { ask } = await serve({
    "/metrics": async () => ({ contentType: "text/plain; version=0.0.4", body: "up 1\n" }),
    "/broken": () => {
      throw new Error("no numbers today");
    },
  });
  expect(await ask("/metrics")).toEqual({
    status: 200,
    type: "text/plain; version=0.0.4; charset=utf-8",
    body: "up 1\n",
  });
  expect(await ask("/nothing")).toMatchObject({ status: 404, body: "known are /metrics, /broken\n" });
  expect(await ask("/constructor")).toMatchObject({ status: 404 });
  expect(await ask("/metrics", "POST")).toMatchObject({ status: 405 });
  expect(await ask("/broken")).toMatchObject({ status: 500, body: "no numbers today\n" });
});

it("names an address that is taken", async () => {
  const { endpoint } = await serve({});
  const second = serveHttp(`127.0.0.1:${endpoint.port}`, {});
  await expect(second).rejects.toThrow(InputError);
  await expect(second).rejects.toThrow(`cannot serve HTTP on 127.0.0.1:${endpoint.port}`);
});
