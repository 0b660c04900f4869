import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { v8Flags } from "./v8-flags.js";

describe("v8Flags", () => {
  it("are known to this Node, which would not start with others", () => {
    expect(v8Flags.length).toBeGreaterThan(1);
    expect(execFileSync(process.execPath, [...v8Flags, "-p", "6 * 7"], { encoding: "utf8" })).toBe("42\n");
  });
});
