/** Parts of a piece of work with their times: noted in threads that know no traces, made spans by those that do. */

/** What a span tells: numbers and names, never contents. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** Something that took its time where no span could be open: in another thread, or before it was known what it belongs to. */
export interface TimedPart {
  readonly name: string;
  /** Milliseconds since 1970, with fractions. */
  readonly start: number;
  readonly end: number;
  readonly attributes?: SpanAttributes | undefined;
}

/** The present moment as {@link TimedPart} has it, the same in all threads. */
export const moment = (): number => performance.timeOrigin + performance.now();

/** Notes how long the parts of a piece of work take. */
export class PartTimer {
  readonly parts: TimedPart[] = [];

  /** Runs a part; one that fails is not noted. */
  async time<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const start = moment();
    const result = await work();
    this.parts.push({ name, start, end: moment() });
    return result;
  }
}
