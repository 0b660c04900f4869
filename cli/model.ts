/** `deqfleet model`: the commands that make and judge models. */
import { Command } from "commander";
import { importCommand } from "./model-import.js";
import { inspectCommand } from "./model-inspect.js";
import { verifyCommand } from "./model-verify.js";
import type { CommandSurroundings } from "./restore.js";

/** Adds the command and its own commands to the program; `done` receives their exit code. */
export function addModel(
  program: Command,
  surroundings: CommandSurroundings,
  done: (exitCode: number) => void,
): void {
  const model = new Command("model").description("make models of checkpoints, and judge them");
  for (const command of [importCommand, inspectCommand, verifyCommand]) {
    model.addCommand(command(surroundings, done));
  }
  program.addCommand(model);
}
