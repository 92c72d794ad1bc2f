/** Brings boards to where a mesh is after a day's work: connected, weights checked, every plan made, sessions open. */
import type { BenchContext } from '../context.ts';
import { ask, checkAnswer, requestIdFor, type Expected } from '../ask.ts';
import type { Boards } from '../emulation/boards.ts';
import type { BenchModel } from '../model.ts';

/** Speeds that boards have just told each other may sway an election; then it is tried again. */
const MAX_TRIES = 8;

/** One request for each board as its coordinator, entering at the next one. The shares of a core are not enforced. */
export async function warmUp(
  boards: Boards,
  model: BenchModel,
  expected: Expected,
  parallelism: number,
  { signal, progress }: BenchContext,
): Promise<void> {
  const peers = boards.boards.map(({ id }) => id);
  for (const [index, { id, name }] of boards.boards.entries()) {
    const entry = boards.boards[(index + 1) % peers.length]!;
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      progress(`warming up: ${name} coordinates`);
      const reply = await ask(entry, model, { parallelism, requestId: requestIdFor(id, peers), signal });
      checkAnswer(expected, reply);
      if (reply.report.coordinator === id) break;
    }
  }
}
