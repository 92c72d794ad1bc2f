/**
 * The published descriptions of the Open Inference Protocol. No package carries them, so tests that need one look for a checkout
 * of https://github.com/open-inference/open-inference-protocol where `TILEMESH_OPEN_INFERENCE` says, and are skipped without.
 */
import { access } from 'node:fs/promises';
import path from 'node:path';

const VARIABLE = 'TILEMESH_OPEN_INFERENCE';

export type Published = { readonly file: string } | { readonly missing: string };

/** @param name of a file in `specification/protocol` */
export async function publishedDescription(name: string): Promise<Published> {
  const checkout = process.env[VARIABLE];
  if (checkout === undefined)
    return { missing: `no package carries ${name}: name a checkout of the protocol in ${VARIABLE}` };
  const file = path.join(checkout, 'specification/protocol', name);
  return access(file).then(
    () => ({ file }),
    () => ({ missing: `${VARIABLE} names no checkout of the protocol: there is no ${file}` }),
  );
}
