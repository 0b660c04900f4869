/** `deqfleet bench`: measurements, and simulations that rest on them. */
import { Command } from "commander";
import { fleetCommand } from "./bench-fleet.js";
import { roundsCommand } from "./bench-rounds.js";
import type { CommandSurroundings } from "./restore.js";

/** Adds the command and its own commands to the program; `done` receives their exit code. */
export function addBench(
  program: Command,
  surroundings: CommandSurroundings,
  done: (exitCode: number) => void,
): void {
  const bench = new Command("bench").description("measure the solver, and simulate fleets");
  for (const command of [fleetCommand, roundsCommand]) bench.addCommand(command(surroundings, done));
  program.addCommand(bench);
}
