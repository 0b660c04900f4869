/** Turns what a network predicts into a noise estimate, inside the graph and in float32. */
import type { GraphBuilder, Value } from "../onnx/graph-builder.js";
import { type BetaSchedule, cumulativeSignal, type Prediction } from "./beta-schedule.js";

/**
 * eps of a prediction p for x at t, with abar = abar_{trunc(t)} of the model's schedule:
 * - v_prediction: eps = sqrt(abar) p + sqrt(1 - abar) x (Salimans and Ho 2022, section 4)
 * - sample: eps = (x - sqrt(abar) p) / sqrt(1 - abar)
 * @param x [N, 3, H, W] float32
 * @param t [N] float32
 */
export function noiseEstimate(
  graph: GraphBuilder,
  prediction: Prediction,
  schedule: BetaSchedule,
  { predicted, x, t }: { predicted: Value; x: Value; t: Value },
): Value {
  if (prediction === "epsilon") return predicted;
  const signal = cumulativeSignal(schedule);
  // 32-bit indices: WebGPU has no others. Cast truncates.
  const index = graph.cast(t, "int32");
  const perPicture = (factor: (abar: number) => number): Value => {
    const table = graph.constant(Float32Array.from(signal, factor), [signal.length]);
    return graph.reshape(graph.node("Gather", [table, index], { axis: 0 }), [-1, 1, 1, 1]);
  };
  const sum = (ofPrediction: Value, ofX: Value): Value =>
    graph.node("Add", [graph.node("Mul", [predicted, ofPrediction]), graph.node("Mul", [x, ofX])]);
  if (prediction === "v_prediction") {
    return sum(
      perPicture((abar) => Math.sqrt(abar)),
      perPicture((abar) => Math.sqrt(1 - abar)),
    );
  }
  return sum(
    perPicture((abar) => -Math.sqrt(abar / (1 - abar))),
    perPicture((abar) => 1 / Math.sqrt(1 - abar)),
  );
}
