/** What a plan is to make small: the time to each picture, or to the last one. */
export const goalNames = ["latency", "throughput"] as const;
export type Goal = (typeof goalNames)[number];
