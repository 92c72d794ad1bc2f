/**
 * The public surface of the package: start a peer, have its mesh compute, and talk about what it did.
 *
 * @module tilemesh
 */
export type {
  Answer,
  ClassScore,
  DetectedFace,
  DetectedObject,
  Point,
  TensorSummary,
  TextBox,
  TextLine,
} from '../models/tasks/answer.ts';
export type {
  Classes,
  FaceDetectionTask,
  ForecastingTask,
  ImageClassificationTask,
  ImageSize,
  ImageSpec,
  ObjectDetectionTask,
  SeriesSpec,
  TaskKind,
  TaskSpec,
  TensorsTask,
  TextClassificationTask,
  TextDetectionTask,
  TextRecognitionTask,
  TextSpec,
} from '../models/tasks/task.ts';
export type { Insight, MeshEvent } from './api/insight.ts';
export type { MembershipPort, MembershipView } from './api/membership-port.ts';
export type {
  ImportOptions,
  InferRequest,
  InferResult,
  MemberState,
  MemberView,
  ModelTask,
  ModelView,
  PeerPort,
  ProgressListener,
  RemovedModel,
  WeightOrigin,
} from './api/port.ts';
export type { Machine } from './config/defaults.ts';
export { defineConfig, type MeshConfig, type UserConfig } from './config/define.ts';
export { loadConfig, type Origin, type ResolvedConfig } from './config/load.ts';
export type { DescriptorUse, HeardCard, MachineReadings, PeerCard, Reach, RoundTripFigures } from './core/card.ts';
export { ERROR_CODES, MeshError, type ErrorCode, type ErrorDetails, type Failure } from './core/errors.ts';
export type { ValueInfo } from './core/graph/graph.ts';
export type { ModelId, PeerId, PlanDigest, RequestId } from './core/ids.ts';
export type { BlockReport, PartReport, RunReport, Verification } from './core/report.ts';
export type { DataType } from './core/tensor/data-type.ts';
export {
  float32Values,
  fromFloat32,
  fromNumbers,
  numberValues,
  tensor,
  type Shape,
  type Tensor,
} from './core/tensor/tensor.ts';
export type { Mark, MarkKind } from './core/trace/account.ts';
export type { BlockOutline, Box, PieceOutline, PlanOutline, TileOutline } from './core/trace/outline.ts';
export type { RequestState, RequestSummary } from './core/trace/summary.ts';
export type { AttemptTrace, ClockBound, ComputeSpan, MoveSpan, PeerTrace, RequestTrace } from './core/trace/trace.ts';
export { createPeer, infer, type InferInput, type Inference, type InferOptions } from './library.ts';
export type { Invitation } from './mesh/trust/issued-invitations.ts';
export type { Peer } from './node.ts';
export type { Entry, Journal } from './observability/journal.ts';
