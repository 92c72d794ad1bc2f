/** How pictures go into BlazeFace for photographs ("back camera", 256x256), and faces come out. */
import type { FaceDetectionTask } from '../../tasks/task.ts';

const SIDE = 256;

export const FACE_TASK: FaceDetectionTask = {
  kind: 'face-detection',
  input: 'input:0',
  image: {
    size: { kind: 'fixed', height: SIDE, width: SIDE },
    channels: 3,
    order: 'rgb',
    layout: 'hwc',
    scale: 1 / 255,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
    fit: 'contain',
    background: 0,
    invert: 'never',
  },
  grids: [
    { scores: 'Identity:0', boxes: 'Identity_2:0', rows: 16, columns: 16, boxesPerCell: 2 },
    { scores: 'Identity_1:0', boxes: 'Identity_3:0', rows: 8, columns: 8, boxesPerCell: 6 },
  ],
  points: ['right eye', 'left eye', 'nose', 'mouth', 'right ear', 'left ear'],
  scoreThreshold: 0.75,
  overlapThreshold: 0.3,
};
