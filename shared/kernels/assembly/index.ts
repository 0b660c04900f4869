/** The kernels between two network calls of a round, as WebAssembly. Compiled to `row-kernels.wasm`. */
export { bandedLines, scanBands, turnPlane, weighNumbers } from "./banded-lines";
export { addGray, gatherColour, gatherGray, passChannels, scanChannels } from "./channels";
export { addBlocks, addRow, combineMasked, combineRiders, combineRows } from "./combine";
export { cosinesOfPlane, planeOfCosines } from "./cosine-transform";
export { setLayout } from "./layout";
export { dot, gather, gatherRest, gatherWeighted, measureList, measureMasked } from "./measure";
export { passBlocks, passMasked, passRiders, passRow } from "./pass";
export { poolBlocks } from "./riders";
export { scanMasked } from "./scan-masked";
export { scanBlocks, scanRiders, setRiders, setScan } from "./scan-rows";
export { walshHadamard } from "./walsh-hadamard";
