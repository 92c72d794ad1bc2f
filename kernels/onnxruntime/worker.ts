/** The thread of a lane with the native ONNX Runtime. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { serveLane, sessionOptions } from '../lanes/thread.ts';

serveLane({
  Tensor,
  open: (definition, held, threads) =>
    InferenceSession.create(definition.model, {
      ...sessionOptions(definition, held, {
        // A lane that waits must leave the core to the others.
        intra_op: { allow_spinning: '0' },
        ...(definition.weightFolder === null
          ? {}
          : { model_external_initializers_file_folder_path: definition.weightFolder }),
      }),
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
    }),
});
