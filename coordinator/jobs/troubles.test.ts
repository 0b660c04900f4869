import { describe, expect, it } from "vitest";
import { RetryableError } from "../../shared/errors.js";
import { jobRecord } from "../../test/job-samples.js";
import { Troubles } from "./troubles.js";

describe("Troubles", () => {
  it("are told when they begin, and once a minute while they last", () => {
    let seconds = 0;
    const told: string[] = [];
    const troubles = new Troubles(
      (event) => {
        if (event.event === "job-trouble") told.push(`${seconds} ${event.job.spec.name} ${event.message}`);
      },
      () => seconds,
    );
    for (; seconds < 150; seconds += 10) {
      troubles.tell(jobRecord("a"), new RetryableError("the broker is away"));
      if (seconds >= 30) troubles.tell(jobRecord("b"), new RetryableError("the broker is away"));
      if (seconds === 40) troubles.tell(jobRecord("a"), new RetryableError("the disk is full"));
    }
    expect(told).toEqual([
      "0 a the broker is away",
      "30 b the broker is away",
      "40 a the disk is full",
      "60 a the broker is away",
      "90 b the broker is away",
      "120 a the broker is away",
    ]);
  });
});
