/** Lets one piece of work at a time run, in the order of the calls. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    // Whoever called sees the error; the next in turn goes on all the same.
    this.#last = result.catch(() => {});
    return result;
  }
}
