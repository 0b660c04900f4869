/** `deqfleet submit`: a dataset job. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { checkOptionsOf, flagOf } from "../shared/config/options.js";
import { resolveRestoreSettings } from "../shared/config/restore-settings.js";
import { readSubmitFile, submitOptionsSchema } from "../shared/config/submit-options.js";
import { DeqfleetError, InputError } from "../shared/errors.js";
import { goalNames } from "../shared/jobs/job.js";
import { restorationOf } from "../shared/jobs/restoration-of.js";
import { modelHash } from "../shared/onnx/model-hash.js";
import { storeUri } from "../shared/storage/open-store.js";
import type { SubmitReply__Output } from "../shared/wire/generated/deqfleet/v1/SubmitReply.js";
import type { SubmitRequest } from "../shared/wire/generated/deqfleet/v1/SubmitRequest.js";
import { exitCodes } from "./exit-codes.js";
import { withInterruption } from "./interruption.js";
import { countsText, stateText } from "./job-text.js";
import { type ConnectionFlags, connectedCommand, JobsConnection } from "./jobs-connection.js";
import { Patience, withWaitFlag } from "./patience.js";
import { withRestorationFlags } from "./restoration-flags.js";
import type { CommandSurroundings } from "./restore.js";
import { killProcess, number } from "./service.js";

interface SubmitFlags extends ConnectionFlags {
  readonly out: string;
  readonly name?: string;
  readonly config?: string;
  readonly json?: boolean;
  readonly wait: number;
}

function submitCommand(): Command {
  const command = connectedCommand(
    "submit",
    "restore a dataset on a fleet; the same command again goes on with it",
  )
    .argument("<input>", "folder, file:///folder or s3://bucket/prefix, as workers and coordinators see it")
    .requiredOption("--out <store>", "where the restored pictures go, likewise")
    .option("--name <name>", "name of the job (default: from the input's name and the settings)")
    .option("--priority <n>", "0 to 9; jobs of a higher one are served first (default: 0)", number)
    .option("--weight <w>", "share of the fleet among jobs of one priority (default: 1)", number)
    .addOption(
      new Option(
        "--goal <goal>",
        "what is to be short: the time to each picture, or to the last one (default: throughput)",
      ).choices([...goalNames]),
    )
    .option("--max-deliveries <n>", "attempts before a picture is given up (default: 5)", number)
    .option("--model <file>", "model the workers have to have (default: the one that all of them have)")
    .option(
      "--config <file>",
      "YAML file with any of these options but --out and --name; the command line wins",
    );
  withWaitFlag(command, "a coordinator that answers and, without --model, for a worker");
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

/** Splits what commander found into flags of the command and options of the job, which a file may have, too. */
function split(given: Record<string, unknown>): { command: SubmitFlags; options: Record<string, unknown> } {
  const names = [
    ...["out", "name", "config", "json", "wait"],
    ...["coordinator", "tokenFile", "tlsCa", "tlsCert", "tlsKey", "tlsServerName"],
  ];
  const isOfCommand = ([name]: [string, unknown]) => names.includes(name);
  const entries = Object.entries(given);
  return {
    command: Object.fromEntries(entries.filter(isOfCommand)) as unknown as SubmitFlags,
    options: Object.fromEntries(entries.filter((entry) => !isOfCommand(entry))),
  };
}

/** Adds the command to the program; `done` receives its exit code. */
export function addSubmit(
  program: Command,
  { console, cwd, signals, exit }: CommandSurroundings,
  done: (exitCode: number) => void,
): void {
  program.addCommand(
    submitCommand().action(async (input: string, given: Record<string, unknown>) => {
      const { command, options } = split(given);
      const flags = checkOptionsOf(submitOptionsSchema, options, flagOf);
      const file = command.config === undefined ? {} : await readSubmitFile(resolve(cwd, command.config));
      const {
        priority = 0,
        weight = 1,
        goal = "throughput",
        maxDeliveries = 5,
        ...restoration
      } = {
        ...file,
        ...flags,
      };
      const { model } = restoration;
      const settings = resolveRestoreSettings([input], restoration, { out: "." }, { cwd, defaultModel: "" });
      const request = {
        spec: {
          name: command.name ?? "",
          input: storeUri(input, cwd),
          output: storeUri(command.out, cwd),
          restorationJson: JSON.stringify(restorationOf(settings)),
          model: model === undefined ? "" : await modelHash(resolve(cwd, model)),
          priority,
          weight,
          goal,
          maxDeliveries,
        },
        maskFile: await readMaskFile(settings.mask),
      };
      const submit = () =>
        JobsConnection.with(command, (connection) =>
          connection.call<SubmitRequest, SubmitReply__Output>((client) => client.submit, request),
        );
      // There is nothing to tidy up. Said all the same: as the first process of a container it would not hear of signals otherwise.
      const interruption = { source: signals, onFirst: () => exit(exitCodes.interrupted), kill: killProcess };
      const reply = await withInterruption(interruption, (signal) =>
        new Patience(command.wait, console, signal).with(submit),
      );
      const { status, created } = reply;
      if (!status) throw new InputError("the coordinator gave an empty answer");
      const name = status.spec?.name ?? "";
      if (command.json) console.stdout.write(`${JSON.stringify(reply)}\n`);
      else if (created) console.stdout.write(`submitted ${name}; follow it with: deqfleet watch ${name}\n`);
      else console.stdout.write(`${name} goes on (${stateText(status)}): ${countsText(status)}\n`);
      done(exitCodes.ok);
    }),
  );
}
