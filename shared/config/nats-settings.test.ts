import { describe, expect, it } from "vitest";
import { type NatsOptions, natsSettingsSchema } from "./nats-settings.js";

const servers = ["nats://broker:4222"];

describe("natsSettingsSchema", () => {
  it("fills in the documented defaults", () => {
    expect(natsSettingsSchema.parse({ servers })).toEqual({ servers, prefix: "deqfleet", replicas: 1 });
  });

  it("takes each way to prove who one is", () => {
    for (const way of [
      { credentials: "fleet.creds" },
      { user: "fleet", passwordFile: "password" },
      { tokenFile: "token" },
      { tls: { ca: "ca.pem", certificate: "cert.pem", key: "key.pem" } },
    ]) {
      expect(natsSettingsSchema.parse({ servers, ...way })).toMatchObject(way);
    }
  });

  it.each<[Partial<NatsOptions>, RegExp]>([
    [{ servers: [] }, /servers/],
    [{ servers: ["broker:4222"] }, /needs nats:\/\/HOST:PORT/],
    [{ servers: ["nats://fleet:s3cret@broker:4222"] }, /without user and password/],
    [{ user: "fleet" }, /both user and passwordFile/],
    [{ passwordFile: "password" }, /both user and passwordFile/],
    [{ tokenFile: "token", credentials: "fleet.creds" }, /needs one of/],
    [{ tls: { certificate: "cert.pem" } }, /both certificate and key/],
    [{ servers: ["nats://a:1", "nats://10.0.0.1:4222"], tls: {} }, /servers by their names/],
    [{ servers: ["tls://[::1]:4222"] }, /servers by their names/],
    [{ prefix: "a.b" }, /letters, digits/],
    [{ replicas: 0 }, /replicas/],
  ])("refuses %j, and does not repeat it", (options, message) => {
    const { success, error } = natsSettingsSchema.safeParse({ servers, ...options });
    expect(success).toBe(false);
    expect(JSON.stringify(error?.issues)).toMatch(message);
    expect(JSON.stringify(error?.issues)).not.toContain("s3cret");
  });
});
