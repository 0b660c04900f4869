import { describe, expect, it } from "vitest";
import { devicesSchema } from "./device-options.js";

describe("devicesSchema", () => {
  it("takes one device, a list with commas, or a list", () => {
    expect(devicesSchema.parse("cuda:0")).toEqual(["cuda:0"]);
    expect(devicesSchema.parse("cuda:1, cuda:0")).toEqual(["cuda:1", "cuda:0"]);
    expect(devicesSchema.parse(["cpu"])).toEqual(["cpu"]);
  });

  it.each([
    ["gpu", /give cpu, or cuda:0/],
    ["", /give cpu, or cuda:0/],
    ["cuda:0,,cuda:1", /give cpu, or cuda:0/],
    ["cuda:0,cuda:0", /names a device twice/],
    ["cuda:0,cuda:00", /give cpu, or cuda:0/],
    ["cpu,cuda:0", /mixes cpu with GPUs/],
    [[], /Too small/],
  ])("refuses %j", (given, reason) => {
    expect(() => devicesSchema.parse(given)).toThrow(reason);
  });
});
