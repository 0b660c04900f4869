/**
 * The settings of a restore run: the options as users write them, on the command line or in a configuration file, and
 * the settings they resolve to.
 */
import { isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { defaultMethod, type MethodName, methodNames } from "../chain/method.js";
import { noiseSchedule, timestepSpacings, trainingTimesteps } from "../diffusion/noise-schedule.js";
import { InputError } from "../errors.js";
import { goalNames } from "../jobs/goal.js";
import { type TaskSettings, taskNames, taskSchema } from "../operators/task.js";
import { defaultMaxPixels } from "../pictures/decode.js";
import { deviceSchema, devicesSchema } from "./device-options.js";
import { checkOptionsOf, flagOf } from "./options.js";

/** How a fleet is spent; `auto` lets the planner choose. */
export const planNames = ["auto", "serial", "time-parallel"] as const;
export type PlanName = (typeof planNames)[number];

/** Tolerance of {@link RestoreSettings.tol} when none is given. */
export const defaultTolerance = 0.1;

const path = z.string().min(1, "needs a path");
const count = z.int().min(1);

/** The options by their names in a configuration file; on the command line `maxRounds` is `--max-rounds`. */
export const restoreOptionsSchema = z
  .strictObject({
    out: path,
    task: z.enum(taskNames),
    scale: z.int().min(2),
    mask: path,
    ratio: z.number().gt(0).max(1),
    permutationSeed: z.int().min(0).max(0xffff_ffff),
    blurForm: z.enum(["exact", "deqir"]),
    simulate: z.boolean(),
    steps: z.int().min(1).max(trainingTimesteps),
    start: z.int().min(1).max(trainingTimesteps),
    spacing: z.enum(timestepSpacings),
    workers: count,
    threads: count,
    device: devicesSchema,
    batch: count,
    listen: z.string().regex(/^.+:\d{1,5}$/, "needs HOST:PORT, port 0 for a free one"),
    plan: z.enum(planNames),
    goal: z.enum(goalNames),
    method: z.enum(methodNames as [MethodName, ...MethodName[]]),
    tol: z.number().gt(0),
    maxRounds: count,
    window: count,
    etw: z.number().min(0).max(1),
    nw: z.number().min(0),
    seed: z.int().min(0),
    model: path,
    report: path,
    contactSheet: z.boolean(),
    maxPixels: count,
    json: z.boolean(),
    quiet: z.boolean(),
  })
  .partial();

/** Options given by a user; what is left out takes its default. */
export type RestoreOptions = z.infer<typeof restoreOptionsSchema>;

/** What a restore run does. Paths are absolute. */
export const restoreSettingsSchema = z.strictObject({
  /** Files, folders and globs, as given. */
  inputs: z.array(z.string()),
  /** Output folder. */
  out: z.string(),
  task: taskSchema,
  /** Picture of the known pixels; null unless the task is `inpaint`. */
  mask: z.string().nullable(),
  /** Whether inputs are clean pictures to be degraded first. */
  simulate: z.boolean(),
  /** T. */
  steps: z.int(),
  /** Diffusion time the chain starts below. */
  start: z.int(),
  spacing: z.enum(timestepSpacings),
  etw: z.number(),
  nw: z.number(),
  seed: z.int(),
  method: z.enum(methodNames as [MethodName, ...MethodName[]]),
  /** Residual allowed relative to the noise level of each state. */
  tol: z.number(),
  /** Rounds allowed; null: as many as it takes, at most T. */
  maxRounds: z.int().nullable(),
  /** Steps of a cut chain evaluated in a round; null: as the method has it. */
  window: z.int().nullable(),
  plan: z.enum(planNames),
  /** What `auto` makes small: the time to each picture, or to the last one. */
  goal: z.enum(goalNames),
  /** null: chosen from the machine's cores and the number of pictures. */
  workers: z.int().nullable(),
  /** Threads of each worker; null: the cores divided by the workers. */
  threads: z.int().nullable(),
  /** What the workers' networks run on, `cpu` or `cuda:N`; the workers take turns. */
  devices: z.array(deviceSchema).min(1),
  /** Pictures a worker evaluates in one network call where it has whole chains; null: chosen by their size. */
  batch: z.int().nullable(),
  /** Where the coordinator listens for its workers, HOST:PORT. */
  listen: z.string(),
  /** The model file. */
  model: z.string(),
  /** The report file. */
  report: z.string(),
  contactSheet: z.boolean(),
  /** Pixels above which a picture is refused. */
  maxPixels: z.int(),
});

/** Resolved settings, defaults filled in. */
export type RestoreSettings = z.infer<typeof restoreSettingsSchema>;

/** Checks options of a run, see {@link checkOptionsOf}. */
export const checkOptions = (
  options: Readonly<Record<string, unknown>>,
  nameOf: (option: string) => string,
): RestoreOptions => checkOptionsOf(restoreOptionsSchema, options, nameOf);

function resolveTask(options: RestoreOptions): TaskSettings {
  const { task, mask, scale, ratio, permutationSeed, blurForm } = options;
  if (task === undefined) throw new InputError(`no --task given; choose one of ${taskNames.join(", ")}`);
  if (task === "inpaint" && mask === undefined) {
    throw new InputError("--task inpaint needs --mask FILE: a picture, white where the pixels are known");
  }
  const given = Object.entries({ scale, ratio, permutationSeed, blurForm }).filter(
    ([, v]) => v !== undefined,
  );
  const checked = taskSchema.safeParse({ task, ...Object.fromEntries(given) });
  const unknown = checked.error?.issues.find((issue) => issue.code === "unrecognized_keys")?.keys[0];
  const stray = unknown ?? (mask !== undefined && task !== "inpaint" ? "mask" : undefined);
  if (stray !== undefined)
    throw new InputError(`${flagOf(stray)} does not apply to --task ${task}; leave it out`);
  if (!checked.success) throw new InputError(`--task ${task}: ${checked.error.issues[0]!.message}`);
  return checked.data;
}

/** What settings are resolved against. */
export interface SettingsSurroundings {
  /** Folder that relative paths start from. */
  readonly cwd: string;
  /** Model used when none is named. */
  readonly defaultModel: string;
}

/**
 * Fills in defaults. Options on the command line win over the same options of a configuration file.
 * @throws InputError if something needed is missing or options contradict each other
 */
export function resolveRestoreSettings(
  inputs: readonly string[],
  flags: RestoreOptions,
  file: RestoreOptions,
  { cwd, defaultModel }: SettingsSurroundings,
): RestoreSettings {
  const options: RestoreOptions = { ...file, ...flags };
  const absolute = (given: string): string => (isAbsolute(given) ? given : resolve(cwd, given));
  if (options.out === undefined)
    throw new InputError("no --out given; name the folder for the restored pictures");
  if (inputs.length === 0) throw new InputError("no input given; give picture files, folders or globs");
  const out = absolute(options.out);
  const task = resolveTask(options);
  const schedule = {
    steps: options.steps ?? 25,
    start: options.start ?? trainingTimesteps,
    spacing: options.spacing ?? "uniform",
  } as const;
  noiseSchedule(schedule);
  return {
    inputs: [...inputs],
    out,
    task,
    mask: options.mask === undefined ? null : absolute(options.mask),
    simulate: options.simulate ?? false,
    ...schedule,
    etw: options.etw ?? 0,
    nw: options.nw ?? 0,
    seed: options.seed ?? 0,
    method: options.method ?? defaultMethod,
    tol: options.tol ?? defaultTolerance,
    maxRounds: options.maxRounds ?? null,
    window: options.window ?? null,
    plan: options.plan ?? "auto",
    goal: options.goal ?? "throughput",
    workers: options.workers ?? null,
    threads: options.threads ?? null,
    devices: options.device ?? ["cpu"],
    batch: options.batch ?? null,
    listen: options.listen ?? "127.0.0.1:0",
    model: absolute(options.model ?? defaultModel),
    report: options.report === undefined ? resolve(out, "report.json") : absolute(options.report),
    contactSheet: options.contactSheet ?? false,
    maxPixels: options.maxPixels ?? defaultMaxPixels,
  };
}
