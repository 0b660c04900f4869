/**
 * A 3x3 convolution of a picture enlarged twice by nearest neighbour, computed at the small size.
 *
 * In the enlarged picture every value stands twice in a row, so a row of three weights meets only two values of the small
 * one: an even output pixel 2i sees the values i - 1, i, i with weights w0, w1, w2, that is w0 and w1 + w2; an odd one sees
 * i, i, i + 1, that is w0 + w1 and w2. So the four outputs of each small pixel are four 2x2 convolutions: 16 products in
 * place of 36, and no enlarged feature is written and read. Zeros around the enlarged picture are zeros around the small
 * one, so the borders agree as well.
 */
import type { Conversion, Feature, Layers } from "./layers.js";

/** Weights of the 3-row that meet each of the two values, for even outputs and for odd ones. */
const meets = [
  [[0], [1, 2]],
  [[0, 1], [2]],
] as const;

/**
 * [planes, 3, 3] to [4, planes, 2, 2]. One convolution of margin 1 makes all four kinds of outputs; its window at i holds the
 * values i - 1 and i, so the even output 2i comes from window i and the odd one 2i + 1 from window i + 1. Hence odd kinds
 * stand first: interleaved, window i then gives the pixels 2i - 1 and 2i, in order, with one pixel too many at either end.
 */
const quartered: Conversion = (kernels) => {
  const planes = kernels.length / 9;
  const quarters = new Float32Array(4 * planes * 4);
  let at = 0;
  for (const rows of [meets[1], meets[0]]) {
    for (const columns of [meets[1], meets[0]]) {
      for (let plane = 0; plane < planes; plane++) {
        for (const ys of rows) {
          for (const xs of columns) {
            let sum = 0;
            for (const y of ys) for (const x of xs) sum += kernels[plane * 9 + y * 3 + x];
            quarters[at++] = sum;
          }
        }
      }
    }
  }
  return quarters;
};

/** The bias for each of the four kinds. */
const repeated: Conversion = (bias) => {
  const four = new Float32Array(4 * bias.length);
  for (let kind = 0; kind < 4; kind++) four.set(bias, kind * bias.length);
  return four;
};

/** nn.Conv2d(channels, out, 3, padding=1) with the tensors of `name`, after nearest-neighbour enlargement by two. */
export function upsampledConv(layers: Layers, x: Feature, name: string, out: number): Feature {
  const { graph, tensors } = layers;
  const readWeight = tensors.take(`${name}.weight`, [out, x.channels, 3, 3]);
  const readBias = tensors.take(`${name}.bias`, [out]);
  const weight = layers.derived(`${name}.weight`, [4 * out, x.channels, 2, 2], x.type, async () =>
    quartered(await readWeight()),
  );
  const bias = layers.derived(`${name}.bias`, [4 * out], x.type, async () => repeated(await readBias()));
  const kinds = graph.node("Conv", [x.value, weight, bias], {
    kernel_shape: [2, 2],
    strides: [1, 1],
    pads: [1, 1, 1, 1],
  });
  const enlarged = graph.node("DepthToSpace", [kinds], { blocksize: 2, mode: "DCR" });
  const value = graph.node("Slice", [
    enlarged,
    graph.integers([1, 1]),
    graph.integers([-1, -1]),
    graph.integers([2, 3]),
  ]);
  return { ...x, value, channels: out, level: x.level - 1 };
}
