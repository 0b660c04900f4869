import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { addressSchema, advertisedAddress, hostOf, isLoopback, portOf } from "./address.js";

describe("addresses", () => {
  it.each([
    ["host:80", "host", 80],
    ["127.0.0.1:0", "127.0.0.1", 0],
    ["[::1]:65535", "[::1]", 65_535],
    ["coordinator-0.coordinator.default.svc:7700", "coordinator-0.coordinator.default.svc", 7700],
  ])("%s is one", (address, host, port) => {
    expect(addressSchema.parse(address)).toBe(address);
    expect([hostOf(address), portOf(address)]).toEqual([host, port]);
  });

  it.each(["host", "host:", ":80", "host:65536", "host:99999", "::1:80", "http://host:80", "a b:80"])(
    "%s is none",
    (text) => {
      expect(addressSchema.safeParse(text).success).toBe(false);
    },
  );

  it.each([
    ["127.0.0.1:80", true],
    ["127.1.2.3:80", true],
    ["localhost:80", true],
    ["[::1]:80", true],
    ["127.0.0.1.example.org:80", false],
    ["10.0.0.1:80", false],
  ])("%s is of this machine: %s", (address, own) => {
    expect(isLoopback(address)).toBe(own);
  });
});

describe("what is advertised", () => {
  it.each([
    ["where it listens, with the port it got", "10.0.0.1:0", null, "10.0.0.1:41"],
    ["this host, where it listens everywhere", "0.0.0.0:0", null, `${hostname()}:41`],
    ["likewise for IPv6", "[::]:41", null, `${hostname()}:41`],
    ["what the user says", "0.0.0.0:0", "worker.example:7000", "worker.example:7000"],
    ["with the port it got for port 0", "0.0.0.0:0", "worker.example:0", "worker.example:41"],
  ])("%s", (_, listen, advertise, expected) => {
    expect(advertisedAddress(listen, 41, advertise)).toBe(expected);
  });
});
