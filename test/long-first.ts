/** The order of the suite: what takes minutes begins first, so that no processor waits for it at the end. */
import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";

/** Files that take more than a hundred seconds. */
const long = [
  "test/containers/containers.test.ts",
  "test/equality-trained-64-long.test.ts",
  "test/chart/chart.test.ts",
  "test/faults/faults.test.ts",
];

export default class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = long.findIndex((name) => moduleId.endsWith(`/${name}`));
      return place < 0 ? long.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
