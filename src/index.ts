/** The public surface of the package: start a peer, and talk about what it does. */
export { defineConfig, type MeshConfig, type UserConfig } from './config/define.ts';
export { loadConfig, type ResolvedConfig } from './config/load.ts';
export { ERROR_CODES, MeshError, type ErrorCode } from './core/errors.ts';
export type { ModelId, PeerId, RequestId } from './core/ids.ts';
export type { BlockReport, PartReport, RunReport } from './core/report.ts';
export type { DataType } from './core/tensor/data-type.ts';
export { float32Values, fromFloat32, fromNumbers, numberValues, tensor, type Tensor } from './core/tensor/tensor.ts';
export type { InferRequest, InferResult, MemberView, ModelView } from './api/port.ts';
export { createPeer, type Peer } from './node.ts';
