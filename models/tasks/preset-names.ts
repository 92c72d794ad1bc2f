/** Names of tasks for `tilemesh import --task NAME`; what they stand for is in `presets.ts`. */
export const PRESET_NAMES = ['imagenet', 'ppocr-detection', 'ppocr-angle', 'ppocr-recognition'] as const;

export type PresetName = (typeof PRESET_NAMES)[number];
