import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, ServerCredentials, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { type ProbeServer, probe, startProbeServer } from "../../test/probe-server.js";
import { bearerAuthentication, limitConcurrency, readTokens } from "./api-access.js";

const plain = credentials.createInsecure();
const [first, second] = ["0123456789abcdef-first", "0123456789abcdef-second"];
let server: ProbeServer;
afterEach(() => server?.close());

describe("bearerAuthentication", () => {
  it("takes any of the tokens, and nothing else", async () => {
    server = await startProbeServer(ServerCredentials.createInsecure(), [
      bearerAuthentication([first, second]),
    ]);
    expect(await probe(server.port, plain, { token: first })).toBe("hello");
    expect(await probe(server.port, plain, { token: second })).toBe("hello");
    await expect(probe(server.port, plain)).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining("asks for a token"),
    });
    for (const token of [`${first}x`, first.slice(0, -1), ""]) {
      const refusal = await probe(server.port, plain, { token }).catch((error: Error) => error);
      expect(refusal).toMatchObject({ code: status.UNAUTHENTICATED });
      expect(String(refusal)).not.toContain(first);
    }
  });
});

describe("limitConcurrency", () => {
  it("refuses the call beyond the limit, and takes calls again once one has ended", async () => {
    server = await startProbeServer(ServerCredentials.createInsecure(), [limitConcurrency(2)]);
    const held = [probe(server.port, plain, { name: "Hold" }), probe(server.port, plain, { name: "Hold" })];
    await expect.poll(() => server.held()).toBe(2);
    await expect(probe(server.port, plain)).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringContaining("2 requests are being served"),
    });
    server.letGo();
    expect(await Promise.all(held)).toEqual(["hello", "hello"]);
    expect(await probe(server.port, plain)).toBe("hello");
  });
});

describe("readTokens", () => {
  it("reads one a line, and tells what is wrong without telling a token", async () => {
    const folder = await mkdtemp(join(tmpdir(), "deqfleet-tokens-"));
    const file = join(folder, "tokens");
    await writeFile(file, `# operators\n\n${first}\n  ${second}  \n`);
    expect(await readTokens(file)).toEqual([first, second]);
    await writeFile(file, `# none\n`);
    await expect(readTokens(file)).rejects.toThrow(/holds no token/);
    await writeFile(file, `${first}\nhunter2\n`);
    const refusal = await readTokens(file).catch((error: Error) => error.message);
    expect(refusal).toMatch(/the token on line 2 has fewer than 16 characters/);
    expect(refusal).not.toContain("hunter2");
    await expect(readTokens(join(folder, "none"))).rejects.toThrow(/cannot be read: ENOENT/);
    await rm(folder, { recursive: true });
  });
});
