/** `deqfleet submit`: a dataset job. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { readConfigFile } from "../shared/config/config-file.js";
import { flagOf } from "../shared/config/options.js";
import { checkOptions, resolveRestoreSettings } from "../shared/config/restore-settings.js";
import { DeqfleetError, InputError } from "../shared/errors.js";
import { goalNames } from "../shared/jobs/job.js";
import { restorationOf } from "../shared/jobs/restoration-of.js";
import { modelHash } from "../shared/onnx/model-hash.js";
import { storeUri } from "../shared/storage/open-store.js";
import type { SubmitReply__Output } from "../shared/wire/generated/deqfleet/v1/SubmitReply.js";
import type { SubmitRequest } from "../shared/wire/generated/deqfleet/v1/SubmitRequest.js";
import { exitCodes } from "./exit-codes.js";
import { countsText, stateText } from "./job-text.js";
import { type ConnectionFlags, connectedCommand, JobsConnection } from "./jobs-connection.js";
import { withRestorationFlags } from "./restoration-flags.js";
import type { CommandSurroundings } from "./restore.js";
import { number } from "./service.js";

interface SubmitFlags extends ConnectionFlags {
  readonly out: string;
  readonly name?: string;
  readonly priority: number;
  readonly weight: number;
  readonly goal: string;
  readonly maxDeliveries: number;
  readonly model?: string;
  readonly config?: string;
  readonly json?: boolean;
}

function submitCommand(): Command {
  const command = connectedCommand(
    "submit",
    "restore a dataset on a fleet; the same command again goes on with it",
  )
    .argument("<input>", "folder, file:///folder or s3://bucket/prefix, as workers and coordinators see it")
    .requiredOption("--out <store>", "where the restored pictures go, likewise")
    .option("--name <name>", "name of the job (default: from the input's name and the settings)")
    .option("--priority <n>", "0 to 9; jobs of a higher one are served first", number, 0)
    .option("--weight <w>", "share of the fleet among jobs of one priority", number, 1)
    .addOption(
      new Option("--goal <goal>", "what is to be short: the time to each picture, or to the last one")
        .choices([...goalNames])
        .default("throughput"),
    )
    .option("--max-deliveries <n>", "attempts before a picture is given up", number, 5)
    .option("--model <file>", "model the workers have to have (default: the one that all of them have)")
    .option("--config <file>", "YAML file with restoration options; the command line wins");
  return withRestorationFlags(command);
}

async function readMaskFile(path: string | null): Promise<Buffer> {
  if (path === null) return Buffer.alloc(0);
  try {
    return await readFile(path);
  } catch (cause) {
    throw new InputError(`--mask ${path} cannot be read: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
}

/** Splits what commander found into the job's flags and those of the restoration. */
function split(given: Record<string, unknown>): { job: SubmitFlags; restoration: Record<string, unknown> } {
  const names = [
    ...["out", "name", "priority", "weight", "goal", "maxDeliveries", "model", "config", "json"],
    ...["coordinator", "tokenFile", "tlsCa", "tlsCert", "tlsKey", "tlsServerName"],
  ];
  const isJob = ([name]: [string, unknown]) => names.includes(name);
  const entries = Object.entries(given);
  return {
    job: Object.fromEntries(entries.filter(isJob)) as unknown as SubmitFlags,
    restoration: Object.fromEntries(entries.filter((entry) => !isJob(entry))),
  };
}

/** Adds the command to the program; `done` receives its exit code. */
export function addSubmit(
  program: Command,
  { console, cwd }: CommandSurroundings,
  done: (exitCode: number) => void,
): void {
  program.addCommand(
    submitCommand().action(async (input: string, given: Record<string, unknown>) => {
      const { job, restoration } = split(given);
      const flags = checkOptions(restoration, flagOf);
      const file = job.config === undefined ? {} : await readConfigFile(resolve(cwd, job.config));
      const { out: _, ...settled } = file;
      const settings = resolveRestoreSettings(
        [input],
        flags,
        { ...settled, out: "." },
        { cwd, defaultModel: "" },
      );
      const request = {
        spec: {
          name: job.name ?? "",
          input: storeUri(input, cwd),
          output: storeUri(job.out, cwd),
          restorationJson: JSON.stringify(restorationOf(settings)),
          model: job.model === undefined ? "" : await modelHash(resolve(cwd, job.model)),
          priority: job.priority,
          weight: job.weight,
          goal: job.goal,
          maxDeliveries: job.maxDeliveries,
        },
        maskFile: await readMaskFile(settings.mask),
      };
      const reply = await JobsConnection.with(job, (connection) =>
        connection.call<SubmitRequest, SubmitReply__Output>((client) => client.submit, request),
      );
      const { status, created } = reply;
      if (!status) throw new InputError("the coordinator gave an empty answer");
      const name = status.spec?.name ?? "";
      if (job.json) console.stdout.write(`${JSON.stringify(reply)}\n`);
      else if (created) console.stdout.write(`submitted ${name}; follow it with: deqfleet watch ${name}\n`);
      else console.stdout.write(`${name} goes on (${stateText(status)}): ${countsText(status)}\n`);
      done(exitCodes.ok);
    }),
  );
}
