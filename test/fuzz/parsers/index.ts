/** All parsers of what comes from outside. */
import type { Parser } from '../engine/parser.ts';
import { DOCUMENTS } from './documents.ts';
import { FRAMES } from './frames.ts';
import { MODELS } from './models.ts';
import { PEOPLE } from './people.ts';
import { REQUESTS } from './requests.ts';
import { STREAMS } from './streams.ts';

export const PARSERS: readonly Parser[] = [...FRAMES, ...STREAMS, ...DOCUMENTS, ...MODELS, ...REQUESTS, ...PEOPLE];
