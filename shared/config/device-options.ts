/** Devices as users name them: one for a worker, or a list that the workers of a machine take turns with. */
import { z } from "zod";
import { type Device, devicePattern } from "../onnx/session.js";

/** `cpu` or `cuda:N`. */
export const deviceSchema = z.custom<Device>(
  (given) => typeof given === "string" && devicePattern.test(given),
  "is no device; give cpu, or cuda:0 for the first GPU",
);

/** One device or several, the same one at most once: a list, or a text with commas. */
export const devicesSchema = z
  .union([
    z.string().transform((text) => text.split(",").map((device) => device.trim())),
    z.array(z.string()),
  ])
  .pipe(z.array(deviceSchema).min(1))
  .refine(
    (devices) => devices.length === 1 || !devices.includes("cpu"),
    "mixes cpu with GPUs, whose batches are others; start workers for each, or leave cpu out",
  )
  .refine((devices) => new Set(devices).size === devices.length, "names a device twice; name each once");
