/** The kernels between two network calls of a round, as WebAssembly. Compiled to `row-kernels.wasm`. */
export { bandedLines, scanBands, turnPlane, weighNumbers } from "./banded-lines";
export { addBlocks, addChannels, addRow, combineMasked, combineRiders, combineRows } from "./combine";
export { cosinesOfPlane, planeOfCosines } from "./cosine-transform";
export { setLayout } from "./layout";
export { dot, gather, gatherRest, gatherWeighted, measureList, measureMasked } from "./measure";
export { passBlocks, passChannels, passMasked, passRiders, passRow } from "./pass";
export { poolBlocks, poolChannels } from "./riders";
export { scanMasked } from "./scan-masked";
export { scanBlocks, scanChannels, scanRiders, setRiders, setScan } from "./scan-rows";
export { walshHadamard } from "./walsh-hadamard";
