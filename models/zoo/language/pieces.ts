/** Pieces of the held-back articles, as long as a sentence: what the accuracy of the language network is told on. */
import type { Sample } from '../training/classifier.ts';
import { characterIds } from '../../tasks/text.ts';
import type { Declaration } from './declarations.ts';

export const PIECE_LENGTH = 96;
/** Shorter rests of an article are left out; a language whose articles are short has few pieces. */
const SHORTEST = 72;

/** Each as `PIECE_LENGTH` ids, padded with zeros; labels are positions in `declarations`. */
export function heldBackPieces(declarations: readonly Declaration[], vocabulary: number): Sample[] {
  return declarations.flatMap(({ heldBack }, label) =>
    heldBack.flatMap((article) => {
      const ids = characterIds(article, vocabulary);
      const starts = Array.from({ length: Math.ceil(ids.length / PIECE_LENGTH) }, (_, index) => index * PIECE_LENGTH);
      return starts
        .map((start) => ids.slice(start, start + PIECE_LENGTH))
        .filter((piece) => piece.length >= Math.min(SHORTEST, ids.length))
        .map((piece) => {
          const input = new Float32Array(PIECE_LENGTH);
          input.set(piece);
          return { input, label };
        });
    }),
  );
}
