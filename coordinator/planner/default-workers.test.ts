import { describe, expect, it } from "vitest";
import { workerShape } from "./default-workers.js";

const question = {
  workers: null,
  threads: null,
  devices: ["cpu"],
  plan: "auto",
  goal: "throughput",
  pictures: 100,
  steps: 25,
  cores: 16,
} as const;

describe("workerShape", () => {
  it("takes eight workers of a large machine and shares the cores among them", () => {
    expect(workerShape(question)).toEqual({ workers: 8, threads: 2 });
  });

  it("starts none without work", () => {
    expect(workerShape({ ...question, pictures: 1 })).toEqual({ workers: 1, threads: 16 });
    expect(workerShape({ ...question, pictures: 1, plan: "time-parallel" })).toEqual({
      workers: 8,
      threads: 2,
    });
    expect(workerShape({ ...question, pictures: 1, plan: "time-parallel", steps: 3 })).toEqual({
      workers: 3,
      threads: 5,
    });
  });

  it("starts enough to cut chains where each picture is wanted soon", () => {
    expect(workerShape({ ...question, pictures: 1, goal: "latency" })).toEqual({ workers: 8, threads: 2 });
    expect(workerShape({ ...question, pictures: 1, goal: "latency", plan: "serial" }).workers).toBe(1);
  });

  it("takes what it is given", () => {
    expect(workerShape({ ...question, workers: 3, threads: 4 })).toEqual({ workers: 3, threads: 4 });
    expect(workerShape({ ...question, workers: 20, cores: 2 })).toEqual({ workers: 20, threads: 1 });
  });

  it("takes one worker a GPU, unless told otherwise", () => {
    const devices = ["cuda:0", "cuda:1"] as const;
    expect(workerShape({ ...question, devices })).toEqual({ workers: 2, threads: 8 });
    expect(workerShape({ ...question, devices, pictures: 1 }).workers).toBe(1);
    expect(workerShape({ ...question, devices, pictures: 1, goal: "latency" }).workers).toBe(2);
    expect(workerShape({ ...question, devices, workers: 4 }).workers).toBe(4);
  });
});
