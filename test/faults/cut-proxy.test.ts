import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startCutProxy } from "./cut-proxy.js";

let echo: Server;
beforeAll(async () => {
  echo = createServer((socket) => void socket.pipe(socket)).listen(0, "127.0.0.1");
  await once(echo, "listening");
});
afterAll(() => echo.close());

it("holds every byte back while it is cut, and loses none", async () => {
  const proxy = await startCutProxy((echo.address() as AddressInfo).port);
  const socket = connect(proxy.port, "127.0.0.1");
  let received = "";
  socket.on("data", (bytes) => {
    received += bytes.toString();
  });
  socket.write("before ");
  await expect.poll(() => received).toBe("before ");
  const mended = proxy.cut(300);
  socket.write("during ");
  const late = connect(proxy.port, "127.0.0.1");
  let receivedLate = "";
  late.on("data", (bytes) => {
    receivedLate += bytes.toString();
  });
  late.write("late");
  await delay(150);
  expect([received, receivedLate]).toEqual(["before ", ""]);
  await mended;
  socket.write("after");
  await expect.poll(() => received).toBe("before during after");
  await expect.poll(() => receivedLate).toBe("late");
  for (const open of [socket, late]) open.destroy();
  await proxy.close();
});
