/**
 * A run's progress as text: a line for every finished picture, and below them one line of what is being done now. On a
 * terminal that line is redrawn in place; elsewhere it is printed as a plain line every few seconds.
 */
import type { ReportItem } from "../coordinator/restore/report.js";
import type { PictureSettled, RestoreEvent } from "../coordinator/restore/restore-event.js";
import type { Console } from "./console.js";

/** Seconds between two progress lines where they cannot be redrawn, and between two redraws. */
const plainInterval = 5;
const redrawInterval = 0.1;

const eraseLine = "\r\u001b[2K";
const defaultColumns = 80;

type EventOf<Name extends RestoreEvent["event"]> = Extract<RestoreEvent, { event: Name }>;

/** 75 -> `1:15`, 3675 -> `1:01:15`. */
export function clockTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Pictures a minute, with as many digits as mean something. */
const rateText = (perMinute: number): string =>
  perMinute >= 10 ? `${perMinute.toFixed(0)}/min` : `${perMinute.toFixed(1)}/min`;

/** Prints a run's events. */
export class Progress {
  readonly #console: Console;
  readonly #now: () => number;
  #lineShown = false;
  #lastLine = Number.NEGATIVE_INFINITY;
  #started = 0;
  #pictures = 0;
  #settled = 0;
  #restored = 0;
  /** Pictures at work and what is known of each. */
  readonly #working = new Map<string, string>();

  /** @param now seconds since an arbitrary moment */
  constructor(console: Console, now: () => number = () => performance.now() / 1000) {
    this.#console = console;
    this.#now = now;
    this.#started = now();
  }

  /** Shows an event. */
  show(event: RestoreEvent): void {
    switch (event.event) {
      case "run-started":
        this.#runStarted(event);
        break;
      case "picture-started":
        this.#working.set(event.picture, event.attempt > 1 ? `attempt ${event.attempt}` : "");
        this.#draw();
        break;
      case "round":
        this.#working.set(event.picture, roundText(event));
        this.#draw();
        break;
      case "picture-done":
      case "picture-failed":
        this.#pictureSettled(event);
        break;
      case "picture-skipped":
        this.#settled++;
        break;
      case "worker":
        this.#print(`${event.worker} ${event.kind}: ${event.reason}`);
        break;
      case "run-finished":
        this.#runFinished(event);
        break;
    }
  }

  /** Removes the line that is being redrawn, so that something else can be printed. */
  clear(): void {
    if (this.#lineShown) this.#console.stdout.write(eraseLine);
    this.#lineShown = false;
  }

  #print(text: string): void {
    this.clear();
    this.#console.stdout.write(`${text}\n`);
  }

  #runStarted({ pictures, skipped, plan, reason, workers }: EventOf<"run-started">): void {
    this.#started = this.#now();
    this.#pictures = pictures;
    const before = skipped > 0 ? `, ${skipped} restored before` : "";
    const count = `${pictures} picture${pictures === 1 ? "" : "s"}${before}`;
    const fleet = workers.length > 0 ? `, ${workers.length} worker${workers.length === 1 ? "" : "s"}` : "";
    this.#print(`${count}${fleet}`);
    this.#print(plan === null ? reason : `plan: ${reason}`);
  }

  #pictureSettled({ picture, item }: PictureSettled): void {
    this.#working.delete(picture);
    this.#settled++;
    const place = `[${this.#settled}/${this.#pictures}] ${picture}`;
    if (item.status === "failed") {
      // The reason goes to stderr, where it is seen even if stdout is not.
      this.#print(`${place}: failed`);
    } else {
      this.#restored++;
      this.#print(`${place}: ${doneText(item)}`);
    }
    this.#draw();
  }

  #runFinished({ status, counts, seconds, report }: EventOf<"run-finished">): void {
    const { done, skipped, failed, cancelled } = counts;
    const parts = [
      `${done} restored`,
      ...(skipped > 0 ? [`${skipped} skipped`] : []),
      ...(failed > 0 ? [`${failed} failed`] : []),
      ...(cancelled > 0 ? [`${cancelled} not restored`] : []),
    ];
    this.#print(`${status} in ${clockTime(seconds)}: ${parts.join(", ")}; report in ${report}`);
  }

  #draw(): void {
    const { stdout } = this.#console;
    const now = this.#now();
    if (stdout.isTTY === true) {
      // A line that was erased comes back at once; a shown one need not follow every round.
      if (this.#lineShown && now - this.#lastLine < redrawInterval) return;
      this.#lastLine = now;
      this.#lineShown = true;
      stdout.write(`${eraseLine}${this.#line().slice(0, (stdout.columns ?? defaultColumns) - 1)}`);
    } else if (now - Math.max(this.#lastLine, this.#started) >= plainInterval) {
      this.#lastLine = now;
      stdout.write(`${this.#line()}\n`);
    }
  }

  #line(): string {
    const elapsed = this.#now() - this.#started;
    const perSecond = elapsed > 0 ? this.#restored / elapsed : 0;
    const left = this.#pictures - this.#settled;
    const pace = perSecond > 0 ? `, ${rateText(perSecond * 60)}, ${clockTime(left / perSecond)} left` : "";
    const total = `${this.#settled}/${this.#pictures} pictures${pace}`;
    const working = [...this.#working].map(([picture, text]) =>
      text === "" ? picture : `${picture}: ${text}`,
    );
    return [total, ...working].join(" | ");
  }
}

const ratioText = (ratio: number): string => (ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(3));

const roundText = ({ round, largestRatio, final, steps }: EventOf<"round">): string =>
  `round ${round}, residual ${ratioText(largestRatio)} x tolerance, ${final}/${steps} states final`;

function doneText({ rounds, plan, seconds, psnr, converged }: ReportItem): string {
  const work = plan === "serial" ? `${rounds} steps` : `${rounds} round${rounds === 1 ? "" : "s"}`;
  return [
    work,
    `${(seconds.total ?? 0).toFixed(1)} s`,
    ...(psnr === null ? [] : [`PSNR ${psnr.toFixed(2)} dB`]),
    ...(converged === false ? ["not converged"] : []),
  ].join(", ");
}
