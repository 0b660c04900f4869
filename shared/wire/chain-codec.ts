/** Chains as messages: settings only; tensors follow separately. */
import { z } from "zod";
import { checkCanvas } from "../chain/canvas-limit.js";
import { methodNames } from "../chain/method.js";
import type { ChainSpec } from "../chain/slice-host.js";
import { timestepSpacings } from "../diffusion/noise-schedule.js";
import { DeqfleetError, InputError } from "../errors.js";
import { taskSchema } from "../operators/task.js";
import type { Chain, Chain__Output } from "./generated/deqfleet/v1/Chain.js";

/** A chain without its tensors. */
export type ChainSettings = Omit<ChainSpec, "mask" | "pseudoInverse" | "initialState">;

const chainSchema = z.object({
  pictureId: z.string(),
  seed: z.int().min(0),
  steps: z.int().min(1),
  start: z.int().min(1),
  spacing: z.enum(timestepSpacings),
  etw: z.number().min(0).max(1),
  nw: z.number().min(0),
  method: z.enum(methodNames),
  height: z.int().min(1),
  width: z.int().min(1),
});

/**
 * The settings as a message.
 * @throws InputError if the chain is given its z_0: workers generate it from the seed
 */
export function encodeChain(chain: ChainSettings & Pick<ChainSpec, "initialState">): Chain {
  const { schedule, weights, canvas, task, pictureId, seed, method, initialState } = chain;
  if (initialState !== undefined) {
    throw new InputError(
      `picture ${pictureId}: a given start noise is not sent to workers; leave it out, or solve the chain in this process`,
    );
  }
  return { pictureId, seed, method, ...schedule, ...weights, ...canvas, taskJson: JSON.stringify(task) };
}

function decodeTask(json: string): ChainSettings["task"] {
  try {
    return taskSchema.parse(JSON.parse(json));
  } catch (cause) {
    throw new InputError(`the task's settings are not valid: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
}

/** The message's settings. @throws InputError if they are not valid, PictureError if no slice can hold such a canvas */
export function decodeChain(message: Chain__Output): ChainSettings {
  const chain = chainSchema.safeParse(message);
  if (!chain.success)
    throw new InputError(`the chain's settings are not valid: ${z.prettifyError(chain.error)}`);
  const { pictureId, seed, method, steps, start, spacing, etw, nw, height, width } = chain.data;
  checkCanvas({ height, width });
  const task = decodeTask(message.taskJson);
  return {
    pictureId,
    seed,
    method,
    task,
    schedule: { steps, start, spacing },
    weights: { etw, nw },
    canvas: { height, width },
  };
}
